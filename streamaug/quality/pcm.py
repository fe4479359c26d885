"""The numbers that PEAQ is fed with: section 13 of its specification.

The bandwidth variables take the level above 21.6 kHz for zero. With 16-bit samples rounding noise sets it; with unrounded
ones the resampler's stop band does, tens of decibels lower, and grades move by up to 1. So signals are rounded to 16 bit
twice, as decoded and after resampling, reference and test alike.
"""

import numpy as np

from streamaug.codecs.decoding import resample
from streamaug.codecs.pcm import to_pcm
from streamaug.quality.peaq.ear import FULL_SCALE, RATE


def at_48_khz(signal: np.ndarray, rate: int) -> np.ndarray:
    """A decoded signal, (samples,) or (samples, channels), float in [-1, 1) at `rate`, as PEAQ takes it: int16 at 48 kHz.

    >>> at_48_khz(np.full(441, 0.5), 44_100).shape
    (480,)
    """
    return to_pcm(resample(to_pcm(signal, 16) / FULL_SCALE, rate, RATE), 16)
