"""The windowed shuffle: reads that go from shard to shard, for stores where a single row costs a request.

Each cell's ranks follow its shards, in an order of the epoch's own. Over all cells W shards are open at a time: the epoch is cut
into V windows, of which window v has the ranks floor(v R / V) to floor((v + 1) R / V) of a cell of R rows, and the ranks are
shuffled inside their window. So every window holds every cell's share to the row; where a window ends inside a shard, the next
one goes on with it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from streamaug.planning.candidates import CandidateSets
from streamaug.planning.draws.base import Cells
from streamaug.planning.permutation import derived_key, named_key, permute, permute_one


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The shards that an epoch visits, and the windows that it visits them in.

    starts, ends: of each visit, its first clip's place in the pool, and where its ranks end on the epoch's line of cells; int64 of
    shape (visits,), cell by cell. windows: how many. keys: of each cell's shuffles, uint64 of shape (cells,).
    """

    cells: Cells
    sizes: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    windows: int
    keys: np.ndarray

    @classmethod
    def of(cls, cells: Cells, pools: CandidateSets, *, shards: int, seed: int, epoch: int) -> "Windows":
        """The windows of an epoch. shards: W, that are open at a time."""
        orders = _Orders(pools)
        visits = [_visits(cells, cell, orders, named_key(seed, "shards", epoch)) for cell in range(len(cells.count))]
        starts = np.concatenate([starts for starts, _ in visits])
        ends = np.cumsum(np.concatenate([lengths for _, lengths in visits]))
        keys = derived_key(cells.key, named_key(seed, "window", epoch) >> 1)
        return cls(
            cells=cells, sizes=pools.sizes[cells.pool], starts=starts, ends=ends, windows=max(1, -(-len(starts) // shards)), keys=keys
        )

    @cached_property
    def _lines(self) -> np.ndarray:
        return np.asarray(np.cumsum(self.cells.count) - self.cells.count)

    @cached_property
    def _offsets(self) -> np.ndarray:
        """For each visit, the place in the pool less the rank on the line of its clips."""
        offsets = self.starts.copy()
        offsets[1:] -= self.ends[:-1]
        return offsets

    def shuffled(self, cell: np.ndarray, rank: np.ndarray) -> np.ndarray:
        """Ranks shuffled inside their windows; int64 of shape (n,). Passes are kept apart: no clip before all others came."""
        count = self.cells.count[cell]
        window = ((rank + 1) * self.windows - 1) // count
        low, high = window * count // self.windows, (window + 1) * count // self.windows
        keys = derived_key(self.keys[cell], window)
        if self.cells.passes:
            first, size = self.cells.first[cell], self.sizes[cell]
            turn = (first + rank) // size
            low, high = np.maximum(low, turn * size - first), np.minimum(high, (turn + 1) * size - first)
        return np.asarray(low + permute(rank - low, high - low, keys))

    def places(self, cell: np.ndarray, rank: np.ndarray) -> np.ndarray:
        """Places in their pools of the clips at (shuffled) ranks; int64 of shape (n,)."""
        line = self._lines[cell] + rank
        visit = np.searchsorted(self.ends, line, "right")
        return np.asarray(self._offsets[visit] + line)

    @property
    def runs(self) -> int:
        """Stretches of a shard that an epoch reads in one go: visits, cut where a window ends inside one."""
        counts, lines = self.cells.count[:, None], self._lines[:, None]
        edges = np.unique(lines + np.arange(self.windows) * counts // self.windows)
        return len(np.union1d(edges, np.concatenate([[0], self.ends[:-1]])))

    def shuffled_one(self, cell: int, rank: int) -> int:
        count, key, first, size, _ = self._plain[cell]
        window = ((rank + 1) * self.windows - 1) // count
        low, high = window * count // self.windows, (window + 1) * count // self.windows
        if self.cells.passes:
            turn = (first + rank) // size
            low, high = max(low, turn * size - first), min(high, (turn + 1) * size - first)
        return low + permute_one(rank - low, high - low, derived_key(key, window))

    def place_one(self, cell: int, rank: int) -> int:
        line = self._plain[cell][4] + rank
        visit = int(np.searchsorted(self.ends, line, "right"))
        return int(self._offsets[visit]) + line

    @cached_property
    def _plain(self) -> list[tuple[int, int, int, int, int]]:
        columns = (self.cells.count, self.keys, self.cells.first, self.sizes, self._lines)
        return list(zip(*(column.tolist() for column in columns), strict=True))


class _Orders:
    """Orders of the shards of pools, each computed once."""

    def __init__(self, pools: CandidateSets) -> None:
        self._sizes = pools.shard_sizes
        self._known: dict[tuple[int, int], tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def size(self, pool: int) -> int:
        return int(self._sizes[pool].sum())

    def get(self, pool: int, key: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of the shards in the order that a key names: first clip's place in the pool, clips, and where they end in the order."""
        if (pool, key) not in self._known:
            sizes = self._sizes[pool]
            order = permute(np.arange(len(sizes)), len(sizes), key)
            self._known[pool, key] = (np.cumsum(sizes) - sizes)[order], sizes[order], np.cumsum(sizes[order])
        return self._known[pool, key]


def _visits(cells: Cells, cell: int, orders: _Orders, key: int) -> tuple[np.ndarray, np.ndarray]:
    """The shards that a cell visits in an epoch: the first clip's place in the pool, and how many clips, of each visit.

    The order of the shards round the pool's circle (or in each of its passes) settles which clips the epoch has; where it is the
    same in all epochs, the epoch visits these shards in an order of its own.
    """
    pool, own = int(cells.pool[cell]), int(cells.key[cell])
    first, left, size = int(cells.first[cell]), int(cells.count[cell]), orders.size(pool)
    starts, lengths = [], []
    while left:
        turn, place = divmod(first, size)
        begins, sizes, ends = orders.get(pool, derived_key(own, turn) if cells.passes else own)
        stop = min(place + left, size)
        seen = slice(int(np.searchsorted(ends, place, "right")), int(np.searchsorted(ends, stop, "left")) + 1)
        skipped = np.maximum(place - (ends[seen] - sizes[seen]), 0)
        starts.append(begins[seen] + skipped)
        lengths.append(np.minimum(ends[seen], stop) - (ends[seen] - sizes[seen]) - skipped)
        first, left = first + stop - place, left - (stop - place)
    all_starts, all_lengths = np.concatenate(starts), np.concatenate(lengths)
    if not cells.passes:
        order = permute(np.arange(len(all_starts)), len(all_starts), derived_key(key, cell))
        all_starts, all_lengths = all_starts[order], all_lengths[order]
    return all_starts, all_lengths
