"""Total loudness, and loudness of the noise from the codec: sections 10, 11.3 of PEAQ Basic."""

import numpy as np

from streamaug.quality.peaq.adaptation import Modulation
from streamaug.quality.peaq.bands import COUNT, bands
from streamaug.quality.peaq.ear import Array


def total_loudness(excitation: Array) -> Array:
    """Loudness in sone, (..., 109) to (...)."""
    centre, threshold = bands().centre, bands().threshold
    index = 10 ** (0.1 * (-2 - 2.05 * np.arctan(centre / 4000) - 0.75 * np.arctan((centre / 1600) ** 2)))
    scale = 1.07664 * (threshold / (index * 1e4)) ** 0.23
    loudness = scale * ((1 - index + index * excitation / threshold) ** 0.23 - 1)
    total: Array = 24 / COUNT * np.maximum(loudness, 0).sum(axis=-1)
    return total


def noise_loudness(patterns: Array, modulation: Modulation) -> Array:
    """Partial loudness of additive distortion, (..., frames), from adapted patterns
    (2, ..., frames, 109).
    """
    reference, test = patterns
    scale_reference, scale_test = 0.15 * modulation.depth + 0.5
    noise = bands().noise
    masking = np.exp(-1.5 * (test - reference) / reference)
    excess = np.maximum(scale_test * test - scale_reference * reference, 0)
    loudness = (noise / scale_test) ** 0.23 * ((1 + excess / (noise + scale_reference * reference * masking)) ** 0.23 - 1)
    total: Array = 24 / COUNT * loudness.sum(axis=-1)
    return total
