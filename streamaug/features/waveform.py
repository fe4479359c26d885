"""The waveform itself as a feature."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Waveform:
    """The decoded samples, float32 of shape (samples,), nominally in [-1, 1]."""

    @property
    def name(self) -> str:
        return "waveform"

    @property
    def version(self) -> str:
        return "1"

    @property
    def takes_batches(self) -> bool:
        return True

    @property
    def settings(self) -> str:
        return "waveform"

    @property
    def stored_dtype(self) -> str:
        return "float32"

    def shape(self, samples: int) -> tuple[int, ...]:
        return (samples,)

    def stored_shape(self, samples: int) -> tuple[int, ...]:
        return (samples,)

    def compute(self, waveform: "Tensor") -> "Tensor":
        return waveform

    def expand(self, stored: "Tensor", out: "Tensor") -> None:
        out.copy_(stored)
