"""Confidence intervals by a bootstrap over groups of recordings.

Clips of one recording or location are not independent trials, so whole groups are drawn, with
replacement (Efron and Tibshirani 1993). The same groups and seed give the same draws, so two models,
or two conditions, that are evaluated on the same clips are compared on the same draws.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
_BLOCK = 1_000
_COUNTS = 20_000_000
"""Counts of draws that are in memory at a time."""

_ALL_COUNTS = 100_000_000
"""Counts of all draws, which take some seconds."""

ENDS = (2.5, 97.5)
"""Percentiles of the draws that are the ends of a 95 % interval."""


@dataclass(frozen=True, kw_only=True)
class AccuracyDifference:
    """A mean difference and the ends of its 95 % interval."""

    mean: float
    low: float
    high: float

    @property
    def is_significant(self) -> bool:
        """Whether zero is outside the interval."""
        return self.low > 0 or self.high < 0


def group_draws(groups: int, *, resamples: int = RESAMPLES, block: int = _BLOCK, seed: int = 0) -> Iterator[np.ndarray]:
    """How often each group is drawn, block by block: int64 of shape (draws, groups).

    Args:
        groups: Number of groups.
        resamples: Draws in all.
        block: Draws in a block.
        seed: Seed of the draws.

    >>> [counts.sum(1).tolist() for counts in group_draws(4, resamples=3, block=2)]
    [[4, 4], [4]]
    """
    generator = np.random.default_rng(seed)
    block = max(1, min(block, _COUNTS // groups))
    for start in range(0, resamples, block):
        yield generator.multinomial(groups, np.full(groups, 1 / groups), min(block, resamples - start))


def draws_of(groups: int) -> int:
    """How many draws of groups are affordable. The intervals of very many groups are narrow, and need
    fewer.

    Args:
        groups: Number of groups.

    >>> draws_of(60), draws_of(3_000), draws_of(50_000), draws_of(10**6)
    (10000, 10000, 2000, 200)
    """
    return max(200, min(RESAMPLES, _ALL_COUNTS // groups))


def resampled_means(values: np.ndarray, groups: np.ndarray, *, seed: int = 0) -> np.ndarray:
    """Means over the clips of each draw: (`draws_of` the groups, columns).

    Args:
        values: Of shape (clips, columns).
        groups: Group of each clip, (clips,).
        seed: Seed of the draws.
    """
    _, numbers = np.unique(groups, return_inverse=True)
    sizes = np.bincount(numbers).astype(np.float64)
    sums = np.stack([np.bincount(numbers, column) for column in values.T.astype(np.float64)], 1)
    draws = group_draws(len(sizes), resamples=draws_of(len(sizes)), seed=seed)
    return np.concatenate([counts @ sums / (counts @ sizes)[:, None] for counts in draws])


def paired_difference(first: np.ndarray, second: np.ndarray, groups: np.ndarray, *, seed: int = 0) -> AccuracyDifference:
    """Difference of two models' accuracies on the same clips, with a percentile interval.

    Paired: both models are compared on the same draw.

    Args:
        first: Of shape (clips,): right (1) or wrong (0), or the share of seeds that were right.
        second: The same for the other model.
        groups: Group of each clip, of the same shape.
        seed: Seed of the draws.

    Raises:
        ValueError: The shapes differ, or there are no clips.

    >>> same = np.array([1, 0, 1, 1])
    >>> paired_difference(same, same, np.arange(4))
    AccuracyDifference(mean=0.0, low=0.0, high=0.0)
    """
    if not first.shape == second.shape == groups.shape or first.ndim != 1 or not len(first):
        raise ValueError(f"both models must be evaluated on the same clips; the shapes are {first.shape}, {second.shape}, {groups.shape}")
    gains = first.astype(np.float64) - second
    low, high = np.percentile(resampled_means(gains[:, None], groups, seed=seed), ENDS)
    return AccuracyDifference(mean=float(gains.mean()), low=float(low), high=float(high))
