"""Bandwidth of the spectra: section 11.4 of PEAQ Basic."""

import numpy as np

from streamaug.quality.peaq.ear import Array

_TOP = 921
"""First of the lines (21.6 kHz and up) whose power in the test signal counts as zero level."""

_LEAST = 346
"""A reference that reaches no further (8.1 kHz) does not determine the bandwidth."""


def _reach(above: np.ndarray) -> np.ndarray:
    """1 + the largest index at which a boolean array (..., lines) is true, 0 if it is true nowhere."""
    lines = above.shape[-1]
    return np.where(above.any(axis=-1), lines - above[..., ::-1].argmax(axis=-1), 0)


def bandwidths(spectra: Array) -> tuple[Array, Array, np.ndarray]:
    """Mean bandwidth of reference and test in spectral lines, and the number of frames that they
    are the means of: each (...).

    spectra: power without ear weights, (2, ..., frames, 1025). If no frame counts, both are 0.
    """
    reference, test = spectra[..., :_TOP]
    zero = spectra[1][..., _TOP:-1].max(axis=-1, keepdims=True)
    reach = _reach(reference > 10 * zero)
    counted = reach > _LEAST
    below = np.arange(_TOP) < reach[..., None]
    reach_test = _reach((test >= 10**0.5 * zero) & below)
    count = counted.sum(axis=-1)
    mean_reference, mean_test = (np.where(counted, value, 0).sum(axis=-1) / np.maximum(count, 1) for value in (reach, reach_test))
    return mean_reference, mean_test, count
