"""Spread excitation over the bands and over time: sections 5 to 7 of PEAQ Basic."""

from functools import cache

import numpy as np

from streamaug.quality.peaq.bands import COUNT, WIDTH, bands
from streamaug.quality.peaq.ear import FRAMES_PER_SECOND, Array, read_only

_POWER = 0.4
"""Contributions add as their 0.4th powers."""

_LOWER_SLOPE = 10 ** (-2.7 * WIDTH)
"""Decay per band towards low frequencies, 27 dB/Bark."""


def time_constants(*, slow: float, fast: float) -> Array:
    """Coefficients of first-order filters, of shape (109,): section 6.

    slow: seconds at 100 Hz. fast: seconds that high bands approach.
    """
    return np.exp(-1 / (FRAMES_PER_SECOND * (fast + 100 / bands().centre * (slow - fast))))


@cache
def smearing_constants() -> Array:
    return read_only(time_constants(slow=0.030, fast=0.008))


@cache
def adaptation_constants() -> Array:
    return read_only(time_constants(slow=0.050, fast=0.008))


def decaying(values: Array, coefficient: Array) -> Array:
    """First-order filter y[n] = coefficient y[n-1] + x[n] from state 0, over the frames of an array
    (..., frames, bands).

    >>> decaying(np.array([[1.0], [0.0], [0.0]]), np.array([0.5])).ravel().tolist()
    [1.0, 0.5, 0.25]
    """
    result = np.empty_like(values)
    state = np.zeros((*values.shape[:-2], values.shape[-1]))
    for frame in range(values.shape[-2]):
        state *= coefficient
        state += values[..., frame, :]
        result[..., frame, :] = state
    return result


def smoothed(values: Array, coefficient: Array) -> Array:
    """First-order low-pass of gain 1 over the frames of an array (..., frames, bands)."""
    return decaying((1 - coefficient) * values, coefficient)


def _spread_unnormalised(pitch: Array) -> Array:
    """Sum over all source bands, before the division by B_k."""
    band = np.arange(COUNT)
    level = np.log(pitch)
    slope = (-2.4 - 23 / bands().centre) * WIDTH * np.log(10) + 0.2 * WIDTH * level  # log of a_i
    upward = np.exp(slope)
    total = (1 - _LOWER_SLOPE ** (band + 1)) / (1 - _LOWER_SLOPE) + (1 - np.exp(slope * (COUNT - band))) / (1 - upward) - 1
    part = np.exp(_POWER * (level - np.log(total)))
    distance = band[:, None] - band  # from band k to source band i: (i, k)
    sums: Array = part @ np.where(distance > 0, _LOWER_SLOPE ** (_POWER * np.maximum(distance, 0)), 0.0)
    sums += part
    ratio = np.exp(_POWER * slope)
    for step in range(1, COUNT):  # every source one band further up
        part = part[..., :-1] * ratio[..., : COUNT - step]
        sums[..., step:] += part
    return sums**2 * np.sqrt(sums)  # ** (1 / 0.4)


@cache
def flat_spread() -> Array:
    """B_k, what spreading makes of a flat pattern of 1."""
    return read_only(_spread_unnormalised(np.ones(COUNT)))


def spread(pitch: Array) -> Array:
    """Unsmeared excitation E_s of pitch patterns E, both (..., 109): section 5.

    Downwards a band decays by 27 dB/Bark, upwards by less the louder it is.
    """
    return _spread_unnormalised(pitch) / flat_spread()


def smeared(excitation: Array) -> Array:
    """Excitation with forward masking, (..., frames, 109): section 7."""
    return np.maximum(smoothed(excitation, smearing_constants()), excitation)
