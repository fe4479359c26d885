"""Log-mel in PyTorch, on CPU or GPU: a module computes the static matrix, a function its deltas.

waveform (..., samples) ──LogMelTransform──▶ static (..., mels, frames)
static ──with_deltas──▶ (..., 3, mels, frames - 8)
"""

import math
from functools import cache

import torch
from torch import Tensor, nn

from streamaug.features.logmel_constants import EDGE, FLOOR, Normalize

_BANDS_A_BLOCK = 32
_WINDOWS_A_BLOCK = 72


class LogMelTransform(nn.Module):
    """Static log-mel matrix of a waveform; move it to a GPU like any module.

    Hann windows, centred with reflection; power; HTK mel bands from 0 Hz to half the sample rate
    without area normalisation; natural logarithm.

    Args:
        rate: Sample rate in Hz.
        n_fft: Samples of a window.
        hop: Samples between two windows.
        mels: Number of bands.
        normalize: `minmax` scales each clip to [0, 1], `none` leaves the logarithms.

    >>> LogMelTransform(rate=44_100)(torch.zeros(2, 441_000)).shape
    torch.Size([2, 128, 431])
    """

    window: Tensor
    filters: Tensor

    def __init__(self, *, rate: int, n_fft: int = 2048, hop: int = 1024, mels: int = 128, normalize: Normalize = "minmax") -> None:
        super().__init__()
        self.n_fft, self.hop, self.normalize = n_fft, hop, normalize
        filters = _filterbank(n_fft // 2 + 1, mels, rate)
        self.register_buffer("window", torch.hann_window(n_fft, dtype=torch.float64), persistent=False)
        self.register_buffer("filters", filters.float(), persistent=False)
        # A band covers few bins: multiplying a block of bands by its own bins alone costs a sixth
        # of the whole product.
        self._blocks = [_block(filters, first) for first in range(0, mels, _BANDS_A_BLOCK)]

    def forward(self, waveform: Tensor) -> Tensor:
        """Log-mel matrix of each waveform, float32.

        `minmax` scales each clip by its own minimum and maximum; one without any difference
        (silence) gives zeros. The transform is in double precision: next to a loud band, the
        rounding of a 32-bit transform is larger than the floor in a quiet one.

        Args:
            waveform: float32 of shape (..., samples).

        Returns:
            float32 of shape (..., mels, frames), as `LogMel.frames` counts them.

        Raises:
            ValueError: Fewer samples than half a window has, which cannot be reflected.
        """
        half = self.n_fft // 2
        if waveform.shape[-1] <= half:
            raise ValueError(f"{waveform.shape[-1]} samples are too few: log-mel with n_fft={self.n_fft} needs more than {half}")
        flat = waveform.reshape(-1, waveform.shape[-1])
        reflected = flat[:, 1 : half + 1].flip(-1), flat, flat[:, -half - 1 : -1].flip(-1)  # in half the time of torch's padding
        windows = torch.cat(reflected, -1).unfold(-1, self.n_fft, self.hop)
        # On a CPU blocks of windows that stay in its cache take a third of the time; a GPU wants
        # them all at once.
        block = windows.shape[1] if windows.is_cuda else max(1, _WINDOWS_A_BLOCK // len(windows))
        power = torch.cat([self._power(part) for part in torch.split(windows, block, dim=1)], 1)
        mel = torch.cat([power[..., bins] @ self.filters[bins, bands] for bins, bands in self._blocks], -1).mT
        logs = torch.log(mel + FLOOR)
        if self.normalize == "none":
            return logs.reshape(*waveform.shape[:-1], *logs.shape[-2:])
        low, high = logs.amin((-2, -1), keepdim=True), logs.amax((-2, -1), keepdim=True)
        span = high - low
        scaled = ((logs - low) / torch.where(span > 0, span, 1.0)).float()
        return scaled.reshape(*waveform.shape[:-1], *scaled.shape[-2:])

    def _power(self, windows: Tensor) -> Tensor:
        """Power (..., frames, bins), float32, of the windows (..., frames, n_fft)."""
        # The same numbers as torch.stft, which takes longer: it transforms along the strided axis.
        spectrum = torch.view_as_real(torch.fft.rfft(windows.double().mul_(self.window)))
        # Sums of what is positive cancel nothing: from here on 32 bits keep all digits that count.
        squares = spectrum.float().square_()
        return squares[..., 0] + squares[..., 1]


def with_deltas(static: Tensor, out: Tensor | None = None) -> Tensor:
    """Stack a static matrix with its first and second delta, valid frames only: (..., 3, mels,
    frames - 8).

    d[t] = (x[t+1] - x[t-1]) / 10 + (x[t+2] - x[t-2]) / 5, twice; static is cropped 4:-4 and delta
    2:-2, so that all three channels cover the same frames.

    Args:
        static: float32 of shape (..., mels, frames).
        out: Where to write the result. Default: new memory.

    Raises:
        ValueError: 8 frames or fewer.

    >>> ramp = torch.arange(12.0).expand(1, 12)
    >>> with_deltas(ramp)[:, 0].tolist()
    [[4.0, 5.0, 6.0, 7.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]
    """
    *lead, mels, frames = static.shape
    if frames <= 2 * EDGE:
        raise ValueError(f"{frames} frames are too few: deltas need more than {2 * EDGE}")
    if out is None:
        out = static.new_empty((*lead, 3, mels, frames - 2 * EDGE))
    delta = _delta(static)
    out[..., 0, :, :] = static[..., EDGE:-EDGE]
    out[..., 1, :, :] = delta[..., 2:-2]
    out[..., 2, :, :] = _delta(delta)
    return out


def _delta(x: Tensor) -> Tensor:
    near = x[..., 3:-1] - x[..., 1:-3]
    far = x[..., 4:] - x[..., :-4]
    return near.div_(10).add_(far, alpha=0.2)


def _filterbank(bins: int, mels: int, rate: int) -> Tensor:
    """Triangular bands (bins, mels) evenly spaced on the HTK scale 2595 log10(1 + f / 700), from 0
    Hz to rate / 2.

    torchaudio.functional.melscale_fbanks gives the same in 32 bits, where differences of edges of
    some 10^4 Hz keep four digits.
    """
    top = 2595 * math.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, mels + 2, dtype=torch.float64) / 2595) - 1)
    frequencies = torch.linspace(0, rate / 2, bins, dtype=torch.float64)
    slopes = edges - frequencies[:, None]
    widths = edges.diff()
    return torch.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]).clamp(min=0)


def _block(filters: Tensor, first: int) -> tuple[slice, slice]:
    """Bins that a block of bands covers, and the block: slices of the filters' two axes."""
    bands = slice(first, first + _BANDS_A_BLOCK)
    covered = filters[:, bands].any(1).nonzero()
    if not len(covered):  # bands narrower than a bin, at a low rate
        return slice(0, 1), bands
    return slice(int(covered[0]), int(covered[-1]) + 1), bands


@cache
def transform(rate: int, n_fft: int, hop: int, mels: int, normalize: Normalize, device: str) -> LogMelTransform:
    """The transform of these settings, built once per process and device."""
    return LogMelTransform(rate=rate, n_fft=n_fft, hop=hop, mels=mels, normalize=normalize).to(device)
