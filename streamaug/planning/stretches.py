"""The order of an epoch whose weights change inside: one stretch after the other.

In a stretch, weights are constant, or go along straight lines. Each has its own whole numbers of
rows, and the ordinals of each cell count on from one stretch to the next.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from streamaug.keys import derived_key
from streamaug.planning.block_schedule import ROWS_AT_ONCE, in_order_of_time, shuffled_blocks
from streamaug.planning.draws.base import Cells
from streamaug.planning.ordering import Blocks

_STRIDE = 32
"""Batches between two sums that are remembered."""


@dataclass(frozen=True, kw_only=True)
class RampBatches:
    """Batches of which each has rows of its own of every cell, shuffled inside.

    Args:
        counts: Rows of each cell in each batch, int32 of shape (batches, cells).
        size: Rows per batch.
        ordinals_before: Rows of each cell that came before, int64 of shape (cells,).
        key: Names the shuffles.
    """

    counts: np.ndarray
    size: int
    ordinals_before: np.ndarray
    key: int

    @cached_property
    def _sums(self) -> np.ndarray:
        """Rows of each cell before every 32nd batch, int64 of shape (n, cells)."""
        sums = np.add.reduceat(self.counts, range(0, len(self.counts), _STRIDE), axis=0, dtype=np.int64)
        return np.asarray(np.cumsum(sums, axis=0) - sums)

    def _before(self, times: np.ndarray) -> np.ndarray:
        """Rows of each cell in all batches before those at some times, int64 of shape (n, cells)."""
        groups, which = np.unique(times // _STRIDE, return_inverse=True)
        members = np.minimum(groups[:, None] * _STRIDE + np.arange(_STRIDE), len(self.counts) - 1)
        counts = self.counts[members]
        inside = np.cumsum(counts, axis=1) - counts
        return np.asarray(self._sums[groups][which] + inside[which, times % _STRIDE])

    def locate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells and ordinals at positions, all int64 of shape (n,)."""
        size = self.size
        cells, ordinals = np.empty_like(positions), np.empty_like(positions)
        times, which = np.unique(positions // size, return_inverse=True)
        by_time = np.argsort(which, kind="stable")
        step = max(1, ROWS_AT_ONCE // max(size, _STRIDE * len(self.ordinals_before)))
        bounds = np.searchsorted(which[by_time], np.arange(0, len(times) + step, step))
        for number, (start, stop) in enumerate(pairwise(bounds)):
            rows, first = by_time[start:stop], number * step
            batch_cells, batch_ordinals = self._batches_at(times[first : first + step])
            index = (which[rows] - first, positions[rows] % size)
            cells[rows], ordinals[rows] = batch_cells[index], batch_ordinals[index]
        return cells, ordinals

    def _batches_at(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells and ordinals of some batches, in the order of time; (times, size)."""
        counts, size = self.counts[times], self.size
        cells = np.repeat(np.tile(np.arange(counts.shape[1]), len(times)), counts.ravel()).reshape(-1, size)
        first = self.ordinals_before + self._before(times) - (np.cumsum(counts, axis=1) - counts)
        ordinals_by_cell = np.repeat(first.ravel(), counts.ravel()).reshape(-1, size) + np.arange(size)
        cells_in_time = np.take_along_axis(cells, shuffled_blocks(self.key, times, size), 1)
        return cells_in_time, in_order_of_time(cells_in_time, ordinals_by_cell)

    def locate_one(self, position: int) -> tuple[int, int]:
        """Cell and ordinal at one position."""
        cells, ordinals = self._batches_at(np.array([position // self.size]))
        index = position % self.size
        return int(cells[0, index]), int(ordinals[0, index])


@dataclass(frozen=True, kw_only=True)
class Stretches:
    """One ordering after the other.

    Args:
        parts: The orderings.
        ends: Position after the last one of each.
    """

    parts: tuple[Blocks | RampBatches, ...]
    ends: tuple[int, ...]

    @classmethod
    def of(cls, cells: Cells, *, block: int, key: int) -> "Stretches":
        """The order of an epoch.

        Args:
            cells: Its cells, with stretches.
            block: Rows per block or batch.
            key: Names the shuffles.
        """
        parts: list[Blocks | RampBatches] = []
        before = np.zeros_like(cells.count)
        ends = np.cumsum([int(stretch.count.sum()) for stretch in cells.stretches])
        for number, stretch in enumerate(cells.stretches):
            own_key = derived_key(key, number)
            if stretch.batches is not None:
                parts.append(RampBatches(counts=stretch.batches, size=block, ordinals_before=before, key=own_key))
            else:
                parts.append(
                    Blocks(
                        counts=stretch.count,
                        condition_groups=cells.condition_groups,
                        size=block,
                        key=own_key,
                        chronological=True,
                        ordinals_before=before,
                    )
                )
            before = before + stretch.count
        return cls(parts=tuple(parts), ends=tuple(ends.tolist()))

    def locate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells and ordinals at positions, all int64 of shape (n,)."""
        cells, ordinals = np.empty_like(positions), np.empty_like(positions)
        which = np.searchsorted(self.ends, positions, "right")
        for number in np.unique(which).tolist():
            rows = which == number
            cells[rows], ordinals[rows] = self.parts[number].locate(positions[rows] - self._starts[number])
        return cells, ordinals

    def locate_one(self, position: int) -> tuple[int, int]:
        """The same as `locate` for one position."""
        number = bisect_right(self.ends, position)
        return self.parts[number].locate_one(position - self._starts[number])

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        return (0, *self.ends[:-1])
