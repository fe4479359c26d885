"""Links that lose packets: models of loss, traces, and presets with their sources."""

from streamaug.links.base import Link
from streamaug.links.definitions import LinkDefinition, check_name, find_link, open_links
from streamaug.links.models import Bursts, Independent
from streamaug.links.patterns import evaluation_key, lost_packets, training_key
from streamaug.links.presets import PRESETS, Preset
from streamaug.links.trace import Trace, read_trace

__all__ = [
    "PRESETS",
    "Bursts",
    "Independent",
    "Link",
    "LinkDefinition",
    "Preset",
    "Trace",
    "check_name",
    "evaluation_key",
    "find_link",
    "lost_packets",
    "open_links",
    "read_trace",
    "training_key",
]
