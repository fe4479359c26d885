"""Accuracy, mean average precision and equal error rate, for many weightings of the clips together.

A bootstrap needs a metric a thousand times on the same scores, with other weights of the clips: so
clips are sorted once, and each draw is a cumulative sum.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streamaug.stress.bootstrap import RESAMPLES, group_draws, resampled_means

Evaluate = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""From scores (clips, columns), truth (clips, classes) and weights (draws, clips) to (draws,)."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What a model is judged by.

    Args:
        name: Its short name, as in card.json.
        title: Its name in full.
        higher_is_better: Whether a larger value is better.
        evaluate: Its values for some weightings of the clips; NaN for one that leaves nothing to
            judge.
    """

    name: str
    title: str
    higher_is_better: bool
    evaluate: Evaluate

    def value(self, scores: np.ndarray, truth: np.ndarray) -> float:
        """The metric of clips that all count the same."""
        return float(self.evaluate(scores, truth, np.ones((1, len(truth))))[0])

    def goodness(self, values: np.ndarray) -> np.ndarray:
        """Values of which larger ones are better: an error rate's are subtracted from 1."""
        return values if self.higher_is_better else 1 - values


def metric_for(target: str, columns: int) -> Metric:
    """The metric that suits a store's targets.

    Args:
        target: `label` or `labels`.
        columns: Scores per clip.

    >>> [metric_for(*each).name for each in (("label", 10), ("label", 2), ("labels", 10))]
    ['accuracy', 'EER', 'mAP']
    """
    if target == "labels":
        return MEAN_PRECISION
    return ACCURACY if columns > 2 else EQUAL_ERROR


def accuracy(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of the clips whose greatest score is that of their class; the first of equal ones
    counts."""
    right = scores.argmax(1) == truth.argmax(1)
    shares: np.ndarray = weights @ right / weights.sum(1)
    return shares


def mean_precision(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision of each class (`precisions`), averaged over the classes that a draw has."""
    values = precisions(scores, truth, weights)
    counted = ~np.isnan(values)
    with np.errstate(invalid="ignore"):  # a draw without any label
        means: np.ndarray = np.where(counted, values, 0).sum(1) / counted.sum(1)
    return means


def precisions(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average precision of each class: the precision at each clip that has it, averaged. Clips with
    the same score are taken together.

    Args:
        scores: Of shape (clips, classes).
        truth: Which clips have which class, bool of the same shape.
        weights: Of shape (draws, clips).

    Returns:
        Of shape (draws, classes); NaN for a class that no clip of the draw has.

    >>> scores, truth = np.array([[0.9], [0.8], [0.7], [0.6]]), np.array([[True], [False], [True], [False]])
    >>> precisions(scores, truth, np.ones((1, 4))).round(4).tolist()  # (1 + 2/3) / 2
    [[0.8333]]
    """
    values = np.full((len(weights), scores.shape[1]), np.nan)
    for number in range(scores.shape[1]):
        order = np.argsort(-scores[:, number], kind="stable")
        ordered = -scores[order, number]
        last = np.searchsorted(ordered, ordered, side="right") - 1  # of those with the same score
        mine = truth[order, number]
        drawn = weights[:, order].astype(np.float64)
        positives = drawn * mine
        reached, seen = np.cumsum(positives, 1)[:, last[mine]], np.cumsum(drawn, 1)[:, last[mine]]
        with np.errstate(invalid="ignore", divide="ignore"):
            at_each = np.where(positives[:, mine] > 0, reached / seen, 0)
            values[:, number] = (positives[:, mine] * at_each).sum(1) / positives.sum(1)
    return values


def equal_error(scores: np.ndarray, truth: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Error rate at the threshold where as many of one class are missed as of the other are taken
    for it, between two thresholds on a straight line."""
    return _crossing(detection_scores(scores), truth[:, 1], weights)[0]


def detection_scores(scores: np.ndarray) -> np.ndarray:
    """One score per clip that grows with the second of two classes: (clips,)."""
    single: np.ndarray = scores[:, 0] if scores.shape[1] == 1 else scores[:, 1] - scores[:, 0]
    return single


def threshold_at_equal_error(scores: np.ndarray, positive: np.ndarray) -> float:
    """The score from which a clip counts as positive at the equal error rate.

    Args:
        scores: Of shape (clips,).
        positive: Which clips have the second class, (clips,).

    >>> threshold_at_equal_error(np.array([0.9, 0.8, 0.3, 0.7, 0.2, 0.1]), np.array([True, True, True, False, False, False]))
    0.7
    """
    return float(_crossing(scores, positive, np.ones((1, len(scores))))[1][0])


def _crossing(scores: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the rates of both errors meet: the rate and the threshold, each (draws,)."""
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    drawn = weights[:, order].astype(np.float64)
    nothing = np.zeros((len(weights), 1))

    def rate(mine: np.ndarray) -> np.ndarray:
        totals = np.cumsum(drawn * mine, 1)
        with np.errstate(invalid="ignore"):
            shares: np.ndarray = np.hstack([nothing, totals[:, ends]]) / totals[:, -1:]
        return shares

    false_alarms, hits = rate(~positive[order]), rate(positive[order])
    gap = false_alarms + hits - 1  # from -1 to 1, never falling
    after = np.maximum((gap >= 0).argmax(1), 1)
    draws = np.arange(len(weights))
    low, high = gap[draws, after - 1], gap[draws, after]
    with np.errstate(invalid="ignore"):  # a draw that lacks one of the classes has no rate
        step = -low / (high - low)
    before = false_alarms[draws, after - 1]
    return before + step * (false_alarms[draws, after] - before), ordered[ends[after - 1]]


def replicates(metric: Metric, scores: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The metric of every condition for every draw of groups, the same draws for all conditions.

    Args:
        metric: What to compute.
        scores: Of shape (conditions, clips, columns).
        truth: Of shape (clips, classes).
        groups: Group of each clip, (clips,).

    Returns:
        Of shape (draws, conditions).
    """
    if metric is ACCURACY:
        right = scores.argmax(2) == truth.argmax(1)
        return resampled_means(right.T, groups)
    _, numbers = np.unique(groups, return_inverse=True)
    conditions, clips, columns = scores.shape
    blocks = []
    for counts in group_draws(int(numbers.max()) + 1, resamples=_draws(conditions * clips * columns), block=50):
        weights = counts[:, numbers]
        blocks.append(np.stack([metric.evaluate(each, truth, weights) for each in scores], 1))
    return np.concatenate(blocks)


def _draws(scores: int) -> int:
    """How many draws are affordable: some seconds for most data, and never too few for an interval.

    >>> _draws(11 * 400 * 10), _draws(11 * 20_000 * 527)
    (1000, 200)
    """
    return int(np.clip(2_000_000_000 // scores, 200, RESAMPLES // 10))


ACCURACY = Metric(name="accuracy", title="accuracy", higher_is_better=True, evaluate=accuracy)
MEAN_PRECISION = Metric(name="mAP", title="mean average precision (mAP)", higher_is_better=True, evaluate=mean_precision)
EQUAL_ERROR = Metric(name="EER", title="equal error rate (EER)", higher_is_better=False, evaluate=equal_error)
