"""One epoch of a plan, opened: cells, their order in time, and the clip of each rank."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from streamaug.planning.candidates import CandidateSets
from streamaug.planning.draws.base import Cells
from streamaug.planning.ordering import Blocks, Shuffled
from streamaug.planning.permutation import derived_key, permute, permute_one
from streamaug.planning.windows import Windows

_CHUNK = 1 << 17
"""Rows worked on at once: few enough for the processor's cache, enough for NumPy."""


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """Answers which row stands at a position; keeps nothing but the cells and, for windows, the order of the shards."""

    cells: Cells
    pools: CandidateSets
    layout: Shuffled | Blocks
    windows: Windows | None = None

    @property
    def size(self) -> int:
        return int(self.cells.count.sum())

    def rows(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Conditions (n, views) and clips (n,) at positions (n,), all int64."""
        conditions, clips = np.empty((len(positions), self.cells.conditions.shape[1]), np.int64), np.empty(len(positions), np.int64)
        for start in range(0, len(positions), _CHUNK):
            part = slice(start, start + _CHUNK)
            cell, rank = self.layout.locate(positions[part])
            if self.windows is not None:
                rank = self.windows.shuffled(cell, rank)
            conditions[part], clips[part] = self.cells.conditions[cell], self.clips(cell, rank)
        return conditions, clips

    def clips(self, cell: np.ndarray, rank: np.ndarray) -> np.ndarray:
        """Rows in the store of the clips at ranks of cells, shape (n,)."""
        pool = self.cells.pool[cell]
        if self.windows is not None:
            return self.pools.clips(pool, self.windows.places(cell, rank))
        size, key = self.pools.sizes[pool], self.cells.key[cell]
        turn, place = np.divmod(self.cells.first[cell] + rank, size)
        return self.pools.clips(pool, permute(place, size, derived_key(key, turn) if self.cells.passes else key))

    def drawn(self, first: np.ndarray | None = None, count: np.ndarray | None = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Conditions (n, views) and clips (n,) of ranks first..first+count-1 of every cell, all ranks unless said, in no order of time.

        Quicker than `rows` where the order does not matter; comes in pieces of bounded size.
        """
        count = self.cells.count if count is None else count
        first = np.zeros_like(count) if first is None else first
        ends = np.cumsum(count)
        total = int(ends[-1]) if len(ends) else 0
        for start in range(0, total, _CHUNK):
            places = np.arange(start, min(start + _CHUNK, total))
            cell = np.searchsorted(ends, places, "right")
            yield self.cells.conditions[cell], self.clips(cell, places - (ends - count)[cell] + first[cell])

    def row(self, position: int) -> tuple[tuple[int, ...], int]:
        """The same for one position, at the speed of Python integers."""
        cell, rank = self.layout.locate_one(position)
        conditions, start, size, first, key = self._plain[cell]
        if self.windows is not None:
            place = self.windows.place_one(cell, self.windows.shuffled_one(cell, rank))
        else:
            turn, place = divmod(first + rank, size)
            place = permute_one(place, size, derived_key(key, turn) if self.cells.passes else key)
        place += start
        return conditions, place if self.pools.members is None else int(self.pools.members[place])

    @cached_property
    def _plain(self) -> list[tuple[tuple[int, ...], int, int, int, int]]:
        """For each cell: conditions, its pool's start and size, first rank, key."""
        cells, pools = self.cells, self.pools
        columns = (pools.starts[cells.pool], pools.sizes[cells.pool], cells.first, cells.key)
        return list(zip(map(tuple, cells.conditions.tolist()), *(column.tolist() for column in columns), strict=True))
