"""A feature: the energy of a clip in decibels, one value per 10 ms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor  # asking for a shape must not load torch: `streamaug plan` does it


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy in dB of full scale, per block of 10 ms at the store's sample rate in Hz."""

    rate: int
    name: str = "energy"
    version: str = "1"

    @property
    def settings(self) -> str:
        """All that decides the numbers, in one line: the key of the feature cache."""
        return f"energy rate={self.rate} block=10ms floor=-100dB"

    def shape(self, samples: int) -> tuple[int, ...]:
        return (samples // (self.rate // 100),)

    def stored_shape(self, samples: int) -> tuple[int, ...]:
        return self.shape(samples)

    def compute(self, waveform: Tensor) -> Tensor:
        block = self.rate // 100
        blocks = waveform[: len(waveform) // block * block].reshape(-1, block)
        return 10 * (blocks.square().mean(1) + 1e-10).log10()

    def expand(self, stored: Tensor, out: Tensor) -> None:
        out.copy_(stored)
