"""Fit accuracy over perceived quality: a line through conditions, a logistic curve through answers."""

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import statsmodels.api as sm  # type: ignore[import-untyped]  # it has no type hints
from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationWarning  # type: ignore[import-untyped]  # it has no type hints

from train.errors import RunError

RESAMPLES = 10_000
FEWEST = 3
"""Conditions that a line needs; a line through two always fits."""

_CLIP_LEVEL = 20
"""Answers, right and wrong, that a fit needs."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The ends of a 95 % interval."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.2f} to {self.high:.2f}"


@dataclass(frozen=True, kw_only=True)
class Line:
    """Accuracy over mean ODG by least squares.

    Args:
        slope: Accuracy per grade.
        intercept: Accuracy at ODG 0.
        r2: Share of the accuracies' variance that the line explains.
    """

    slope: float
    intercept: float
    r2: float


def squared_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """R² of the line through points, (..., points) to (...); NaN if either does not vary.

    >>> float(squared_correlation(np.array([0.0, 1.0, 2.0]), np.array([5.0, 3.0, 1.0])))
    1.0
    """
    x, y = first - first.mean(axis=-1, keepdims=True), second - second.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        r2: np.ndarray = (x * y).sum(axis=-1) ** 2 / ((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    return r2


def fit_line(odg: np.ndarray, accuracy: np.ndarray) -> Line:
    """The line through the conditions' mean ODG and accuracy, both (conditions,).

    Raises:
        RunError: There are fewer than three conditions, or either value does not vary.
    """
    r2 = float(squared_correlation(odg, accuracy)) if len(odg) >= FEWEST else np.nan
    if np.isnan(r2):
        raise RunError(f"no line fits {len(odg)} conditions; give {FEWEST} or more that differ in accuracy and in ODG")
    slope, intercept = np.polynomial.Polynomial.fit(odg, accuracy, 1).convert().coef[::-1].tolist()
    return Line(slope=slope, intercept=intercept, r2=r2)


def r2_over_conditions(odg: np.ndarray, accuracy: np.ndarray, seed: int = 0) -> Interval:
    """Percentile interval of R² over conditions, which are drawn with replacement.

    Draws of fewer than three different conditions do not determine a line and are left out.
    """
    draws = np.random.default_rng(seed).integers(len(odg), size=(RESAMPLES, len(odg)))
    complete = draws[(np.diff(np.sort(draws), axis=1) > 0).sum(axis=1) + 1 >= FEWEST]
    return _interval(squared_correlation(odg[complete], accuracy[complete]))


@dataclass(frozen=True, kw_only=True)
class ClipLevel:
    """Graded predictions of one condition.

    Args:
        odg: ODG of each prediction's clip, (predictions,).
        right: Whether each prediction is right, bool (predictions,).
        group: Group of each prediction's clip, (predictions,).
    """

    odg: np.ndarray
    right: np.ndarray
    group: np.ndarray


def r2_over_groups(levels: Sequence[ClipLevel], seed: int = 0) -> Interval:
    """Percentile interval of R² over recordings: groups of clips are drawn with replacement."""
    names = np.unique(np.concatenate([level.group for level in levels]))
    sums = np.zeros((3, len(names), len(levels)))  # predictions, right answers, ODG
    for number, level in enumerate(levels):
        groups = np.searchsorted(names, level.group)
        for total, values in zip(sums, (np.ones(len(groups)), level.right, level.odg), strict=True):
            total[:, number] = np.bincount(groups, values, len(names))
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    counts, right, odg = (draws @ total for total in sums)
    with np.errstate(invalid="ignore"):
        return _interval(squared_correlation(odg / counts, right / counts))


def _interval(values: np.ndarray) -> Interval:
    low, high = np.nanpercentile(values, [2.5, 97.5]).tolist()
    return Interval(low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class Logistic:
    """Probability of a right answer over the ODG of the clip: 1 / (1 + exp(-(intercept + slope *
    odg))).

    Groups of clips count as one trial (cluster-robust). The fit is NaN if there are too few right
    or too few wrong answers, or if a grade separates the two perfectly.

    Args:
        condition: The condition.
        answers: Number of answers.
        accuracy: Share of right answers.
        intercept: Log odds at ODG 0.
        slope: Log odds per grade.
        low: Lower end of the slope's 95 % interval.
        high: Upper end of the slope's 95 % interval.
    """

    condition: str
    answers: int
    accuracy: float
    intercept: float
    slope: float
    low: float
    high: float

    def probability(self, odg: np.ndarray) -> np.ndarray:
        chance: np.ndarray = 1 / (1 + np.exp(-(self.intercept + self.slope * odg)))
        return chance


def fit_logistic(condition: str, level: ClipLevel) -> Logistic:
    """Fit the answers of one condition."""
    right = level.right.astype(np.float64)
    intercept = slope = low = high = np.nan
    rarer = min(right.sum(), len(right) - right.sum())
    if rarer >= _CLIP_LEVEL / 4 and len(right) >= _CLIP_LEVEL and np.ptp(level.odg) > 0:
        groups = np.unique(level.group, return_inverse=True)[1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # overflow on the way to a perfect separation
            warnings.simplefilter("error", PerfectSeparationWarning)
            warnings.simplefilter("error", ConvergenceWarning)
            with suppress(PerfectSeparationWarning, ConvergenceWarning, np.linalg.LinAlgError):
                model = sm.Logit(right, sm.add_constant(level.odg))
                fit = model.fit(disp=False, cov_type="cluster", cov_kwds={"groups": groups})
                (intercept, slope), (low, high) = fit.params.tolist(), fit.conf_int()[1].tolist()
    accuracy = float(right.mean()) if right.size else np.nan
    return Logistic(condition=condition, answers=len(right), accuracy=accuracy, intercept=intercept, slope=slope, low=low, high=high)
