"""A line of cells divided into equal blocks, each with every cell's share to the row.

An example with three cells of 6, 1 and 5 rows, and four blocks of three rows. The line has a slot
per row. Slot s goes to block s mod 4, as cards are dealt to four players:

    slot     0  1  2  3  4  5  6  7  8  9 10 11
    cell     a  a  a  a  a  a  b  c  c  c  c  c
    block    0  1  2  3  0  1  2  3  0  1  2  3

    block 0: a a c     block 1: a a c     block 2: a b c     block 3: a c c

So a cell's rows in a block are its share (a: 1.5, b: 0.25, c: 1.25), rounded down or up. The blocks
that get one row more are neighbours, here 0 and 1 for cell a. They must not come one after the
other, so the blocks come in golden-ratio strides: with a stride of 3 and a shift of 0 they come as
0, 3, 2, 1. Inside a block the slots are shuffled.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from streamaug.keys import derived_key
from streamaug.planning.floor_sum import floor_sum
from streamaug.planning.permutation import hash32

_GOLDEN_RATIO = 0.6180339887498949
ROWS_AT_ONCE = 1 << 18
"""Rows that are computed together, so that any number of positions takes bounded memory."""


def shuffled_blocks(key: int, times: np.ndarray, size: int) -> np.ndarray:
    """For the block at each time, its slots 0 .. size-1 in the order of time; (times, size).

    Slots are shuffled by sorting their hashes.

    Args:
        key: Names the shuffles.
        times: When the blocks come.
        size: Rows per block.
    """
    keys = derived_key(key, times)
    slots = np.arange(size, dtype=np.uint32)
    start, step = (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32), (keys >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
    words = hash32(start[:, None] + slots * step[:, None]).astype(np.uint64) << np.uint64(32) | slots
    words.sort(axis=1)
    return (words & np.uint64(0xFFFFFFFF)).astype(np.int64)


def in_order_of_time(cells_in_time: np.ndarray, ordinals_by_cell: np.ndarray) -> np.ndarray:
    """Ordinals that count up with time.

    Args:
        cells_in_time: Cells of some blocks in the order of time, (times, size).
        ordinals_by_cell: The blocks' ordinals, cell by cell and ascending, (times, size).
    """
    size = cells_in_time.shape[1]
    by_cell_and_time = np.sort(cells_in_time * size + np.arange(size), axis=1) % size
    ordinals = np.empty_like(cells_in_time)
    np.put_along_axis(ordinals, by_cell_and_time, ordinals_by_cell, 1)
    return ordinals


@dataclass(frozen=True, kw_only=True)
class BlockSchedule:
    """Which row of which cell comes at a position, in blocks that all hold the mixture.

    Args:
        counts: Rows of each cell, int64 of shape (cells,); their sum is blocks x size.
        ordinals_before: Rows of each cell that came before this schedule, int64 of shape (cells,).
        blocks: Number of blocks.
        size: Rows per block.
        key: Names the shuffles.
        chronological: Whether a cell's ordinals follow time: what comes earlier has the smaller
            one. Without it they are only distinct, which is quicker.

    The example of the module. Each text is a block, and counts up each cell's ordinals where the
    one before it stopped:

    >>> schedule = BlockSchedule(
    ...     counts=np.array([6, 1, 5]), ordinals_before=np.zeros(3, int), blocks=4, size=3, key=11, chronological=True
    ... )
    >>> schedule.block_at(np.arange(4)).tolist()
    [0, 3, 2, 1]
    >>> cells, ordinals = schedule.locate(np.arange(12))
    >>> rows = [f"{'abc'[cell]}{ordinal}" for cell, ordinal in zip(cells, ordinals)]
    >>> [" ".join(rows[start : start + 3]) for start in range(0, 12, 3)]
    ['a0 a1 c0', 'c1 a2 c2', 'c3 b0 a3', 'c4 a4 a5']
    """

    counts: np.ndarray
    ordinals_before: np.ndarray
    blocks: int
    size: int
    key: int
    chronological: bool

    @cached_property
    def _ends(self) -> np.ndarray:
        """Where each cell ends on the line."""
        return np.cumsum(self.counts)

    @cached_property
    def _starts(self) -> np.ndarray:
        """Where each cell begins on the line."""
        return np.asarray(self._ends - self.counts)

    @cached_property
    def _edges(self) -> list[int]:
        """Where the cells begin, and where the last one ends, as Python integers."""
        return [0, *self._ends.tolist()]

    @cached_property
    def _stride(self) -> int:
        stride = max(1, int(self.blocks * _GOLDEN_RATIO))
        while math.gcd(stride, self.blocks) != 1:
            stride += 1
        return stride

    @cached_property
    def _shift(self) -> int:
        return derived_key(self.key, self.blocks) % self.blocks if self.blocks else 0

    def block_at(self, time: Any) -> Any:
        """The block that comes at a time from 0 to blocks - 1; integers or arrays of them."""
        return (self._stride * time + self._shift) % self.blocks

    def slots_before(self, start: Any, end: Any, time: Any) -> Any:
        """How many of the slots from `start` to `end` are in blocks that come before a time.

        Every round of `blocks` slots gives each block one slot. Where an edge cuts a round, the
        block at time v has its slot before the edge if (stride v + shift) mod blocks < edge mod
        blocks, that is, if floor(z / blocks) - floor((z - edge mod blocks) / blocks) is 1 for z =
        stride v + shift. This is summed over v, for the end less for the start.

        Args:
            start: First slot; an integer or an array of them, as all arguments.
            end: The slot after the last.
            time: The time.
        """

        def correction(edge: Any) -> Any:
            return floor_sum(time, self.blocks, self._stride, self._shift + self.blocks - edge % self.blocks)

        return (end // self.blocks - start // self.blocks) * time + correction(start) - correction(end)

    def locate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells and ordinals at positions, all int64 of shape (n,)."""
        cells, ordinals = np.empty_like(positions), np.empty_like(positions)
        times, which = np.unique(positions // self.size, return_inverse=True)
        by_time = np.argsort(which, kind="stable") if np.any(np.diff(which) < 0) else np.arange(len(which))
        step = max(1, ROWS_AT_ONCE // self.size)
        bounds = np.searchsorted(which[by_time], np.arange(0, len(times) + step, step))
        for number, (start, stop) in enumerate(pairwise(bounds)):
            rows, first = by_time[start:stop], number * step
            block_cells, block_ordinals = self._blocks_at(times[first : first + step])
            index = (which[rows] - first, positions[rows] % self.size)
            cells[rows], ordinals[rows] = block_cells[index], block_ordinals[index]
        return cells, ordinals

    def _blocks_at(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells and ordinals of the blocks at some times, in the order of time; (times, size)."""
        shuffles = shuffled_blocks(self.key, times, self.size)
        slots = np.arange(self.size) * self.blocks + self.block_at(times)[:, None]
        cells = np.searchsorted(self._ends, slots, "right")  # ascending along a block
        cells_in_time = np.take_along_axis(cells, shuffles, 1)
        if self.chronological:
            return cells_in_time, self._chronological_ordinals(times, cells, cells_in_time)
        ordinals = slots - self._starts[cells] + self.ordinals_before[cells]
        return cells_in_time, np.take_along_axis(ordinals, shuffles, 1)

    def _chronological_ordinals(self, times: np.ndarray, cells: np.ndarray, cells_in_time: np.ndarray) -> np.ndarray:
        """Ordinals that count up with time, (times, size).

        Sorted by cell, a block is one run per cell. A run's ordinals count up from those that its
        cell was given before, and go to the cell's rows in the order of time.

        Args:
            times: When the blocks come.
            cells: Cells of the blocks, ascending along each block, (times, size).
            cells_in_time: The same in the order of time.
        """
        begins = np.ones(cells.shape, bool)
        begins[:, 1:] = cells[:, 1:] != cells[:, :-1]
        starts = np.flatnonzero(begins)
        lengths = np.diff(starts, append=cells.size)
        first = self._first_ordinals(times, starts // self.size, cells.ravel()[starts], lengths)
        ordinals_by_cell = (np.repeat(first - starts, lengths) + np.arange(cells.size)).reshape(cells.shape)
        return in_order_of_time(cells_in_time, ordinals_by_cell)

    def _first_ordinals(self, times: np.ndarray, block: np.ndarray, cell: np.ndarray, length: np.ndarray) -> np.ndarray:
        """The first ordinal of each run, shape (runs,).

        Counting with `slots_before` costs O(log blocks), so it is done once per cell and stretch of
        blocks that follow one another; inside a stretch, lengths of runs are summed up.

        Args:
            times: When the blocks come, ascending.
            block: Index into `times` of each run.
            cell: Cell of each run.
            length: Rows of each run.
        """
        stretch = np.cumsum(np.diff(times, prepend=times[0]) != 1) - 1
        stretch_starts = np.flatnonzero(np.diff(stretch, prepend=-1))
        cells = len(self.counts)
        stretch_and_cell = stretch[block] * cells + cell
        order = np.argsort(stretch_and_cell, kind="stable")
        pairs, first_runs, which = np.unique(stretch_and_cell[order], return_index=True, return_inverse=True)
        pair_cell, pair_time = pairs % cells, times[stretch_starts[pairs // cells]]
        counted = self.ordinals_before[pair_cell] + self.slots_before(self._starts[pair_cell], self._ends[pair_cell], pair_time)
        summed = np.cumsum(length[order]) - length[order]
        first = np.empty_like(length)
        first[order] = (counted - summed[first_runs])[which] + summed
        return first

    def locate_one(self, position: int) -> tuple[int, int]:
        """Cell and ordinal at one position, in microseconds."""
        time, index = divmod(position, self.size)
        shuffle = shuffled_blocks(self.key, np.array([time]), self.size)[0]
        block = self.block_at(time)
        slot = int(shuffle[index]) * self.blocks + block
        cell = bisect_right(self._edges, slot) - 1
        start, end = self._edges[cell], self._edges[cell + 1]
        before = int(self.ordinals_before[cell])
        if not self.chronological:
            return cell, slot - start + before
        low, high = ((edge - block + self.blocks - 1) // self.blocks for edge in (start, end))  # the cell's slots in this block
        earlier = shuffle[:index]
        return cell, before + self.slots_before(start, end, time) + int(np.count_nonzero((earlier >= low) & (earlier < high)))
