"""Probability that a listener hears the difference, and its size: section 11.6 of PEAQ Basic."""

import numpy as np

from streamaug.quality.peaq.ear import Array

_NEVER = 1e30
"""Step size if there is nothing to hear."""


def step_size(level: Array) -> Array:
    """Just noticeable difference in dB at an excitation level in dB."""
    heard = np.maximum(level, 1e-9)
    polynomial = 9.01033e-11 * level**4 + 5.05622e-6 * level**3 - 0.00102438 * level**2 + 0.0550197 * level - 0.198719
    return np.where(level > 0, 5.95072 * (6.39468 / heard) ** 1.71332 + polynomial, _NEVER)


def detection(excitation: Array) -> tuple[Array, Array]:
    """Probability of detection and steps above threshold of each frame, P and Q, each (frames,).

    excitation: (2, channels, frames, 109), reference and test. In each band, the worse channel
    counts.
    """
    reference, test = 10 * np.log10(excitation)
    step = step_size(0.3 * np.maximum(reference, test) + 0.7 * test)
    difference = reference - test
    steps = np.abs(difference) / step
    squared = steps**2
    exponent = np.where(difference > 0, 1, squared) * squared**2  # fourth power, sixth where the test is louder
    missed = np.exp2(-exponent.max(axis=0).sum(axis=-1))  # product over the bands of 1 - p = 0.5 ** exponent
    return 1 - missed, (np.abs(np.trunc(difference)) / step).max(axis=0).sum(axis=-1)


def distorted_block(probability: Array, steps: Array) -> float:
    """ADB: log of the mean steps above threshold in frames where the difference is heard."""
    heard = probability > 0.5
    if not heard.any():
        return 0.0
    total = steps[heard].sum()
    return float(np.log10(total / heard.sum())) if total > 0 else -0.5


def largest_filtered(probability: Array) -> float:
    """MFPD: the largest value of the smoothed probability of detection; NaN without frames."""
    largest, state = np.nan, 0.0
    for value in probability.tolist():
        state = 0.9 * state + 0.1 * value
        largest = np.fmax(largest, state)
    return float(largest)
