"""From a position in time to a cell and a rank in it.

Two ways to lay an epoch's line of cells out in time. Both are bijections between positions and (cell, rank):

- `Shuffled`: one permutation of all positions.
- `Blocks`: blocks of equal size, each with every cell's share to the row, shuffled inside. Ranks follow time: what comes earlier
  has the smaller rank. Batches that must hold the mixture are such blocks.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from streamaug.planning.apportion import largest_remainder
from streamaug.planning.permutation import derived_key, hash32, permute, permute_one

_BLOCK_ROWS = 1 << 18
"""Rows that are dealt at once, so that any number of positions takes bounded memory."""


@dataclass(frozen=True, kw_only=True)
class Shuffled:
    """All rows of an epoch in one shuffle. counts: of the cells, int64 of shape (cells,)."""

    counts: np.ndarray
    key: int

    @cached_property
    def ends(self) -> np.ndarray:
        return np.cumsum(self.counts)

    @cached_property
    def _ends(self) -> list[int]:
        return [0, *self.ends.tolist()]

    def locate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells and ranks at positions, all int64 of shape (n,)."""
        slots = permute(positions, self._ends[-1], self.key)
        cells = np.searchsorted(self.ends, slots, "right")
        return cells, slots - (self.ends - self.counts)[cells]

    def locate_one(self, position: int) -> tuple[int, int]:
        slot = permute_one(position, self._ends[-1], self.key)
        cell = bisect_right(self._ends, slot) - 1
        return cell, slot - self._ends[cell]


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Blocks of `size` rows, each with every cell's share to the row.

    What is left at the end is a smaller block, with shares of its own by largest remainder. counts, kinds: of the cells, shape
    (cells,); cells of one kind (the same conditions) stand side by side, and share the last block by kind first.
    in_time: whether ranks follow time strictly; without it they are only distinct, which is quicker.
    """

    counts: np.ndarray
    kinds: np.ndarray
    size: int
    key: int
    in_time: bool

    @cached_property
    def _decks(self) -> tuple["BlockSchedule", "BlockSchedule"]:
        blocks, left = divmod(int(self.counts.sum()), self.size)
        starts = np.flatnonzero(np.diff(self.kinds, prepend=-1))
        tail: list[int] = []
        shares = largest_remainder(left, np.add.reduceat(self.counts, starts).tolist()) if left else [0] * len(starts)
        for share, members in zip(shares, np.split(self.counts, starts[1:]), strict=True):
            tail += largest_remainder(share, members.tolist()) if share else [0] * len(members)
        last = np.array(tail, np.int64)
        whole = self.counts - last
        return (
            BlockSchedule(counts=whole, before=np.zeros_like(whole), blocks=blocks, size=self.size, key=self.key, in_time=self.in_time),
            BlockSchedule(counts=last, before=whole, blocks=1, size=left, key=derived_key(self.key, blocks), in_time=self.in_time),
        )

    def locate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells and ranks at positions, all int64 of shape (n,)."""
        whole, last = self._decks
        inside = whole.blocks * whole.size
        cells, ranks = np.empty_like(positions), np.empty_like(positions)
        for deck, chosen, first in ((whole, positions < inside, 0), (last, positions >= inside, inside)):
            if chosen.any():
                cells[chosen], ranks[chosen] = deck.locate(positions[chosen] - first)
        return cells, ranks

    def locate_one(self, position: int) -> tuple[int, int]:
        whole, last = self._decks
        inside = whole.blocks * whole.size
        return whole.locate_one(position) if position < inside else last.locate_one(position - inside)


@dataclass(frozen=True, kw_only=True)
class BlockSchedule:
    """A line of cells dealt into blocks like cards: slot s of the line goes to the block s mod blocks.

    So every block gets each cell's share rounded down or up. Which blocks get the one more must not be the first ones: they are
    taken in golden steps, the block at time v being (step v + shift) mod blocks, which spreads them evenly over the epoch. The
    block's slots are shuffled by sorting hashes. before: ranks of each cell that were given out before this deck.
    """

    counts: np.ndarray
    before: np.ndarray
    blocks: int
    size: int
    key: int
    in_time: bool

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.counts)

    @cached_property
    def _plain_ends(self) -> list[int]:
        return [0, *self._ends.tolist()]

    @cached_property
    def _step(self) -> int:
        step = max(1, int(self.blocks * 0.6180339887498949))
        while math.gcd(step, self.blocks) != 1:
            step += 1
        return step

    @cached_property
    def _shift(self) -> int:
        return derived_key(self.key, self.blocks) % self.blocks if self.blocks else 0

    def dealt(self, time: Any) -> Any:
        """Which block comes at a time; integers or arrays of them."""
        return (self._step * time + self._shift) % self.blocks

    def earlier(self, start: Any, end: Any, time: Any) -> Any:
        """How many of the line's slots from `start` to `end` lie in blocks before `time`; integers or arrays of them.

        Every round of `blocks` slots gives each block one. Of the round that an edge cuts, a block has its slot before the edge
        if it was dealt (step v + shift) mod blocks < edge mod blocks, which is floor(z / blocks) - floor((z - edge mod blocks) / blocks)
        with z = step v + shift; summed over v, and taken for the end less the start.
        """

        def after(edge: Any) -> Any:
            return floor_sum(time, self.blocks, self._step, self._shift + self.blocks - edge % self.blocks)

        return (end // self.blocks - start // self.blocks) * time + after(start) - after(end)

    def orders(self, times: np.ndarray) -> np.ndarray:
        """For each block, its slots in the order of time; int64 of shape (blocks, size)."""
        key = derived_key(self.key, times)
        slots = np.arange(self.size, dtype=np.uint32)
        start, step = (key & np.uint64(0xFFFFFFFF)).astype(np.uint32), (key >> np.uint64(32)).astype(np.uint32) | np.uint32(1)
        words = hash32(start[:, None] + slots * step[:, None]).astype(np.uint64) << np.uint64(32) | slots
        words.sort(axis=1)
        return (words & np.uint64(0xFFFFFFFF)).astype(np.int64)

    def locate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cells, ranks = np.empty_like(positions), np.empty_like(positions)
        times, which = np.unique(positions // self.size, return_inverse=True)
        at_once = max(1, _BLOCK_ROWS // self.size)
        sorted_ = np.argsort(which, kind="stable") if np.any(np.diff(which) < 0) else np.arange(len(which))
        bounds = np.searchsorted(which[sorted_], np.arange(0, len(times) + at_once, at_once))
        for number, (start, stop) in enumerate(pairwise(bounds)):
            rows = sorted_[start:stop]
            first = number * at_once
            all_cells, all_ranks = self._deal(times[first : first + at_once])
            where = (which[rows] - first, positions[rows] % self.size)
            cells[rows], ranks[rows] = all_cells[where], all_ranks[where]
        return cells, ranks

    def _deal(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells and ranks of whole blocks in the order of time, both (blocks, size)."""
        order = self.orders(times)
        slots = np.arange(self.size) * self.blocks + self.dealt(times)[:, None]
        cells = np.searchsorted(self._ends, slots, "right")  # along a block ascending
        starts = self._ends - self.counts
        if not self.in_time:
            ranks = slots - starts[cells] + self.before[cells]
            return np.take_along_axis(cells, order, 1), np.take_along_axis(ranks, order, 1)
        begins = np.ones(cells.shape, bool)
        begins[:, 1:] = cells[:, 1:] != cells[:, :-1]
        runs = np.flatnonzero(begins)  # a cell's slots in a block
        base = self._before(times, runs // self.size, cells.ravel()[runs], np.diff(runs, append=cells.size))
        run = np.cumsum(begins).reshape(cells.shape) - 1
        ranks_by_cell = (base - runs)[run] + np.arange(cells.size).reshape(cells.shape)
        places = np.arange(self.size)
        shown = np.take_along_axis(cells, order, 1)
        by_cell_and_time = np.sort(shown * self.size + places, axis=1) % self.size
        ranks = np.empty_like(shown)
        np.put_along_axis(ranks, by_cell_and_time, ranks_by_cell, 1)
        return shown, ranks

    def _before(self, times: np.ndarray, block: np.ndarray, cell: np.ndarray, length: np.ndarray) -> np.ndarray:
        """Ranks given out before each run, shape (runs,): summed up where blocks follow one another, else counted by `earlier`."""
        stretch = np.cumsum(np.diff(times, prepend=times[0]) != 1) - 1
        begun = np.flatnonzero(np.diff(stretch, prepend=-1))
        of = stretch[block] * len(self.counts) + cell
        order = np.argsort(of, kind="stable")
        pairs, firsts, which = np.unique(of[order], return_index=True, return_inverse=True)
        cells, time = pairs % len(self.counts), times[begun[pairs // len(self.counts)]]
        counted = self.before[cells] + self.earlier((self._ends - self.counts)[cells], self._ends[cells], time)
        summed = np.cumsum(length[order]) - length[order]
        result = np.empty_like(length)
        result[order] = (counted - summed[firsts])[which] + summed
        return result

    def locate_one(self, position: int) -> tuple[int, int]:
        time, place = divmod(position, self.size)
        order = self.orders(np.array([time]))[0]
        dealt = self.dealt(time)
        slot = int(order[place]) * self.blocks + dealt
        cell = bisect_right(self._plain_ends, slot) - 1
        start, end = self._plain_ends[cell], self._plain_ends[cell + 1]
        before = int(self.before[cell])
        if not self.in_time:
            return cell, slot - start + before
        low, high = ((edge - dealt + self.blocks - 1) // self.blocks for edge in (start, end))
        past = order[:place]
        return cell, before + self.earlier(start, end, time) + int(np.count_nonzero((past >= low) & (past < high)))


def floor_sum(n: Any, m: Any, a: Any, b: Any) -> Any:
    """The sum of floor((a i + b) / m) over i = 0..n-1, in O(log m) steps (as Euclid's algorithm goes); integers or arrays of them.

    >>> floor_sum(4, 10, 6, 3) == sum((6 * i + 3) // 10 for i in range(4))
    True
    """
    total = n * 0
    while n > 0 if isinstance(n, int) else n.any():
        total = total + (n - 1) * n // 2 * (a // m) + n * (b // m)
        a, b = a % m, b % m
        top = a * n + b
        n, b, a, m = top // m, top % m, m, a + (a == 0)
    return total
