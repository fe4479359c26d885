"""What a draw is, and the cells that it makes.

An epoch is a line of cells. A cell is a run of rows that show clips of one candidate set in the
same conditions. All that comes later, the order in time and the clip of each row, is the same for
every draw: a draw only counts.

A draw is a class that takes no arguments. To add one, write it in a file of its own and announce it
under its name in the entry-point group `streamaug.draws`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np

from streamaug.planning.candidates import CandidateSets
from streamaug.planning.inventory import Inventory
from streamaug.recipes.draws import DrawRules, find_draw
from streamaug.recipes.recipe import Recipe


@dataclass(frozen=True)
class Cell:
    """One cell; see `Cells` for the meaning of its parts."""

    conditions: tuple[int, ...]
    candidate_set: int
    first: int
    count: int
    key: int


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A part of an epoch, in time, that has its own shares of the cells.

    Args:
        count: Rows of each cell, int64 of shape (cells,).
        batches: The rows of each cell in each batch of a ramp, int32 of shape (batches, cells).
            Default: every block has each cell's share.
    """

    count: np.ndarray
    batches: np.ndarray | None = None

    def only(self, kept: np.ndarray) -> "Stretch":
        """The stretch without cells that have no row in it; `kept` is bool of shape (cells,)."""
        return Stretch(count=self.count[kept], batches=None if self.batches is None else self.batches[:, kept])


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The cells of an epoch, as arrays.

    A cell takes `count` clips, from the ordinal `first` on, of one order of its candidate set.

    Args:
        conditions: Numbers of the conditions that its rows show, int64 of shape (cells, views).
        candidate_set: Number of its candidate set, int64 of shape (cells,).
        first: Ordinal of its first clip in the order, int64 of shape (cells,).
        count: Rows, int64 of shape (cells,).
        key: Names the order, uint64 of shape (cells,); cells with the same key share an order.
        reshuffles: Whether each pass over the candidate set has an order of its own; `first` then
            counts on over all passes. Otherwise the order is a circle that never changes.
        stretches: The parts of an epoch whose shares change inside it; their counts add up to
            `count`, and ordinals count on. Empty if the shares are the same in the whole epoch.
    """

    conditions: np.ndarray
    candidate_set: np.ndarray
    first: np.ndarray
    count: np.ndarray
    key: np.ndarray
    reshuffles: bool
    stretches: tuple[Stretch, ...] = ()

    @property
    def condition_groups(self) -> np.ndarray:
        """A number for each run of cells with the same conditions, int64 of shape (cells,)."""
        return np.cumsum(np.any(np.diff(self.conditions, axis=0, prepend=-1) != 0, axis=1)) - 1

    @classmethod
    def of(cls, cells: Sequence[Cell], *, views: int, reshuffles: bool = False, stretches: Sequence[Stretch] = ()) -> "Cells":
        """Cells from a list; those without rows are left out.

        Args:
            cells: The cells in their order on the line.
            views: Conditions per row.
            reshuffles: See the class.
            stretches: See the class.
        """
        kept = np.array([cell.count > 0 for cell in cells], bool)
        cells = [cell for cell in cells if cell.count]
        return cls(
            conditions=np.array([cell.conditions for cell in cells], np.int64).reshape(-1, views),
            candidate_set=np.array([cell.candidate_set for cell in cells], np.int64),
            first=np.array([cell.first for cell in cells], np.int64),
            count=np.array([cell.count for cell in cells], np.int64),
            key=np.array([cell.key for cell in cells], np.uint64),
            reshuffles=reshuffles,
            stretches=tuple(stretch.only(kept) for stretch in stretches),
        )


CellsOfEpoch = Callable[[int], Cells]
"""Makes the cells of an epoch from its number. It is pickled with the plan."""


class Draw(DrawRules, Protocol):
    """The rule from weights to rows: its recipe keys, and the cells of each epoch."""

    def open(self, recipe: Recipe, inventory: Inventory, seed: int) -> tuple[CandidateSets, CellsOfEpoch]:
        """The sets of clips that a recipe draws from, and the cells of each epoch.

        Args:
            recipe: The recipe, which `check` has accepted.
            inventory: The clips of a split, and the conditions that contain them.
            seed: Seed for all shuffles.

        Raises:
            RecipeError: The recipe does not fit the clips.
        """


def open_draw(recipe: Recipe, inventory: Inventory, seed: int) -> tuple[CandidateSets, CellsOfEpoch]:
    """Open the draw that a recipe names; see `Draw.open`."""
    return cast(Draw, find_draw(recipe.draw)).open(recipe, inventory, seed)
