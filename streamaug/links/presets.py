"""Links with a name and a version, whose parameters come from a source.

Real links differ so much that no number fits all; these are points inside what the sources give.
Where a source says nothing of bursts, the burst is an assumption, and its text says so. The
parameters of a version never change: another opinion is another version.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from streamaug.links.base import Link
from streamaug.links.models import Bursts


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A link that ships with the library.

    Args:
        link: What it does.
        source: Where its parameters come from, and what is assumed.
    """

    link: Link
    source: str


PRESETS: Mapping[str, Preset] = {
    "wifi@1": Preset(
        link=Bursts(loss=0.05, burst=3),
        source="Loss: inside the 0 to 20 % that ITU-T G.1050 (11/2007) gives an unmanaged IP network, which names no typical value. "
        "Burst: an assumption, packets that a collision or a fade takes together.",
    ),
    "cellular@1": Preset(
        link=Bursts(loss=0.01, burst=2),
        source="Loss: the bound for conversational voice in LTE, QCI 1 of 3GPP TS 23.203, table 6.1.7: packet error loss rate 10^-2. "
        "Burst: an assumption, since the bound says nothing of it.",
    ),
    "bluetooth@1": Preset(
        link=Bursts(loss=0.03, burst=2),
        source="An assumption in both: the Hands-Free Profile (1.6 and later) asks for concealment and gives no rate. A headset at the "
        "edge of its range, or next to Wi-Fi in the same band, loses some percent of its packets, neighbours together.",
    ),
}
"""By name and version."""
