"""Count a store's clips by the values of a column and by what a model learns of them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pyarrow as pa

from streamaug.store.format import TARGET_FIELDS


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Some clips, counted.

    Args:
        value: What they have in common in a column; None if that is nothing.
        clips: Number of clips.
        labels: How many of them have each label; None if a model learns no labels. A clip counts
            under each of its labels.
        unlabelled: How many of them have no label.
        target: Smallest, mean and largest number to be learned; None if there are no numbers.
    """

    value: Any
    clips: int
    labels: dict[str, int] | None = None
    unlabelled: int = 0
    target: dict[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class ClipCounts:
    """All clips, and those of each value of a column.

    Args:
        target: The column with what a model learns, if any.
        values: One tally per value in order, clips without a value last.
        every: The tally of all clips.
    """

    target: str | None
    values: list[Tally]
    every: Tally

    def lines(self) -> list[list[str]]:
        """Lines of a table: its head, one per label or statistic, and all clips.

        >>> clips = pa.table({"label": ["dog", "cat", "dog"], "split": ["train", "train", None]})
        >>> count_clips(clips, ["cat", "dog"]).lines()
        [['label', 'train', '-', 'clips'], ['cat', '1', '0', '1'], ['dog', '1', '1', '2'], ['all', '2', '1', '3']]
        >>> count_clips(pa.table({"target": [1.0, 2.5], "split": ["train", "train"]}), []).lines()[1:]
        [['smallest', '1', '1'], ['mean', '1.75', '1.75'], ['largest', '2.5', '2.5'], ['all', '2', '2']]
        """
        columns = [*self.values, self.every]
        lines = [[self.target or "", *("-" if each.value is None else str(each.value) for each in self.values), "clips"]]
        lines += [[label, *(str((each.labels or {})[label]) for each in columns)] for label in self.every.labels or ()]
        if self.every.unlabelled:
            lines.append(["-", *(str(each.unlabelled) for each in columns)])
        lines += [[name, *(f"{(each.target or {})[name]:g}" for each in columns)] for name in self.every.target or ()]
        return [*lines, ["all", *(str(each.clips) for each in columns)]]


def count_clips(clips: pa.Table, labels: Sequence[str], column: str = "split") -> ClipCounts:
    """Count clips by the values of a column, and all of them.

    >>> clips = pa.table({"label": ["dog", "cat", "dog"], "split": ["train", "train", None]})
    >>> [(each.value, each.labels) for each in count_clips(clips, ["cat", "dog"]).values]
    [('train', {'cat': 1, 'dog': 1}), (None, {'cat': 0, 'dog': 1})]

    Args:
        clips: The column to count by, and label, labels, target or none of them.
        labels: All labels, in the order to count them in.
        column: The column.
    """
    target = next((name for name in TARGET_FIELDS if name in clips.column_names), None)
    cells = clips[target].to_pylist() if target else [None] * clips.num_rows
    sides: dict[Any, list[Any]] = {}
    for side, cell in zip(clips[column].to_pylist(), cells, strict=True):
        sides.setdefault(side, []).append(cell)

    def tally(value: Any, cells: Sequence[Any]) -> Tally:
        if target == "target":
            return Tally(value=value, clips=len(cells), target={"smallest": min(cells), "mean": fmean(cells), "largest": max(cells)})
        if target is None:
            return Tally(value=value, clips=len(cells))
        counts = Counter(label for cell in cells for label in ([cell] if target == "label" else cell))
        return Tally(value=value, clips=len(cells), labels={label: counts[label] for label in labels}, unlabelled=cells.count([]))

    values = sorted(sides, key=lambda value: (value is None, value))
    return ClipCounts(target=target, values=[tally(value, sides[value]) for value in values], every=tally(None, cells))
