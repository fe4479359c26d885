"""Define what a link is: which packets of a clip are lost, from random words."""

from typing import Any, Protocol

import numpy as np


class Link(Protocol):
    """Loses packets. Frozen, and small to pickle."""

    def lost(self, words: np.ndarray) -> np.ndarray:
        """Which packets are lost; the first ones are the same however many there are.

        Args:
            words: One random word per packet, uint64 of shape (packets,).

        Returns:
            bool of shape (packets,).
        """

    def plain(self) -> dict[str, Any]:
        """The link as a recipe has it."""

    @property
    def digest(self) -> str:
        """Names what the link does: 64 hexadecimal digits."""
