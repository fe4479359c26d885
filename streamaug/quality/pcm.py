"""Convert decoded audio to the input of measures; for PEAQ, see section 13 of its specification.

The bandwidth variables use the level above 21.6 kHz as zero. With 16-bit samples, rounding noise
determines it; with unrounded ones the resampler's stop band does, tens of decibels lower, and
grades change by up to 1. So both signals, reference and test, are rounded to 16 bit twice: after
decoding and after resampling.
"""

import numpy as np

from streamaug.codecs.decoding import resample
from streamaug.codecs.pcm import to_pcm
from streamaug.quality.peaq.ear import FULL_SCALE, RATE


def at_48_khz(signal: np.ndarray, rate: int) -> np.ndarray:
    """A decoded signal, (samples,) or (samples, channels), float in [-1, 1) at `rate`, in PEAQ's
    format: int16 at 48 kHz.

    >>> at_48_khz(np.full(441, 0.5), 44_100).shape
    (480,)
    """
    return at_rate(signal, rate, RATE)


def at_rate(signal: np.ndarray, rate: int, target: int) -> np.ndarray:
    """A decoded signal in the format of a measure, rounded to int16 twice as for PEAQ.

    Args:
        signal: (samples,) or (samples, channels), float in [-1, 1).
        rate: Its sample rate in Hz.
        target: That of the measure.
    """
    return to_pcm(resample(to_pcm(signal, 16).T / FULL_SCALE, rate, target).T, 16)
