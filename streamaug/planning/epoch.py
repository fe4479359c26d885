"""One epoch of a plan: its cells, their order in time, and the clip at each ordinal."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from streamaug.keys import derived_key
from streamaug.planning.buckets import Buckets
from streamaug.planning.candidates import CandidateSets
from streamaug.planning.draws.base import Cells
from streamaug.planning.ordering import Blocks, Shuffled
from streamaug.planning.permutation import permute, permute_one
from streamaug.planning.stretches import Stretches
from streamaug.planning.windows import Windows

_CHUNK = 1 << 17
"""Rows that are computed together: few enough for the processor's cache, enough for NumPy."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """Which row is at which position; stores only the cells and the order of windows.

    Args:
        cells: The cells of the epoch.
        candidates: The sets of clips that the cells draw from.
        ordering: From a position to a cell and an ordinal in it.
        windows: The windows of a shuffle in windows. Default: none.
        buckets: The buckets of a shuffle in buckets. Default: none.
    """

    cells: Cells
    candidates: CandidateSets
    ordering: Shuffled | Blocks | Stretches
    windows: Windows | None = None
    buckets: Buckets | None = None

    @property
    def size(self) -> int:
        """Rows."""
        return int(self.cells.count.sum())

    def rows(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Conditions (n, views) and clips (n,) at positions (n,), all int64."""
        conditions, clips = np.empty((len(positions), self.cells.conditions.shape[1]), np.int64), np.empty(len(positions), np.int64)
        for start in range(0, len(positions), _CHUNK):
            part = slice(start, start + _CHUNK)
            sources = positions[part] if self.buckets is None else self.buckets.sources(positions[part])
            cell, ordinal = self.ordering.locate(sources)
            if self.windows is not None:
                ordinal = self.windows.shuffle(cell, ordinal)
            conditions[part], clips[part] = self.cells.conditions[cell], self.clips(cell, ordinal)
        return conditions, clips

    def clips(self, cell: np.ndarray, ordinal: np.ndarray) -> np.ndarray:
        """Rows in the store of the clips at ordinals of cells, shape (n,)."""
        candidate_set = self.cells.candidate_set[cell]
        if self.windows is not None:
            return self.candidates.clips(candidate_set, self.windows.indices(cell, ordinal))
        size, key = self.candidates.sizes[candidate_set], self.cells.key[cell]
        pass_number, index = np.divmod(self.cells.first[cell] + ordinal, size)
        return self.candidates.clips(candidate_set, permute(index, size, derived_key(key, pass_number) if self.cells.reshuffles else key))

    def unordered_rows(self, first: np.ndarray | None = None, count: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The rows of some ordinals of every cell, in no order of time, in pieces of bounded size.

        This is quicker than `rows` if the order does not matter.

        Args:
            first: First ordinal of each cell, int64 of shape (cells,). Default: 0.
            count: Number of ordinals of each cell, int64 of shape (cells,). Default: all.

        Yields:
            Conditions (n, views) and clips (n,).
        """
        count = self.cells.count if count is None else count
        first = np.zeros_like(count) if first is None else first
        ends = np.cumsum(count)
        total = int(ends[-1]) if len(ends) else 0
        for start in range(0, total, _CHUNK):
            slots = np.arange(start, min(start + _CHUNK, total))
            cell = np.searchsorted(ends, slots, "right")
            yield self.cells.conditions[cell], self.clips(cell, slots - (ends - count)[cell] + first[cell])

    def row(self, position: int) -> tuple[tuple[int, ...], int]:
        """The same as `rows` for one position, at the speed of Python integers."""
        cell, ordinal = self.ordering.locate_one(position if self.buckets is None else self.buckets.source(position))
        conditions, start, size, first, key = self._plain[cell]
        if self.windows is not None:
            index = self.windows.index_one(cell, self.windows.shuffle_one(cell, ordinal))
        else:
            pass_number, index = divmod(first + ordinal, size)
            index = permute_one(index, size, derived_key(key, pass_number) if self.cells.reshuffles else key)
        index += start
        return conditions, index if self.candidates.members is None else int(self.candidates.members[index])

    @cached_property
    def _plain(self) -> list[tuple[tuple[int, ...], int, int, int, int]]:
        """For each cell: conditions, start and size of its candidate set, first ordinal, key."""
        cells, candidates = self.cells, self.candidates
        columns = (candidates.starts[cells.candidate_set], candidates.sizes[cells.candidate_set], cells.first, cells.key)
        return list(zip(map(tuple, cells.conditions.tolist()), *(column.tolist() for column in columns), strict=True))
