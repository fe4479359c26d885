"""PEAQ Basic: perceived audio quality by ITU-R BS.1387-1."""

from streamaug.quality.peaq.model import SATURATED, Peaq, peaq
from streamaug.quality.peaq.network import VARIABLES

__all__ = ["SATURATED", "VARIABLES", "Peaq", "peaq"]
