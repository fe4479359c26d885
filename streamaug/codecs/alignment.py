"""Where a decoded signal lies on what it was coded from: measured by cross-correlation, never assumed."""

import numpy as np

from streamaug.codecs.pcm import to_pcm


def calibration_signal(rate: int, seconds: float = 3.0) -> np.ndarray:
    """Noise and a chirp below 3 kHz, as int16 of shape (samples,); the same at every call.

    Higher frequencies say nothing about the delay: codecs at low bitrates drop them (SBC, MP3), copy them up from below
    (HE-AAC) or make them from noise (Opus). The noise never repeats, so that no shift of the signal resembles another.
    """
    generator = np.random.default_rng(20_210_915)
    count = round(rate * seconds)
    time = np.arange(count) / rate
    top = min(3_000.0, 0.4 * rate)
    spectrum = np.fft.rfft(generator.standard_normal(count))
    spectrum[np.fft.rfftfreq(count, 1 / rate) > top] = 0
    noise = np.fft.irfft(spectrum, count)
    chirp = np.sin(2 * np.pi * (50 * time + (top - 50) / (2 * seconds) * time**2))
    signal = 0.15 * noise / noise.std() + 0.25 * chirp
    return to_pcm(signal, 16)


def correlation(signal: np.ndarray, reference: np.ndarray, reach: int) -> np.ndarray:
    """Cross-correlation over lags -reach to reach, of shape (2 * reach + 1,), divided by both signals' norms.

    A peak at index reach + d says that `signal` comes d samples after `reference`. Silence gives zeros.
    """
    length = max(len(signal), len(reference)) + reach
    size = 1 << (length - 1).bit_length()
    spectrum = np.fft.rfft(signal.astype(np.float64), size) * np.conj(np.fft.rfft(reference.astype(np.float64), size))
    full = np.fft.irfft(spectrum, size)
    norm = float(np.linalg.norm(signal.astype(np.float64)) * np.linalg.norm(reference.astype(np.float64)))
    lags = np.concatenate([full[-reach:], full[: reach + 1]])
    return lags / norm if norm else np.zeros_like(lags)


def measure_lag(signal: np.ndarray, reference: np.ndarray, reach: int) -> tuple[int, float]:
    """Samples by which `signal` comes late (negative: early), within reach, and the correlation there in [-1, 1].

    >>> reference = calibration_signal(8_000)
    >>> late = np.pad(reference, (40, 0))
    >>> measure_lag(late, reference, 100)[0]
    40
    """
    curve = correlation(signal, reference, reach)
    best = int(np.argmax(curve))
    return best - reach, float(curve[best])
