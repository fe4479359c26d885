"""Adapt levels and patterns of two signals; their modulation: sections 8, 9 of PEAQ Basic."""

from dataclasses import dataclass

import numpy as np

from streamaug.quality.peaq.bands import COUNT, bands
from streamaug.quality.peaq.ear import FRAMES_PER_SECOND, Array
from streamaug.quality.peaq.excitation import adaptation_constants, decaying, smoothed
from streamaug.quality.peaq.frame_sets import frame_mean


def _band_means(values: Array) -> Array:
    """Mean over bands i-3 to i+4, over fewer at the edges."""
    band = np.arange(COUNT)
    near = (band[:, None] >= band - 3) & (band[:, None] <= band + 4)
    means: Array = values @ (near / near.sum(axis=0))
    return means


def adapted(excitation: Array) -> Array:
    """Patterns E_P after level and pattern adaptation, (2, ..., frames, 109): reference and test,
    like `excitation`.

    A constant gain or a constant filter is removed by adaptation; other differences count as noise.
    """
    alpha = adaptation_constants()
    reference, test = smoothed(excitation, alpha)
    level = (np.sqrt(reference * test).sum(axis=-1, keepdims=True) / test.sum(axis=-1, keepdims=True)) ** 2
    levelled = np.stack([excitation[0] / np.maximum(level, 1), excitation[1] * np.minimum(level, 1)])
    both, own = decaying(np.stack([levelled[1] * levelled[0], levelled[0] ** 2]), alpha)
    ratios = np.stack([np.minimum(both / own, 1), np.minimum(own / both, 1)])
    return levelled * smoothed(_band_means(ratios), alpha)


@dataclass(frozen=True, kw_only=True)
class Modulation:
    """Modulation of the envelopes, each (2, ..., frames, 109): reference and test.

    depth: M. loudness: Ebar, the smoothed loudness that it is relative to.
    """

    depth: Array
    loudness: Array


def modulation(unsmeared: Array) -> Modulation:
    """Modulation patterns of the unsmeared excitation (2, ..., frames, 109)."""
    alpha = adaptation_constants()
    loudness = unsmeared**0.3
    change = FRAMES_PER_SECOND * np.abs(np.diff(loudness, axis=-2, prepend=0))
    change, mean = smoothed(np.stack([change, loudness]), alpha)
    return Modulation(depth=change / (1 + mean / 0.3), loudness=mean)


def modulation_differences(patterns: Modulation) -> tuple[Array, Array, Array]:
    """The first and second difference and their weight, each (..., frames): m1, m2 and W of section
    11.2.
    """
    reference, test = patterns.depth
    difference = np.abs(test - reference)
    first = 100 / COUNT * (difference / (1 + reference)).sum(axis=-1)
    second = 100 / COUNT * (np.where(test >= reference, 1, 0.1) * difference / (0.01 + reference)).sum(axis=-1)
    loudness = patterns.loudness[0]
    weight = (loudness / (loudness + 100 * bands().noise ** 0.3)).sum(axis=-1)
    return first, second, weight


def windowed_mean(differences: Array) -> Array:
    """WinModDiff: root of the mean fourth power of four-frame means of square roots, (..., frames)
    to (...); NaN below 4 frames.
    """
    root = np.sqrt(differences)
    means = (root[..., :-3] + root[..., 1:-2] + root[..., 2:-1] + root[..., 3:]) / 4
    return np.sqrt(frame_mean(means**4))
