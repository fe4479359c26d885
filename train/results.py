"""Compute accuracies and gains from predictions."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.condition_names import reading_order
from streamaug.stress.bootstrap import ENDS, AccuracyDifference, resampled_means
from train.errors import RunError
from train.predictions import by_clip, correct, in_order

ORIGINAL = "original"
TABLE_3 = (ORIGINAL, "aac_32", "mp3_64", "mp3_32", "aac_48", "aac_64", "opus_64", "sbc_64")
"""Evaluated conditions of Experiment B, in the paper's order."""


def paper_order(conditions: Collection[str]) -> list[str]:
    """Conditions of Table 3 first, in its order, then the others by name; those of several stores
    store by store.

    >>> paper_order(["sbc_64", "he-aac_16", "original"])
    ['original', 'sbc_64', 'he-aac_16']
    """
    return [name for name in TABLE_3 if name in conditions] + sorted(set(conditions) - set(TABLE_3), key=reading_order)


@dataclass(frozen=True, kw_only=True)
class Accuracies:
    """Accuracy of every experiment row, seed and condition: `values` of shape (rows, seeds,
    conditions).

    If folds were held out in turn, a seed's accuracy counts every clip once, predicted by the model
    that was not trained on it.
    """

    rows: tuple[str, ...]
    seeds: tuple[int, ...]
    conditions: tuple[str, ...]
    values: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """Mean over seeds: (rows, conditions)."""
        means: np.ndarray = self.values.mean(1)
        return means

    @property
    def spreads(self) -> np.ndarray:
        """Standard deviation over seeds, NaN for a single seed: (rows, conditions)."""
        if len(self.seeds) < 2:
            return np.full_like(self.means, np.nan)
        spreads: np.ndarray = self.values.std(1, ddof=1)
        return spreads

    def mean(self, row: str, condition: str) -> float:
        return float(self.means[self.rows.index(row), self.conditions.index(condition)])


def accuracies(predictions: pa.Table) -> Accuracies:
    """Count the right predictions. Raises RunError if the rows do not have the same seeds,
    conditions and clips.
    """
    rows, conditions = in_order(predictions, "row"), paper_order(in_order(predictions, "condition"))
    seeds = sorted(predictions["seed"].unique().to_pylist())
    keys = predictions.select(["row", "seed", "condition"]).append_column("right", pa.array(correct(predictions).astype(np.float64)))
    counted = keys.group_by(["row", "seed", "condition"]).aggregate([("right", "mean"), ("right", "count")]).to_pylist()
    values = np.full((len(rows), len(seeds), len(conditions)), np.nan)
    for cell in counted:
        values[rows.index(cell["row"]), seeds.index(cell["seed"]), conditions.index(cell["condition"])] = cell["right_mean"]
    counts = {(cell["condition"], cell["right_count"]) for cell in counted}
    if np.isnan(values).any() or len(counts) != len(conditions):
        raise RunError("the rows' predictions do not cover the same seeds, conditions and clips; run the missing ones")
    return Accuracies(rows=tuple(rows), seeds=tuple(seeds), conditions=tuple(conditions), values=values)


@dataclass(frozen=True, kw_only=True)
class Gain:
    """The gain of one experiment row over another.

    Args:
        row: The row.
        over: The row that it is compared with.
        relative: Relative change in percent, by condition.
        average: Mean of `relative` over the coded conditions.
        smallest_share: Accuracy in the worst coded condition, in percent of that on the original.
        differences: Differences with intervals, by condition.
    """

    row: str
    over: str
    relative: dict[str, float]
    average: float
    smallest_share: float
    differences: dict[str, AccuracyDifference]


def gain(predictions: pa.Table, row: str, over: str, conditions: Sequence[str]) -> Gain:
    """Compare two rows as the paper compares row 7 with row 2. Raises RunError if their clips
    differ.
    """
    table = accuracies(predictions)
    relative = {name: 100 * (table.mean(row, name) / table.mean(over, name) - 1) for name in conditions}
    coded = [name for name in conditions if name != ORIGINAL]
    clips, groups, _ = by_clip(predictions, row, conditions[0])
    pairs = []
    for name in conditions:
        (ids, _, first), (others, _, second) = (by_clip(predictions, which, name) for which in (row, over))
        if not np.array_equal(ids, others) or not np.array_equal(ids, clips):
            raise RunError(f"rows {row} and {over} were evaluated on different clips in {name}; run one of them again")
        pairs.append(first - second)
    gained = np.stack(pairs, 1)
    ends = np.percentile(resampled_means(gained, groups), ENDS, axis=0).T.tolist()
    differences = {
        name: AccuracyDifference(mean=mean, low=low, high=high)
        for name, mean, (low, high) in zip(conditions, gained.mean(0).tolist(), ends, strict=True)
    }
    return Gain(
        row=row,
        over=over,
        relative=relative,
        average=float(np.mean([relative[name] for name in coded])) if coded else float("nan"),
        smallest_share=100 * min((table.mean(row, name) for name in coded), default=float("nan")) / table.mean(row, ORIGINAL),
        differences=differences,
    )


def chance_of(predictions: pa.Table) -> float:
    """Accuracy of always answering the most frequent class."""
    counts: list[int] = pc.value_counts(predictions["label"]).field("counts").to_pylist()
    return max(counts) / len(predictions)


def confusion(predictions: pa.Table, labels: Sequence[str], condition: str) -> np.ndarray:
    """Confusion matrix of a condition: counts of shape (true, predicted)."""
    table = predictions.filter(pc.equal(predictions["condition"], condition))
    counts = np.zeros((len(labels), len(labels)), np.int64)
    true, predicted = (pc.index_in(table[name], pa.array(labels)).to_numpy() for name in ("label", "predicted"))
    np.add.at(counts, (true, predicted), 1)
    return counts
