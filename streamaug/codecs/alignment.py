"""Measure by cross-correlation whether a decoded signal is sample-aligned with what it was encoded
from."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from streamaug.codecs.pcm import to_pcm

_INFORMATIVE = 3_000.0
"""Hz above which a signal says nothing about the delay: codecs at low bitrates drop what is higher
(SBC, MP3), copy it up from below (HE-AAC) or make it from noise (Opus)."""

_EXCERPT = 1 << 17
"""Samples of a clip that its alignment is checked on."""

_REACH = 3_000
_COHERENT = 0.2
"""Share of the cross-spectrum that must be in phase at the best delay for it to be believed."""

_ALIGNED = 0.98
"""Height of the curve at delay 0, as a share of its peak, from which on a clip counts as aligned;
coding noise moves the peak of some clips of ESC-10 by one sample, with 0.99 at delay 0. Where the
curve is steeper, at low sample rates, half of what one sample costs is enough: AMR moves the peak of
some spoken digits."""

_SPEECH_ALIGNED = {
    "libgsm": 0.8,
    "libopencore_amrnb": 0.8,
    "libopus": 0.85,
    "libspeex": 0.7,
    "libvo-amrwbenc": 0.8,
    "libvo_amrwbenc": 0.8,
}
"""The same for encoders that model speech: at low bitrates they move the peak by up to 0.4 ms from
clip to clip, and by a period of a clip that hums, with 0.77 (Speex), 0.86 (AMR) or
0.9 (Opus) at delay 0. That the delay of all clips is right is what calibration measures."""

_LEARNED_ALIGNED = {"checkpoint": 0.7}
"""The same for neural codecs, which have learnt what phases matter: one that the tests train moves the
peak of some clips by up to 4 samples at 24 kHz, with 0.9 at delay 0."""

_SPEECH_LOWEST = 200.0
"""Hz below which encoders of speech turn the phase, since they filter what is below 50 to 80 Hz: a
clip that rumbles would seem to be late by 5 ms."""

_EARLY_RATES = {"libopus": 16_000}
"""Rate in Hz at which an encoder codes the low frequencies of two channels one sample early, if it
takes a frame for speech: no delay fits all frames. Opus does so from 18 to 48 kbps."""


@cache  # every codec is calibrated on it
def calibration_signal(rate: int, channels: int = 1, seconds: float = 3.0) -> np.ndarray:
    """Noise and a chirp below 3 kHz, as int16 of shape (samples,), or (2, samples) with other noise
    and a falling chirp in the second channel; the same read-only array for every call.

    The noise never repeats, so that no shift of the signal resembles another.
    """
    if channels > 1:
        signal = np.stack([calibration_signal(rate, 1, seconds), _noise_and_chirp(rate, seconds, 20_270_213)[::-1]])
    else:
        signal = _noise_and_chirp(rate, seconds, 20_210_915)
    signal.flags.writeable = False
    return signal


def _noise_and_chirp(rate: int, seconds: float, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    count = round(rate * seconds)
    time = np.arange(count) / rate
    top = min(_INFORMATIVE, 0.4 * rate)
    spectrum = np.fft.rfft(generator.standard_normal(count))
    spectrum[np.fft.rfftfreq(count, 1 / rate) > top] = 0
    noise = np.fft.irfft(spectrum, count)
    chirp = np.sin(2 * np.pi * (50 * time + (top - 50) / (2 * seconds) * time**2))
    return to_pcm(0.15 * noise / noise.std() + 0.25 * chirp, 16)


def transform_size(samples: int) -> int:
    """The smallest even number of at least so many samples that is a product of 2, 3 and 5, for
    which a Fourier transform is fast; the next power of two may be twice as long.

    >>> transform_size(1000), transform_size(1001), transform_size(134_072)
    (1000, 1024, 135000)
    """
    threes, fives = (range(1 + math.ceil(math.log(samples, base))) for base in (3, 5))
    odd = (3**three * 5**five for three in threes for five in fives)
    size: int = min(factor << max(1, math.ceil(math.log2(samples / factor))) for factor in odd)
    return size


def correlation(signal: np.ndarray, reference: np.ndarray, reach: int) -> np.ndarray:
    """Cross-correlation over delays -reach to reach, of shape (2 * reach + 1,), divided by both
    signals' norms.

    A peak at index reach + d means that `signal` comes d samples after `reference`. Silence gives
    zeros. Signals of shape (channels, samples) are compared channel by channel, in sum.
    """
    size = transform_size(max(signal.shape[-1], reference.shape[-1]) + reach)
    signal, reference = signal.astype(np.float64), reference.astype(np.float64)
    spectrum = _cross_spectrum(signal, reference, size)
    full = np.fft.irfft(spectrum, size)
    # Not by BLAS, whose threads would spin on every core for a sum.
    norm = math.sqrt(np.square(signal).sum() * np.square(reference).sum())
    delays = np.concatenate([full[-reach:], full[: reach + 1]])
    return delays / norm if norm else np.zeros_like(delays)


def _cross_spectrum(signal: np.ndarray, reference: np.ndarray, size: int) -> np.ndarray:
    """Of two signals, summed over their channels: of shape (size / 2 + 1,)."""
    spectrum: np.ndarray = np.fft.rfft(signal, size) * np.conj(np.fft.rfft(reference, size))
    return spectrum if spectrum.ndim == 1 else spectrum.sum(0)


def measure_delay(signal: np.ndarray, reference: np.ndarray, reach: int) -> tuple[int, float]:
    """Samples by which `signal` comes late (negative: early), within reach, and the correlation
    there in [-1, 1].

    >>> reference = calibration_signal(8_000)
    >>> late = np.pad(reference, (40, 0))
    >>> measure_delay(late, reference, 100)[0]
    40
    """
    curve = correlation(signal, reference, reach)
    best = int(np.argmax(curve))
    return best - reach, float(curve[best])


def tolerance(encoder: str, channels: int, rate: int) -> int:
    """Samples by which clips may be off through an encoder that has no constant delay, and be aligned
    as well as they can be.

    Args:
        encoder: Its name.
        channels: Channels of the clips.
        rate: Their sample rate in Hz.

    >>> tolerance("libopus", 2, 44_100), tolerance("libopus", 1, 44_100), tolerance("libmp3lame", 2, 44_100)
    (3, 0, 0)
    """
    return -(-rate // _EARLY_RATES[encoder]) if channels > 1 and encoder in _EARLY_RATES else 0


@dataclass(frozen=True, kw_only=True)
class Likeness:
    """How like its original a clip must be to count as aligned.

    Args:
        height: Height of the correlation at delay 0, as a share of its peak.
        lowest: Frequency in Hz below which nothing is compared.
    """

    height: float = _ALIGNED
    lowest: float = 0.0


def likeness_of(encoders: Iterable[str]) -> Likeness:
    """How like their originals clips through some encoders are, if they are aligned.

    Args:
        encoders: Their names.

    >>> likeness_of(["libmp3lame"]), likeness_of(["libspeex", "libmp3lame"])
    (Likeness(height=0.98, lowest=0.0), Likeness(height=0.7, lowest=200.0))
    """
    names = tuple(encoders)
    heights = [heights[name] for name in names for heights in (_SPEECH_ALIGNED, _LEARNED_ALIGNED) if name in heights]
    return Likeness(height=min(heights, default=_ALIGNED), lowest=_SPEECH_LOWEST if any(name in _SPEECH_ALIGNED for name in names) else 0.0)


def excerpt(signal: np.ndarray) -> np.ndarray:
    """The part of a clip that `shift` looks at."""
    return signal[..., :_EXCERPT]


def shift(decoded: np.ndarray, reference: np.ndarray, rate: int, likeness: Likeness = Likeness()) -> int | None:  # frozen
    """Samples by which a decoded clip is later than what it was encoded from: 0 if aligned, None if
    it cannot be measured.

    Args:
        decoded: The decoded clip, of shape (samples,) or (2, samples).
        reference: What it was encoded from, of the same shape.
        rate: Their sample rate in Hz.
        likeness: How like the reference the clip must be; `likeness_of` gives that of encoders.

    Found by generalized cross-correlation (Knapp and Carter 1976) below 3 kHz, each bin of the
    cross-spectrum divided by the root of its magnitude: without that a hum gives peaks all along,
    with the whole magnitude noise counts like signal. Of two channels, (2, samples), the
    cross-spectra are added.

    >>> reference = calibration_signal(8_000)
    >>> shift(reference, reference, 8_000), shift(np.pad(reference, (40, 0)), reference, 8_000), shift(0 * reference, reference, 8_000)
    (0, 40, None)
    """
    size = transform_size(_EXCERPT + _REACH)
    informative = int(_INFORMATIVE / rate * size)
    spectrum = _cross_spectrum(excerpt(decoded), excerpt(reference), size)[:informative]
    spectrum[: int(likeness.lowest / rate * size)] = 0
    magnitude = np.sqrt(np.abs(spectrum))
    total = magnitude.sum()
    if not total:
        return None
    whitened = np.divide(spectrum, magnitude, out=np.zeros_like(spectrum), where=magnitude > 0)
    full = np.fft.irfft(whitened, size) * size / (2 * total)
    curve = np.concatenate([full[-_REACH:], full[: _REACH + 1]])
    best = int(np.argmax(curve))
    if curve[best] < _COHERENT:
        return None
    # The height that a signal late by one sample would have at delay 0.
    neighbour = (magnitude * np.cos(2 * np.pi * np.arange(informative) / size)).sum() / total
    aligned = min(likeness.height, (1 + neighbour) / 2)
    return 0 if curve[_REACH] >= aligned * curve[best] else best - _REACH
