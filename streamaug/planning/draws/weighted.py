"""The draw `weighted`: a fixed number of rows per epoch, divided by weight."""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel, Field

from streamaug.planning.apportion import apportion, integer_shares, largest_remainder
from streamaug.planning.candidates import CandidateSetBuilder, CandidateSets, Stratum, any_of, eligible_clips
from streamaug.planning.draws.balance import balance_error
from streamaug.planning.draws.base import Cell, Cells, CellsOfEpoch
from streamaug.planning.inventory import Inventory
from streamaug.planning.permutation import named_key
from streamaug.recipes.recipe import Recipe, Share


class WeightedOptions(BaseModel):
    """Recipe keys of the draw `weighted`."""

    rows: int = Field(ge=1, le=1 << 40, description="Rows per epoch (draw: weighted).", examples=["rows: 28000"])


class WeightedDraw:
    """A fixed number of rows per epoch, divided by weight."""

    name = "weighted"
    version = "1"
    summary = "`rows` rows, divided by weight"
    options = WeightedOptions

    def check(self, recipe: Recipe) -> None:
        """Accept every recipe."""

    def open(self, recipe: Recipe, inventory: Inventory, seed: int) -> tuple[CandidateSets, CellsOfEpoch]:
        """The clips of each condition, and the cells of each epoch."""
        builder = CandidateSetBuilder(recipe, inventory)
        masks = eligible_clips(recipe, inventory)
        strata = [builder.strata((condition,), mask, (number,)) for number, (condition, mask) in enumerate(masks.items())]
        group_sizes = [1]
        if recipe.balance and inventory.groups is not None:
            group_sizes = inventory.groups.grouping.within(any_of(masks)).sizes.tolist()
            _check_groups(recipe, strata)
        cells = WeightedCells(
            shares=list(recipe.mixture.values()), strata=strata, rows=recipe.options["rows"], group_sizes=group_sizes, seed=seed
        )
        return builder.build(), cells.cells


def _check_groups(recipe: Recipe, strata: Sequence[Sequence[Stratum]]) -> None:
    """Check that every group has clips in every condition. Raises RecipeError."""
    for groups in strata:
        for stratum in groups:
            if len(groups) > 1 and not stratum.size:
                condition, *group = stratum.name
                raise balance_error(recipe, f"no clip of the group {' / '.join(group)} is in '{condition}'")


@dataclass(frozen=True, kw_only=True)
class WeightedCells:
    """The cells of the epochs of a weighted draw.

    The ordinals of a stratum count on over the epochs: one pass over its clips after the other,
    each in an order of its own.

    Args:
        shares: The weight of each condition.
        strata: For each condition, its strata: a single one, or one per group.
        rows: Rows per epoch.
        group_sizes: Clips of each group, by which the rows are divided first.
        seed: Seed for all shuffles.
    """

    shares: Sequence[Share]
    strata: Sequence[Sequence[Stratum]]
    rows: int
    group_sizes: Sequence[int]
    seed: int

    def cells(self, epoch: int) -> Cells:
        """The cells of an epoch."""
        steps = sorted({first for share in self.shares for first, _ in share.weight.steps if first <= epoch})
        counts = self._counts(steps[-1])
        firsts = self._rows_before(epoch, steps)
        cells = [
            Cell(
                (condition,),
                stratum.candidate_set,
                firsts[group][condition],
                counts[group][condition],
                named_key(self.seed, "passes", *stratum.name),
            )
            for condition, groups in enumerate(self.strata)
            for group, stratum in enumerate(groups)
        ]
        return Cells.of(cells, views=1, reshuffles=True)

    def _counts(self, epoch: int) -> list[list[int]]:
        """Rows of each group and condition in an epoch, (groups, conditions)."""
        weights = integer_shares([share.weight.at(epoch) for share in self.shares])
        return apportion(largest_remainder(self.rows, self.group_sizes), [weights] * len(self.group_sizes))

    def _rows_before(self, epoch: int, steps: Sequence[int]) -> list[list[int]]:
        """Rows of each group and condition in all epochs before one, (groups, conditions).

        Args:
            epoch: The epoch.
            steps: First epochs of the weights up to this epoch; counts only change there.
        """
        total = [[0] * len(self.shares) for _ in self.group_sizes]
        for start, end in zip(steps, [*steps[1:], epoch], strict=True):
            for so_far, counts in zip(total, self._counts(start), strict=True):
                so_far[:] = [rows + (end - start) * count for rows, count in zip(so_far, counts, strict=True)]
        return total
