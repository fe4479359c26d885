"""Log-mel features, on CPU or GPU: one module makes the static matrix, one function its three channels.

    waveform (..., samples) ──LogMel──▶ static (..., mels, frames) ──with_deltas──▶ (..., 3, mels, frames - 8)

The settings are those of Hu et al. (DCASE 2020, task 1a): 2048-point Hann windows every 1024 samples, centred with
reflection, power, 128 HTK mel bands from 0 Hz to half the sample rate without area normalisation, natural logarithm,
scaled to [0, 1] clip by clip.
"""

import math

import torch
from torch import Tensor, nn

EDGE = 4
"""Frames at either end for which the second delta does not exist."""

_FLOOR = 1e-8
_BANDS_A_BLOCK = 32
_WINDOWS_A_BLOCK = 108


class LogMel(nn.Module):
    """Static log-mel matrix of a waveform.

    rate: samples a second. n_fft, hop: samples of a window and between two. mels: bands.

    >>> LogMel()(torch.zeros(2, 441_000)).shape
    torch.Size([2, 128, 431])
    """

    window: Tensor
    filters: Tensor

    def __init__(self, *, rate: int = 44_100, n_fft: int = 2048, hop: int = 1024, mels: int = 128) -> None:
        super().__init__()
        self.rate, self.n_fft, self.hop, self.mels = rate, n_fft, hop, mels
        filters = _filterbank(n_fft // 2 + 1, mels, rate)
        self.register_buffer("window", torch.hann_window(n_fft, dtype=torch.float64), persistent=False)
        self.register_buffer("filters", filters.float(), persistent=False)
        # A band covers few bins: multiplying a block of bands by its own bins alone costs a sixth of the whole product.
        self._blocks = [_block(filters, first) for first in range(0, mels, _BANDS_A_BLOCK)]

    @property
    def settings(self) -> str:
        """Everything that the result depends on besides the waveform, as one line.

        >>> LogMel(rate=16_000).settings
        'logmel rate=16000 n_fft=2048 hop=1024 mels=128 htk power ln+1e-08 minmax'
        """
        return f"logmel rate={self.rate} n_fft={self.n_fft} hop={self.hop} mels={self.mels} htk power ln+{_FLOOR:g} minmax"

    def frames(self, samples: int) -> int:
        """Frames that a waveform of so many samples gives.

        >>> LogMel().frames(441_000)
        431
        """
        return samples // self.hop + 1

    def forward(self, waveform: Tensor) -> Tensor:
        """Features of shape (..., mels, frames), float32 in [0, 1], of a float32 waveform (..., samples).

        Each clip is scaled by its own minimum and maximum; one without any difference (silence) gives zeros. Transformed in
        double precision: beside a loud band, a 32-bit transform's rounding is larger than the floor in a quiet one.
        Raises ValueError for fewer samples than half a window has, which cannot be reflected.
        """
        half = self.n_fft // 2
        if waveform.shape[-1] <= half:
            raise ValueError(f"{waveform.shape[-1]} samples are too few: log-mel needs more than {half}")
        flat = waveform.reshape(-1, waveform.shape[-1])
        reflected = flat[:, 1 : half + 1].flip(-1), flat, flat[:, -half - 1 : -1].flip(-1)  # in half the time of torch's padding
        windows = torch.cat(reflected, -1).unfold(-1, self.n_fft, self.hop)
        # On a CPU blocks of windows that stay in its cache take a third of the time; a GPU wants them all at once.
        block = windows.shape[1] if windows.is_cuda else max(1, _WINDOWS_A_BLOCK // len(windows))
        mel = torch.cat([self._mel(part) for part in torch.split(windows, block, dim=1)], 1).mT
        logs = torch.log(mel + _FLOOR)
        low, high = logs.amin((-2, -1), keepdim=True), logs.amax((-2, -1), keepdim=True)
        span = high - low
        scaled = ((logs - low) / torch.where(span > 0, span, 1.0)).float()
        return scaled.reshape(*waveform.shape[:-1], *scaled.shape[-2:])

    def _mel(self, windows: Tensor) -> Tensor:
        """Mel power (..., frames, mels) of the windows (..., frames, n_fft)."""
        # The same numbers as torch.stft, which takes longer: it transforms along the strided axis.
        spectrum = torch.view_as_real(torch.fft.rfft(windows.double().mul_(self.window)))
        # Sums of what is positive cancel nothing: from here on 32 bits keep all digits that count.
        power = (spectrum[..., 0].square() + spectrum[..., 1].square()).float()
        return torch.cat([power[..., bins] @ self.filters[bins, bands] for bins, bands in self._blocks], -1)


def with_deltas(static: Tensor, out: Tensor | None = None) -> Tensor:
    """Stack a static matrix with its first and second delta, valid frames only: (..., mels, frames) to (..., 3, mels, frames - 8).

    d[t] = (x[t+1] - x[t-1]) / 10 + (x[t+2] - x[t-2]) / 5, twice; static is cropped 4:-4 and delta 2:-2, so that
    all three channels stand at the same frames. `out` takes the result where given.

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
    """Triangular bands (bins, mels) evenly spaced on the HTK scale 2595 log10(1 + f / 700), from 0 Hz to rate / 2.

    torchaudio.functional.melscale_fbanks gives the same in 32 bits, where differences of edges of some 10^4 Hz keep four digits.
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
