"""The log-mel feature: its settings and shapes, without PyTorch until it computes.

The defaults are those of Hu et al. (DCASE 2020, task 1a): 2048-point Hann windows every 1024
samples, 128 HTK mel bands, scaled to [0, 1] clip by clip, with both deltas.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from streamaug.features.logmel_constants import EDGE, FLOOR, Normalize

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from streamaug.features.logmel_transform import LogMelTransform


@dataclass(frozen=True, kw_only=True)
class LogMel:
    """Log-mel spectrogram of a clip, by default with its first and second delta.

    Args:
        rate: Sample rate in Hz. Default: the stream's.
        n_fft: Samples of a window.
        hop: Samples between two windows.
        mels: Number of bands.
        normalize: `minmax` scales each clip to [0, 1], `none` leaves the natural logarithms.
        deltas: Whether the batch holds both deltas: (3, mels, frames - 8), else (mels, frames).

    >>> LogMel().shape(441_000), LogMel(deltas=False).shape(441_000)
    ((3, 128, 423), (128, 431))
    """

    rate: int | None = None
    n_fft: int = 2048
    hop: int = 1024
    mels: int = 128
    normalize: Normalize = "minmax"
    deltas: bool = True

    def __post_init__(self) -> None:
        if min(self.n_fft, self.hop, self.mels) < 1 or (self.rate is not None and self.rate < 1):
            raise ValueError(f"{self}: rate, n_fft, hop and mels must be positive")
        if self.normalize not in ("minmax", "none"):
            raise ValueError(f"LogMel(normalize={self.normalize!r}): write 'minmax' or 'none'")

    @property
    def name(self) -> str:
        """Key in the batch: `logmel`, or `static` without the deltas."""
        return "logmel" if self.deltas else "static"

    @property
    def version(self) -> str:
        return "2"  # 1 squared the spectrum in 64 bits

    @property
    def takes_batches(self) -> bool:
        return True

    @property
    def settings(self) -> str:
        """All that decides the stored numbers besides the waveform, as one line.

        >>> LogMel(rate=16_000).settings
        'logmel rate=16000 n_fft=2048 hop=1024 mels=128 htk power ln+1e-08 minmax'
        """
        return f"logmel rate={self.rate} n_fft={self.n_fft} hop={self.hop} mels={self.mels} htk power ln+{FLOOR:g} {self.normalize}"

    @property
    def stored_dtype(self) -> str:
        """Values in [0, 1] keep enough digits in 16 bits; logarithms do not."""
        return "float16" if self.normalize == "minmax" else "float32"

    @property
    def transform(self) -> "LogMelTransform":
        """The PyTorch module that computes the static matrix. Raises ValueError without a rate."""
        return self.transform_on("cpu")

    def transform_on(self, device: "torch.device | str") -> "LogMelTransform":
        """The same on a device.

        Args:
            device: Where the waveforms are.

        Raises:
            ValueError: There is no sample rate.
        """
        from streamaug.features.logmel_transform import transform

        if self.rate is None:
            raise ValueError("LogMel() has no sample rate outside a stream; write LogMel(rate=...)")
        return transform(self.rate, self.n_fft, self.hop, self.mels, self.normalize, str(device))

    def at_rate(self, rate: int) -> "LogMel":
        """The same feature for clips of that sample rate.

        Raises ValueError if it is set to another.
        """
        if self.rate not in (None, rate):
            raise ValueError(
                f"LogMel(rate={self.rate}) does not fit clips at {rate} Hz; write LogMel() without a rate, or Stream(..., rate={self.rate})"
            )
        return replace(self, rate=rate)

    def frames(self, samples: int) -> int:
        """Frames of a waveform of so many samples.

        >>> LogMel().frames(441_000)
        431
        """
        return (samples + 2 * (self.n_fft // 2) - self.n_fft) // self.hop + 1

    def shape(self, samples: int) -> tuple[int, ...]:
        """Shape of a row in the batch. Raises ValueError for clips that are too short."""
        frames = self.frames(samples)
        needed = max(self.n_fft // 2 + 1, 2 * EDGE * self.hop if self.deltas else 0)
        if samples < needed:
            raise ValueError(f"{self.name} with n_fft={self.n_fft} and hop={self.hop} needs {needed} samples or more")
        return (3, self.mels, frames - 2 * EDGE) if self.deltas else (self.mels, frames)

    def stored_shape(self, samples: int) -> tuple[int, ...]:
        return self.mels, self.frames(samples)

    def compute(self, waveform: "Tensor") -> "Tensor":
        """The static matrix (..., mels, frames), float32, of waveforms (..., samples)."""
        static: Tensor = self.transform_on(waveform.device)(waveform)
        return static

    def __call__(self, waveform: "Tensor") -> "Tensor":
        return self.compute(waveform)

    def expand(self, stored: "Tensor", out: "Tensor") -> None:
        from streamaug.features.logmel_transform import with_deltas

        if self.deltas:
            with_deltas(stored.float(), out=out)
        else:
            out.copy_(stored)


def static() -> LogMel:
    """Log-mel without its deltas."""
    return LogMel(deltas=False)
