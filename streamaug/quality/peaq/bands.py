"""The 109 bands of a quarter Bark between 80 Hz and 18 kHz: section 4 of PEAQ Basic."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from streamaug.quality.peaq.ear import BIN, FRAME, Array, read_only

COUNT = 109
WIDTH = 0.25
"""Bark."""

_FLOOR = 1e-12


@dataclass(frozen=True, kw_only=True)
class Bands:
    """Constants of the bands, each of shape (109,), from the formula (the printed table has
    misprints).

    lower, upper, centre: in Hz.
    noise: internal noise of the ear, E_IN. threshold: E_t of the loudness formula.
    weights: (lines, 109), the part of each spectral line that is in each band; the lines above 18
    kHz are left out.
    """

    lower: Array
    upper: Array
    centre: Array
    noise: Array
    threshold: Array
    weights: Array


def _hertz(bark: Array) -> Array:
    return 650 * np.sinh(bark / 7)


@cache
def bands() -> Bands:
    """The bands' constants, computed once."""
    first, last = (7 * np.arcsinh(np.array([80.0, 18_000.0]) / 650)).tolist()
    below = first + np.arange(COUNT) * WIDTH
    above = np.minimum(below + WIDTH, last)
    lower, upper, centre = _hertz(below), _hertz(above), _hertz((below + above) / 2)
    line = np.arange(FRAME // 2 + 1)[:, None]
    overlap = np.minimum(upper, (line + 0.5) * BIN) - np.maximum(lower, (line - 0.5) * BIN)
    weights = np.maximum(overlap, 0) / BIN
    heard = int(np.flatnonzero(weights.any(axis=1))[-1]) + 1
    return Bands(
        lower=read_only(lower),
        upper=read_only(upper),
        centre=read_only(centre),
        noise=read_only(10 ** (0.1456 * (centre / 1000) ** -0.8)),
        threshold=read_only(10 ** (0.364 * (centre / 1000) ** -0.8)),
        weights=read_only(weights[:heard]),
    )


def grouped(spectra: Array) -> Array:
    """Power in each band: (..., 1025) to (..., 109)."""
    weights = bands().weights
    return np.maximum(spectra[..., : len(weights)] @ weights, _FLOOR)
