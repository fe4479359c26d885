"""Harmonic structure of the error: section 11.7 of PEAQ Basic."""

import numpy as np

from streamaug.quality.peaq.ear import Array

_LAGS = 256


def _normalised_correlation(difference: Array) -> Array:
    """Correlation of the first 256 lines with those 0 to 255 lines higher, (frames, 512) to
    (frames, 256).
    """
    size = 2 * _LAGS  # no product wraps round: 255 + 255 < 512
    spectrum = np.fft.rfft(difference, size)
    correlation = np.fft.irfft(spectrum * np.fft.rfft(difference[..., :_LAGS], size).conj(), size)[..., :_LAGS]
    energy = np.pad(np.cumsum(difference**2, axis=-1), [(0, 0)] * (difference.ndim - 1) + [(1, 0)])
    sliding = energy[..., _LAGS:-1] - energy[..., : -_LAGS - 1]
    normalised: Array = correlation / np.sqrt(correlation[..., :1] * sliding)
    return normalised


def harmonic_structure(spectra: Array) -> Array:
    """Largest peak of the error's cepstrum-like spectrum in each frame, (...,).

    spectra: ear-weighted power of reference and test, (2, ..., 1025). A frame whose error is zero
    (equal signals) or infinite (digital silence in one of them) has no structure: 0.
    """
    reference, test = spectra[..., : 2 * _LAGS]
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = np.where((reference == 0) & (test == 0), 0.0, np.log(test / reference))
        correlation = _normalised_correlation(difference)
        correlation -= correlation.mean(axis=-1, keepdims=True)
        window = np.sqrt(8 / 3) * np.hanning(_LAGS) / _LAGS
        structure = np.abs(np.fft.rfft(correlation * window)) ** 2
        peaks = np.where(structure[..., 1:] > structure[..., :-1], structure[..., 1:], 0.0)
    largest: Array = peaks.max(axis=-1)
    return largest
