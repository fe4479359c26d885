"""A feature: the energy of a clip in decibels, one value per 10 ms."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor  # asking for a shape must not load torch: `streamaug plan` does it


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy in dB of full scale, per block of 10 ms at the sample rate in Hz; in a stream the
    store's."""

    rate: int | None = None
    name: str = "energy"
    version: str = "1"
    stored_dtype: str = "float32"

    @property
    def settings(self) -> str:
        """All that decides the numbers, in one line: the key of the feature cache."""
        return f"energy rate={self.rate} block=10ms floor=-100dB"

    def at_rate(self, rate: int) -> Energy:
        return replace(self, rate=rate)

    @property
    def _block(self) -> int:
        if self.rate is None:
            raise ValueError("Energy() has no sample rate outside a stream; write Energy(rate=...)")
        return self.rate // 100

    def shape(self, samples: int) -> tuple[int, ...]:
        return (samples // self._block,)

    def stored_shape(self, samples: int) -> tuple[int, ...]:
        return self.shape(samples)

    def compute(self, waveform: Tensor) -> Tensor:
        blocks = waveform[: len(waveform) // self._block * self._block].reshape(-1, self._block)
        return 10 * (blocks.square().mean(1) + 1e-10).log10()

    def expand(self, stored: Tensor, out: Tensor) -> None:
        out.copy_(stored)
