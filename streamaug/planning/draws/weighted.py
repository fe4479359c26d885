"""The draw `weighted`: a fixed number of rows per epoch, divided by weight."""

from collections.abc import Sequence
from itertools import pairwise

from pydantic import BaseModel, Field

from streamaug.planning.candidates import CandidateSetBuilder, CandidateSets, Stratum, any_of, eligible_clips
from streamaug.planning.draws.balance import balance_error
from streamaug.planning.draws.base import CellsOfEpoch
from streamaug.planning.draws.group_weights import GroupWeights, check_equal
from streamaug.planning.draws.weighted_cells import WeightedCells
from streamaug.planning.inventory import Inventory
from streamaug.recipes.recipe import Recipe

_MOST_RAMP_BATCHES = 1 << 20
"""Batches of an epoch along ramps by step: each has counts of its own, in memory."""


class WeightedOptions(BaseModel):
    """Recipe keys of the draw `weighted`."""

    rows: int = Field(ge=1, le=1 << 40, description="Rows per epoch (draw: weighted).", examples=["rows: 28000"])


class WeightedDraw:
    """A fixed number of rows per epoch, divided by weight."""

    name = "weighted"
    version = "1"
    summary = "`rows` rows, divided by weight"
    options = WeightedOptions
    takes = ("weights", "by_step")

    def check(self, recipe: Recipe) -> None:
        """Check that an epoch has whole batches, and not too many along ramps, if weights are by
        step. Raises RecipeError."""
        rows, batch = recipe.options["rows"], recipe.stratify
        if recipe.unit != "step" or batch is None:
            return
        if rows % batch:
            lower, upper = rows // batch * batch, -(-rows // batch) * batch
            raise recipe.error_at(
                ("rows",),
                f"weights by step need epochs of whole batches, and {rows} rows are not a multiple of {batch}; "
                f"write 'rows: {upper}'{f' or {lower}' if lower else ''}",
            )
        ramping = min(rows // batch, _ramp_steps(recipe))
        if ramping > _MOST_RAMP_BATCHES:
            raise recipe.error_at(
                ("rows",),
                f"an epoch of {rows} rows has {ramping} batches of {batch} along ramps by step, and the most is {_MOST_RAMP_BATCHES}; "
                f"write 'rows: {_MOST_RAMP_BATCHES * batch}' or fewer, since steps count on over the epochs",
            )

    def open(self, recipe: Recipe, inventory: Inventory, seed: int) -> tuple[CandidateSets, CellsOfEpoch]:
        """The clips of each condition, and the cells of each epoch."""
        builder = CandidateSetBuilder(recipe, inventory)
        masks = eligible_clips(recipe, inventory)
        strata = [builder.strata((condition,), mask, (number,)) for number, (condition, mask) in enumerate(masks.items())]
        names: Sequence[tuple[str, ...]] = [()]
        sizes = [1]
        if recipe.group_columns and inventory.groups is not None:
            names, sizes = inventory.groups.names, inventory.groups.grouping.within(any_of(masks)).sizes.tolist()
            check_equal(recipe, strata)
            _check_balance(recipe, strata, sizes)
        cells = WeightedCells(
            shares=list(recipe.mixture.values()),
            strata=strata,
            rows=recipe.options["rows"],
            batch=recipe.stratify if recipe.unit == "step" else None,
            groups=None if _lacking(strata, sizes) else GroupWeights.of(recipe, names, sizes),
            by_condition=[GroupWeights.of(recipe, names, [stratum.size for stratum in groups]).shares for groups in strata],
            seed=seed,
        )
        return builder.build(), cells.cells


def _ramp_steps(recipe: Recipe) -> int:
    """Steps at which weights go along ramps."""
    weights = [share.weight for share in recipe.mixture.values()]
    edges = sorted({time for weight in weights for time, _ in weight.points})
    return sum(stop - start for start, stop in pairwise(edges) if any(weight.slope(start) for weight in weights))


def _lacking(strata: Sequence[Sequence[Stratum]], sizes: Sequence[int]) -> Stratum | None:
    """A group with clips that a condition has none of, if there is one."""
    return next((stratum for groups in strata for stratum, size in zip(groups, sizes, strict=True) if size and not stratum.size), None)


def _check_balance(recipe: Recipe, strata: Sequence[Sequence[Stratum]], sizes: Sequence[int]) -> None:
    """Check that every group with clips has some in every condition, if the recipe balances. Raises
    RecipeError."""
    lacking = _lacking(strata, sizes)
    if recipe.balance and lacking is not None:
        condition, *values = lacking.name
        group = " / ".join(value or f"(no {column})" for column, value in zip(recipe.group_columns, values, strict=True))
        raise balance_error(recipe, f"no clip of the group {group} is in '{condition}'")
