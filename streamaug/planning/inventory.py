"""What a plan needs to know about a split of a store, as arrays, so that planning reads no file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

_COUNTABLE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the clips table as codes: clip i has the value `values[codes[i]]`."""

    values: tuple[str, ...]
    codes: np.ndarray

    def clips_with(self, chosen: np.ndarray) -> np.ndarray:
        """Clips that have one of the values chosen, bool of shape (values,): bool of shape
        (clips,)."""
        return np.asarray(chosen[self.codes])

    @classmethod
    def of(cls, texts: list[str | None]) -> "Column":
        """A column from plain values; a missing value is the empty text.

        >>> Column.of(["b", "a", None, "b"]).values
        ('', 'a', 'b')
        """
        values, codes = np.unique(np.array([text or "" for text in texts], dtype=object), return_inverse=True)
        return cls(values=tuple(values), codes=codes.astype(np.int32))


@dataclass(frozen=True, kw_only=True)
class ListColumn:
    """A column of the clips table with several values per clip, as codes: clip i has the values
    `values[code]` for each code in `codes[starts[i] : starts[i + 1]]`, at least one.

    >>> column = ListColumn(values=("", "cat", "dog"), codes=np.array([2, 0, 1, 2]), starts=np.array([0, 1, 2, 4]))
    >>> column.clips_with(np.array([False, True, False])).tolist()
    [False, False, True]
    """

    values: tuple[str, ...]
    codes: np.ndarray
    starts: np.ndarray

    def clips_with(self, chosen: np.ndarray) -> np.ndarray:
        """As `Column.clips_with`: a clip needs one of the chosen values, and may have others."""
        return np.asarray(np.logical_or.reduceat(chosen[self.codes], self.starts[:-1]))


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """The split's clips sorted by shard, or by group.

    Args:
        order: Clips, numbered within the split, one shard or group after the other; None if that
            is their order already.
        sizes: Clips in each shard or group.
    """

    order: np.ndarray | None
    sizes: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray) -> "Grouping":
        """Group clips by number of shard or group, shape (clips,). An unused number has size 0.

        >>> grouping = Grouping.of(np.array([1, 0, 1]))
        >>> grouping.order.tolist(), grouping.sizes.tolist()
        ([1, 0, 2], [1, 2])
        """
        small = numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))  # up to 16 bits, sorting takes linear time
        return cls(order=_sorted(small), sizes=np.bincount(small))

    def within(self, mask: np.ndarray | None) -> "Grouping":
        """The same for some of the clips, bool of shape (clips,); sizes may become 0."""
        if mask is None:
            return self
        order = np.flatnonzero(mask) if self.order is None else self.order[mask[self.order]]
        kept = np.concatenate([[0], np.cumsum(mask if self.order is None else mask[self.order])])
        ends = np.concatenate([[0], np.cumsum(self.sizes)])
        return Grouping(order=order, sizes=np.diff(kept[ends]))


def _sorted(numbers: np.ndarray) -> np.ndarray:
    """The stable order that sorts numbers, in the smallest type that holds it."""
    return np.argsort(numbers, kind="stable").astype(np.min_scalar_type(-len(numbers)))


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The split's clips grouped by some columns.

    Args:
        names: The values of each group.
        grouping: The clips of each group.
    """

    names: Sequence[tuple[str, ...]]
    grouping: Grouping

    @classmethod
    def of(cls, columns: Sequence[Column]) -> "Groups":
        """One group per combination of values that occurs, sorted.

        >>> Groups.of([Column.of(["x", "x", "y"]), Column.of(["b", "a", "b"])]).names
        [('x', 'a'), ('x', 'b'), ('y', 'b')]
        """
        shape = [len(column.values) for column in columns]
        codes = np.zeros(len(columns[0].codes), np.min_scalar_type(math.prod(shape)))
        for column in columns:
            codes = codes * codes.dtype.type(len(column.values)) + column.codes.astype(codes.dtype)
        if math.prod(shape) <= max(_COUNTABLE, len(codes)):
            counts = np.bincount(codes)  # counting is much faster than the sorting that np.unique does
            occurring = np.flatnonzero(counts)
            sizes = counts[occurring]
        else:
            occurring, sizes = np.unique(codes, return_counts=True)
        numbers = np.stack(np.unravel_index(occurring, shape), axis=1).tolist()
        names = [tuple(column.values[number] for column, number in zip(columns, row, strict=True)) for row in numbers]
        return cls(names=names, grouping=Grouping(order=_sorted(codes), sizes=sizes))


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The clips of one split of a store, and the conditions that contain them.

    Args:
        clips: Row numbers in the store's clips table, ascending, shape (clips,), or a range.
        available: For each condition, which of these clips it contains, bool of shape (clips,);
            None if it contains all of them.
        columns: The columns that a recipe chooses, weights or balances by.
        shards: The clips by shard; needed for a shuffle in windows.
        groups: The clips by group; needed for `balance` and `weights`.
        lengths: Samples of each clip of the store, int64; needed for a shuffle in buckets.
        split: The split as the user wrote it.
        digests: A digest of the content of each condition.
        clips_digest: A digest of the clips and of their columns that a plan depends on.
        labels_digest: A digest of the store's labels in their order.
    """

    clips: np.ndarray | range
    available: Mapping[str, np.ndarray | None]
    columns: Mapping[str, Column | ListColumn] = field(default_factory=dict)
    shards: Grouping | None = None
    groups: Groups | None = None
    lengths: np.ndarray | None = None
    split: str = "train"
    digests: Mapping[str, str] = field(default_factory=dict)
    clips_digest: str = ""
    labels_digest: str = ""

    def __len__(self) -> int:
        return len(self.clips)
