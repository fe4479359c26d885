"""What a store holds of a split, as arrays: all that a plan needs to know, so that planning reads no file."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

_COUNTABLE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the clips, coded: clip i has `values[codes[i]]`."""

    values: tuple[str, ...]
    codes: np.ndarray

    @classmethod
    def of(cls, texts: list[str | None]) -> "Column":
        """From plain values; a missing one is the empty text.

        >>> Column.of(["b", "a", None, "b"]).values
        ('', 'a', 'b')
        """
        values, codes = np.unique(np.array([text or "" for text in texts], dtype=object), return_inverse=True)
        return cls(values=tuple(values), codes=codes.astype(np.int32))


@dataclass(frozen=True, kw_only=True)
class Runs:
    """The split's clips sorted into runs: shard by shard, or group by group.

    order: the clips, numbered within the split, run after run; None where they lie in that order already. sizes: clips in each run.
    """

    order: np.ndarray | None
    sizes: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray) -> "Runs":
        """From each clip's number of a shard or group, shape (clips,); numbers that do not occur make empty runs.

        >>> runs = Runs.of(np.array([1, 0, 1]))
        >>> runs.order.tolist(), runs.sizes.tolist()
        ([1, 0, 2], [1, 2])
        """
        small = numbers.astype(np.min_scalar_type(int(numbers.max(initial=0))))  # up to 16 bits, sorting takes linear time
        return cls(order=_sorted(small), sizes=np.bincount(small))

    def within(self, mask: np.ndarray | None) -> "Runs":
        """The runs of only some of the clips, bool of shape (clips,); runs may become empty."""
        if mask is None:
            return self
        order = np.flatnonzero(mask) if self.order is None else self.order[mask[self.order]]
        kept = np.concatenate([[0], np.cumsum(mask if self.order is None else mask[self.order])])
        ends = np.concatenate([[0], np.cumsum(self.sizes)])
        return Runs(order=order, sizes=np.diff(kept[ends]))


def _sorted(numbers: np.ndarray) -> np.ndarray:
    """The order that sorts numbers, ties as they stand, in the smallest type that holds it."""
    return np.argsort(numbers, kind="stable").astype(np.min_scalar_type(-len(numbers)))


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The groups that some columns make of the split's clips. names: each group's values; runs: its clips."""

    names: Sequence[tuple[str, ...]]
    runs: Runs

    @classmethod
    def of(cls, columns: Sequence[Column]) -> "Groups":
        """Groups of the values that occur together, sorted.

        >>> Groups.of([Column.of(["x", "x", "y"]), Column.of(["b", "a", "b"])]).names
        [('x', 'a'), ('x', 'b'), ('y', 'b')]
        """
        shape = [len(column.values) for column in columns]
        codes = np.zeros(len(columns[0].codes), np.min_scalar_type(math.prod(shape)))
        for column in columns:
            codes = codes * codes.dtype.type(len(column.values)) + column.codes.astype(codes.dtype)
        if math.prod(shape) <= max(_COUNTABLE, len(codes)):
            counts = np.bincount(codes)  # counting is much faster than the sorting that np.unique does
            found = np.flatnonzero(counts)
            sizes = counts[found]
        else:
            found, sizes = np.unique(codes, return_counts=True)
        places = np.stack(np.unravel_index(found, shape), axis=1).tolist()
        names = [tuple(column.values[place] for column, place in zip(columns, row, strict=True)) for row in places]
        return cls(names=names, runs=Runs(order=_sorted(codes), sizes=sizes))


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """The clips of one split of a store, and which conditions have them.

    clips: their row numbers in the store's clips table, ascending, shape (clips,), or a range of them.
    held: for each condition that a recipe asks for, which of these clips it has, bool of shape (clips,); None for all of them.
    columns: those of the clips table that a recipe chooses by. shards: where windows are asked for. groups: where balance is.
    split: as written. digests: names the content of each condition. clips_digest: names the clips and what is said about them.
    """

    clips: np.ndarray | range
    held: Mapping[str, np.ndarray | None]
    columns: Mapping[str, Column] = field(default_factory=dict)
    shards: Runs | None = None
    groups: Groups | None = None
    split: str = "train"
    digests: Mapping[str, str] = field(default_factory=dict)
    clips_digest: str = ""

    def __len__(self) -> int:
        return len(self.clips)
