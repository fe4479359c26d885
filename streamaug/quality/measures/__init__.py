"""Measures: ways to grade how a coded clip sounds, each with what it is made for."""

from streamaug.quality.measures.base import Measure
from streamaug.quality.measures.names import MEASURES, open_measure

__all__ = ["MEASURES", "Measure", "open_measure"]
