"""Noise relative to the reference's masking threshold: section 11.5 of PEAQ Basic."""

import numpy as np

from streamaug.quality.peaq.bands import COUNT, WIDTH, grouped
from streamaug.quality.peaq.ear import Array
from streamaug.quality.peaq.frame_sets import frame_mean

_AUDIBLE = 10**0.15
"""Noise 1.5 dB above the mask disturbs."""


def noise_to_mask(spectra: Array, excitation: Array) -> Array:
    """Ratio of noise to mask in each band, (..., frames, 109).

    spectra: ear-weighted power, (2, ..., frames, 1025), reference and test. excitation: of the
    reference, (..., frames, 109).
    """
    reference, test = spectra
    noise = grouped(reference - 2 * np.sqrt(reference * test) + test)
    bark = np.arange(COUNT) * WIDTH
    offset = 10 ** (np.where(bark <= 12, 3.0, 0.25 * bark) / 10)
    return noise * offset / excitation


def total_noise_to_mask(ratios: Array) -> Array:
    """TotalNMR in dB, (..., frames, 109) to (...)."""
    return 10 * np.log10(frame_mean(ratios.mean(axis=-1)))


def disturbed_share(ratios: Array) -> Array:
    """RelDistFrames: share of frames with audible noise in any band, (..., frames, 109) to (...)."""
    return frame_mean(ratios.max(axis=-1) > _AUDIBLE)
