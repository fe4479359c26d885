"""From samples to the spectra that reach the cochlea: frames, window, calibration, outer and middle
ear.

Sections 1 to 3 of PEAQ Basic (ITU-R BS.1387-1). Samples are in 16-bit units: a full-scale sine has
the amplitude 32768.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

RATE = 48_000
"""Sample rate in Hz, the only one that PEAQ supports."""

FRAME = 2048
HOP = FRAME // 2
FRAMES_PER_SECOND = RATE / HOP
BIN = RATE / FRAME
"""Hz from one spectral line to the next."""

LISTENING_LEVEL = 92.0
"""dB SPL of a full-scale sine of 1019.5 Hz."""

FULL_SCALE = 32768.0


def read_only(values: Array) -> Array:
    """The array, made read-only: constants are computed once and shared."""
    values.setflags(write=False)
    return values


def framed(signal: Array) -> Array:
    """Half-overlapping frames from sample 0, the last one padded with zeros: (..., samples) to
    (..., frames, 2048).

    Fewer than 1024 samples give no frame.

    >>> framed(np.ones(3000)).shape, framed(np.ones(3072)).shape, framed(np.ones(1023)).shape
    ((2, 2048), (3, 2048), (0, 2048))
    """
    samples = signal.shape[-1]
    count = max((samples - HOP) // HOP + 1, 0)
    if count == 0:
        return np.empty((*signal.shape[:-1], 0, FRAME))
    length = (count + 1) * HOP
    padding = [(0, 0)] * (signal.ndim - 1) + [(0, max(length - samples, 0))]
    padded = np.pad(signal[..., :length], padding)
    return np.lib.stride_tricks.sliding_window_view(padded, FRAME, axis=-1)[..., ::HOP, :]


@cache
def calibrated_window() -> Array:
    """Symmetric Hann window of shape (2048,), scaled so that a full-scale sine of 1019.5 Hz has a
    largest line of 92 dB.
    """
    frequency = 1019.5 / RATE
    line = np.floor(frequency * FRAME)
    distance = (FRAME - 1) * min(frequency - line / FRAME, (line + 1) / FRAME - frequency)
    gamma = np.sin(np.pi * distance) / (np.pi * distance * (1 - distance**2))
    gain = 10 ** (LISTENING_LEVEL / 20) / (gamma * FULL_SCALE / 4 * (FRAME - 1))
    return read_only(gain * np.hanning(FRAME))


def power_spectra(frames: Array) -> Array:
    """Power of each spectral line: (..., frames, 2048) to (..., frames, 1025)."""
    spectra = np.fft.rfft(frames * calibrated_window())
    power: Array = np.square(spectra.real)
    power += np.square(spectra.imag)
    return power


@cache
def ear_weights() -> Array:
    """Power gain of the outer and middle ear at each spectral line, of shape (1025,); the line at 0
    Hz is inaudible.
    """
    khz = np.arange(1, FRAME // 2 + 1) * BIN / 1000
    decibels = -2.184 * khz**-0.8 + 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) - 0.001 * khz**3.6
    return read_only(np.concatenate([[0.0], 10 ** (decibels / 10)]))
