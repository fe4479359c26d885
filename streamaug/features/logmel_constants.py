"""What the log-mel feature and its PyTorch module have in common; imports nothing."""

from typing import Literal

EDGE = 4
"""Frames at either end for which the second delta does not exist."""

FLOOR = 1e-8
"""Added to the mel power before the logarithm."""

Normalize = Literal["minmax", "none"]
"""`minmax` scales each clip to [0, 1], `none` leaves the natural logarithms."""
