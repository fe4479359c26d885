"""The shuffle in windows: reads go from shard to shard, for stores where each request is slow.

The ordinals of each cell follow its shards, in an order of the epoch's own. Over all cells W shards
are open together: the epoch is cut into V windows. Window v has the ordinals floor(v R / V) to
floor((v + 1) R / V) of a cell of R rows, shuffled inside the window. So every window holds every
cell's share to the row; where a window ends inside a shard, the next one continues with that shard.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from streamaug.keys import derived_key, named_key
from streamaug.planning.candidates import CandidateSets
from streamaug.planning.draws.base import Cells
from streamaug.planning.permutation import permute, permute_one


@dataclass(frozen=True, kw_only=True)
class Windows:
    """The shards that an epoch visits, and the windows that it visits them in.

    Args:
        cells: The cells of the epoch.
        sizes: Clips in the candidate set of each cell, int64 of shape (cells,).
        starts: Index in the candidate set of the first clip of each visit, int64 of shape
            (visits,), cell by cell.
        ends: Where each visit ends on the line of all cells' ordinals, int64 of shape (visits,).
        windows: Number of windows.
        keys: Names the shuffles of each cell, uint64 of shape (cells,).
    """

    cells: Cells
    sizes: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    windows: int
    keys: np.ndarray

    @classmethod
    def of(cls, cells: Cells, candidates: CandidateSets, *, shards: int, seed: int, epoch: int) -> "Windows":
        """The windows of an epoch.

        Args:
            cells: The cells of the epoch.
            candidates: The candidate sets, sorted by shard.
            shards: Shards that are open together.
            seed: Seed for all shuffles.
            epoch: Number of the epoch.
        """
        orders = _ShardOrders(candidates)
        visits = [_shard_visits(cells, cell, orders, named_key(seed, "shards", epoch)) for cell in range(len(cells.count))]
        starts = np.concatenate([starts for starts, _ in visits])
        ends = np.cumsum(np.concatenate([lengths for _, lengths in visits]))
        keys = derived_key(cells.key, named_key(seed, "window", epoch) >> 1)
        return cls(
            cells=cells,
            sizes=candidates.sizes[cells.candidate_set],
            starts=starts,
            ends=ends,
            windows=max(1, -(-len(starts) // shards)),
            keys=keys,
        )

    @cached_property
    def _lines(self) -> np.ndarray:
        return np.asarray(np.cumsum(self.cells.count) - self.cells.count)

    @cached_property
    def _offsets(self) -> np.ndarray:
        """For each visit, index in the candidate set minus slot on the line, of all its clips."""
        offsets = self.starts.copy()
        offsets[1:] -= self.ends[:-1]
        return offsets

    def shuffle(self, cell: np.ndarray, ordinal: np.ndarray) -> np.ndarray:
        """Shuffle ordinals inside their windows; int64 of shape (n,).

        Passes over the candidate set stay apart: no clip comes again before all others came.
        """
        rows = self.cells.count[cell]
        window = ((ordinal + 1) * self.windows - 1) // rows
        low, high = window * rows // self.windows, (window + 1) * rows // self.windows
        keys = derived_key(self.keys[cell], window)
        if self.cells.reshuffles:
            first, size = self.cells.first[cell], self.sizes[cell]
            pass_number = (first + ordinal) // size
            low, high = np.maximum(low, pass_number * size - first), np.minimum(high, (pass_number + 1) * size - first)
        return np.asarray(low + permute(ordinal - low, high - low, keys))

    def indices(self, cell: np.ndarray, ordinal: np.ndarray) -> np.ndarray:
        """Indices in candidate sets of the clips at shuffled ordinals; int64 of shape (n,)."""
        line = self._lines[cell] + ordinal
        visit = np.searchsorted(self.ends, line, "right")
        return np.asarray(self._offsets[visit] + line)

    @property
    def sequential_reads(self) -> int:
        """Ranges that are read in one go: visits of shards, cut where a window ends inside."""
        counts, lines = self.cells.count[:, None], self._lines[:, None]
        edges = np.unique(lines + np.arange(self.windows) * counts // self.windows)
        return len(np.union1d(edges, np.concatenate([[0], self.ends[:-1]])))

    def shuffle_one(self, cell: int, ordinal: int) -> int:
        """The same as `shuffle` for one row, at the speed of Python integers."""
        rows, key, first, size, _ = self._plain[cell]
        window = ((ordinal + 1) * self.windows - 1) // rows
        low, high = window * rows // self.windows, (window + 1) * rows // self.windows
        if self.cells.reshuffles:
            pass_number = (first + ordinal) // size
            low, high = max(low, pass_number * size - first), min(high, (pass_number + 1) * size - first)
        return low + permute_one(ordinal - low, high - low, derived_key(key, window))

    def index_one(self, cell: int, ordinal: int) -> int:
        """The same as `indices` for one row."""
        line = self._plain[cell][4] + ordinal
        visit = int(np.searchsorted(self.ends, line, "right"))
        return int(self._offsets[visit]) + line

    @cached_property
    def _plain(self) -> list[tuple[int, int, int, int, int]]:
        columns = (self.cells.count, self.keys, self.cells.first, self.sizes, self._lines)
        return list(zip(*(column.tolist() for column in columns), strict=True))


class _ShardOrders:
    """Orders of the shards of candidate sets, each computed once."""

    def __init__(self, candidates: CandidateSets) -> None:
        self._sizes = candidates.shard_sizes
        self._known: dict[tuple[int, int], tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def size(self, candidate_set: int) -> int:
        return int(self._sizes[candidate_set].sum())

    def get(self, candidate_set: int, key: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The shards of a candidate set in the order that a key names.

        Returns:
            Index in the candidate set of each shard's first clip, clips per shard, and where each
            shard ends in the order.
        """
        if (candidate_set, key) not in self._known:
            sizes = self._sizes[candidate_set]
            order = permute(np.arange(len(sizes)), len(sizes), key)
            self._known[candidate_set, key] = (np.cumsum(sizes) - sizes)[order], sizes[order], np.cumsum(sizes[order])
        return self._known[candidate_set, key]


def _shard_visits(cells: Cells, cell: int, orders: _ShardOrders, key: int) -> tuple[np.ndarray, np.ndarray]:
    """The shards that a cell visits in an epoch: first index and number of clips of each visit.

    The order of the shards, on the circle or in each pass, decides which clips the epoch has. If it
    is the same in all epochs, the epoch visits these shards in an order of its own.
    """
    candidate_set, own = int(cells.candidate_set[cell]), int(cells.key[cell])
    first, left, size = int(cells.first[cell]), int(cells.count[cell]), orders.size(candidate_set)
    starts, lengths = [], []
    while left:
        pass_number, index = divmod(first, size)
        begins, sizes, ends = orders.get(candidate_set, derived_key(own, pass_number) if cells.reshuffles else own)
        stop = min(index + left, size)
        seen = slice(int(np.searchsorted(ends, index, "right")), int(np.searchsorted(ends, stop, "left")) + 1)
        skipped = np.maximum(index - (ends[seen] - sizes[seen]), 0)
        starts.append(begins[seen] + skipped)
        lengths.append(np.minimum(ends[seen], stop) - (ends[seen] - sizes[seen]) - skipped)
        first, left = first + stop - index, left - (stop - index)
    all_starts, all_lengths = np.concatenate(starts), np.concatenate(lengths)
    if not cells.reshuffles:
        order = permute(np.arange(len(all_starts)), len(all_starts), derived_key(key, cell))
        all_starts, all_lengths = all_starts[order], all_lengths[order]
    return all_starts, all_lengths
