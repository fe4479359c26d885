"""Define what a bitstream in packets is: when each packet's sound begins, and its decoder."""

from typing import Protocol

import numpy as np


class Packets(Protocol):
    """A bitstream that is taken apart into packets, each of which arrives or is lost as a whole."""

    @property
    def rate(self) -> int:
        """Sample rate in Hz of what `decode` gives."""

    @property
    def starts(self) -> np.ndarray:
        """Samples at which the sound of each packet begins, and where the last one ends, int64 of
        shape (packets + 1,); the codec's delay is still in."""

    def decode(self, lost: np.ndarray, until: int | None = None) -> np.ndarray:
        """Decode what arrived, and conceal what is lost.

        Args:
            lost: Which packets are lost, bool of shape (packets,).
            until: Samples that are needed. Default: all.

        Returns:
            float32 of shape (channels, samples); perhaps more samples than are needed. If no packet is
            lost, the same as without a link.

        Raises:
            ValueError: A packet is damaged.
            PluginError: The decoder's library is not installed.
        """
