"""Choose the frames that each variable is averaged over: section 11.1 of PEAQ Basic."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamaug.quality.peaq.ear import FRAME, HOP, Array

_LOUD = 200.0
"""Sum of five successive magnitudes, in 16-bit units, from which the reference counts as started.
"""

_SETTLED = 24
"""Frames (0.5 s from the start of the file) that the modulation filters take to settle."""

_AFTER_ONSET = 3
"""Frames (50 ms) after both signals are audible before noise loudness counts."""

_AUDIBLE = 0.1
"""Sone."""

_ENERGY = 8000.0
"""Energy of half a frame, in 16-bit units, from which its harmonic structure counts."""


@dataclass(frozen=True, kw_only=True)
class FrameSets:
    """Slices of the frame axis, empty if no frame qualifies, and a mask.

    kept: K, from the first to the last loud frame. settled: K_mod. audible: K_nl. energetic: K_ehs,
    of shape (frames,).
    """

    kept: slice
    settled: slice
    audible: slice
    energetic: np.ndarray


def _loud_frames(frames: Array) -> np.ndarray:
    """Numbers of the frames of the reference (channels, frames, 2048) in which five successive
    samples are loud.
    """
    magnitude = np.abs(frames[..., 1:])  # the first window holds samples 1 to 5
    sums = magnitude[..., :-4] + magnitude[..., 1:-3] + magnitude[..., 2:-2] + magnitude[..., 3:-1] + magnitude[..., 4:]
    return np.flatnonzero((sums >= _LOUD).any(axis=(0, 2)))


def frame_sets(frames: Array, loudness: Array) -> FrameSets:
    """Choose the frames of a pair.

    frames: (2, channels, frames, 2048), reference and test, in 16-bit units. loudness: in sone,
    (2, channels, frames).
    """
    count = frames.shape[-2]
    loud = _loud_frames(frames[0])
    first, stop = (int(loud[0]), int(loud[-1]) + 1) if loud.size else (0, 0)
    onset = np.flatnonzero((loudness > _AUDIBLE).all(axis=0).any(axis=0))
    audible = int(onset[0]) + _AFTER_ONSET if onset.size else count
    kept = np.zeros(count, bool)
    kept[first:stop] = True
    energetic = (np.square(frames[..., HOP:FRAME]).sum(axis=-1) >= _ENERGY).any(axis=(0, 1))
    return FrameSets(
        kept=slice(first, stop),
        settled=slice(max(first, _SETTLED), stop),
        audible=slice(max(first, _SETTLED, audible), stop),
        energetic=kept & energetic,
    )


def frame_mean(values: npt.ArrayLike, weight: npt.ArrayLike = 1.0) -> Array:
    """Weighted mean over the frames, (..., frames) to (...); NaN if there are no frames.

    >>> frame_mean([2.0, 4.0]), frame_mean([2.0, 4.0], [3.0, 1.0]), frame_mean([])
    (np.float64(3.0), np.float64(2.5), np.float64(nan))
    """
    values, weights = np.broadcast_arrays(np.asarray(values, np.float64), np.asarray(weight, np.float64))
    with np.errstate(invalid="ignore"):
        mean: Array = np.sum(weights * values, axis=-1) / np.sum(weights, axis=-1)
    return mean
