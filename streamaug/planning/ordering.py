"""The order of an epoch: from a position to a cell and an ordinal in it.

There are two ways to order the rows of an epoch's cells; `stretches` puts several of the second kind
one after the other. They are bijections between positions and (cell, ordinal):

- `Shuffled`: one permutation of all positions.
- `Blocks`: blocks of equal size, each with every cell's share to the row, shuffled inside. Batches
  that must hold the mixture are such blocks.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from streamaug.keys import derived_key
from streamaug.planning.apportion import largest_remainder
from streamaug.planning.block_schedule import BlockSchedule
from streamaug.planning.permutation import permute, permute_one


@dataclass(frozen=True, kw_only=True)
class Shuffled:
    """All rows of an epoch in one shuffle.

    Args:
        counts: Rows of each cell, int64 of shape (cells,).
        key: Names the shuffle.
    """

    counts: np.ndarray
    key: int

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.counts)

    @cached_property
    def _edges(self) -> list[int]:
        return [0, *self._ends.tolist()]

    def locate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells and ordinals at positions, all int64 of shape (n,)."""
        slots = permute(positions, self._edges[-1], self.key)
        cells = np.searchsorted(self._ends, slots, "right")
        return cells, slots - (self._ends - self.counts)[cells]

    def locate_one(self, position: int) -> tuple[int, int]:
        """Cell and ordinal at one position, in microseconds."""
        slot = permute_one(position, self._edges[-1], self.key)
        cell = bisect_right(self._edges, slot) - 1
        return cell, slot - self._edges[cell]


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """Blocks of equal size, each with every cell's share to the row.

    What is left at the end is a smaller block, with shares of its own by largest remainder: first
    by condition group, then by cell.

    Args:
        counts: Rows of each cell, int64 of shape (cells,).
        condition_groups: A number per cell, the same for neighbours with the same conditions.
        size: Rows per block.
        key: Names the shuffles.
        chronological: Whether ordinals follow time, see `BlockSchedule`.
        ordinals_before: Rows of each cell that came before, int64 of shape (cells,). Default: none.
    """

    counts: np.ndarray
    condition_groups: np.ndarray
    size: int
    key: int
    chronological: bool
    ordinals_before: np.ndarray | None = None

    @cached_property
    def _schedules(self) -> tuple[BlockSchedule, BlockSchedule]:
        """The whole blocks, and the smaller one at the end."""
        blocks, left = divmod(int(self.counts.sum()), self.size)
        last = self._last_block(left)
        whole = self.counts - last
        before = np.zeros_like(whole) if self.ordinals_before is None else self.ordinals_before
        return (
            BlockSchedule(
                counts=whole,
                ordinals_before=before,
                blocks=blocks,
                size=self.size,
                key=self.key,
                chronological=self.chronological,
            ),
            BlockSchedule(
                counts=last,
                ordinals_before=before + whole,
                blocks=1,
                size=left,
                key=derived_key(self.key, blocks),
                chronological=self.chronological,
            ),
        )

    def _last_block(self, rows: int) -> np.ndarray:
        """Rows of each cell in the smaller block, int64 of shape (cells,)."""
        if not rows:
            return np.zeros_like(self.counts)
        starts = np.flatnonzero(np.diff(self.condition_groups, prepend=-1))
        shares = largest_remainder(rows, np.add.reduceat(self.counts, starts).tolist())
        last: list[int] = []
        for share, cells in zip(shares, np.split(self.counts, starts[1:]), strict=True):
            last += largest_remainder(share, cells.tolist()) if share else [0] * len(cells)
        return np.array(last, np.int64)

    def locate(self, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cells and ordinals at positions, all int64 of shape (n,)."""
        whole, last = self._schedules
        inside = whole.blocks * whole.size
        cells, ordinals = np.empty_like(positions), np.empty_like(positions)
        for schedule, rows, first in ((whole, positions < inside, 0), (last, positions >= inside, inside)):
            if rows.any():
                cells[rows], ordinals[rows] = schedule.locate(positions[rows] - first)
        return cells, ordinals

    def locate_one(self, position: int) -> tuple[int, int]:
        """Cell and ordinal at one position, in microseconds."""
        whole, last = self._schedules
        inside = whole.blocks * whole.size
        return whole.locate_one(position) if position < inside else last.locate_one(position - inside)
