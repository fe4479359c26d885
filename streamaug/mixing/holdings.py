"""What a store holds of a split, as arrays: all that a plan needs to know, so that planning reads no file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


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
class Shards:
    """How the split's clips lie in shards, alike in every condition.

    order: the clips, numbered within the split, from shard to shard; None where they lie in that order already.
    sizes: clips in each shard, in that order.
    """

    order: np.ndarray | None
    sizes: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray) -> "Shards":
        """From each clip's shard number, shape (clips,).

        >>> Shards.of(np.array([1, 0, 1])).order.tolist()
        [1, 0, 2]
        """
        order = np.argsort(numbers, kind="stable")
        return cls(order=order, sizes=np.unique(numbers, return_counts=True)[1])


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """The clips of one split of a store, and which conditions have them.

    clips: their row numbers in the store's clips table, ascending, shape (clips,), or a range of them.
    held: for each condition that a recipe asks for, which of these clips it has, bool of shape (clips,); None for all of them.
    columns: those of the clips table that a recipe chooses or balances by. shards: where windows are asked for.
    split: as written. digests: names the content of each condition. clips_digest: names the clips and what is said about them.
    """

    clips: np.ndarray | range
    held: Mapping[str, np.ndarray | None]
    columns: Mapping[str, Column] = field(default_factory=dict)
    shards: Shards | None = None
    split: str = "train"
    digests: Mapping[str, str] = field(default_factory=dict)
    clips_digest: str = ""

    def __len__(self) -> int:
        return len(self.clips)
