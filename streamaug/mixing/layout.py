"""From a position in time to a cell and a rank in it.

Two ways to lay an epoch's line of cells out in time. Both are bijections between positions and (cell, rank):

- `Shuffled`: one permutation of all positions.
- `Blocks`: blocks of equal size, each with every cell's share to the row, shuffled inside. Ranks follow time: what comes earlier
  has the smaller rank. Batches that must hold the mixture are such blocks.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from streamaug.mixing.permutation import permute, permute_one


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


def floor_sum(n: Any, m: Any, a: Any, b: Any) -> Any:
    """The sum of floor((a i + b) / m) over i = 0..n-1, in O(log m) steps (as Euclid's algorithm goes); integers or arrays of them.

    >>> floor_sum(4, 10, 6, 3) == sum((6 * i + 3) // 10 for i in range(4))
    True
    """
    total = n * 0
    while np.any(n > 0):
        total = total + (n - 1) * n // 2 * (a // m) + n * (b // m)
        a, b = a % m, b % m
        top = a * n + b
        n, b, a, m = top // m, top % m, m, a + (a == 0)
    return total
