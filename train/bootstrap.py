"""Confidence intervals of differences in accuracy: a paired bootstrap over groups of recordings."""

from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
_BLOCK = 1_000


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


def paired_difference(first: np.ndarray, second: np.ndarray, groups: np.ndarray, *, seed: int = 0) -> AccuracyDifference:
    """Difference of two models' accuracies on the same clips, with a percentile interval.

    Clips of one recording or location are not independent trials, so whole groups are drawn, with
    replacement (Efron and Tibshirani 1993). Paired: both models are compared on the same draw.

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
    _, group_numbers = np.unique(groups, return_inverse=True)
    gains = np.bincount(group_numbers, first.astype(np.float64) - second)
    sizes = np.bincount(group_numbers).astype(np.float64)
    generator = np.random.default_rng(seed)
    means = []
    for start in range(0, RESAMPLES, _BLOCK):
        draws = generator.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), min(_BLOCK, RESAMPLES - start))
        means.append(draws @ gains / (draws @ sizes))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return AccuracyDifference(mean=float(gains.sum() / sizes.sum()), low=float(low), high=float(high))
