"""The draw `weighted`: a fixed number of rows per epoch, divided by weight."""

from collections.abc import Sequence

from pydantic import BaseModel, Field

from streamaug.planning.candidates import CandidateSetBuilder, CandidateSets, Stratum, any_of, eligible_clips
from streamaug.planning.draws.balance import balance_error
from streamaug.planning.draws.base import CellsOfEpoch
from streamaug.planning.draws.group_weights import GroupWeights, check_equal
from streamaug.planning.draws.weighted_cells import WeightedCells
from streamaug.planning.inventory import Inventory
from streamaug.recipes.recipe import Recipe


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
        """Check that an epoch has whole batches, if weights are by step. Raises RecipeError."""
        rows, batch = recipe.options["rows"], recipe.stratify
        if recipe.unit == "step" and batch is not None and rows % batch:
            lower, upper = rows // batch * batch, -(-rows // batch) * batch
            raise recipe.error_at(
                ("rows",),
                f"weights by step need epochs of whole batches, and {rows} rows are not a multiple of {batch}; "
                f"write 'rows: {upper}'{f' or {lower}' if lower else ''}",
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


def _lacking(strata: Sequence[Sequence[Stratum]], sizes: Sequence[int]) -> Stratum | None:
    """A group with clips that a condition has none of, if there is one."""
    return next((stratum for groups in strata for stratum, size in zip(groups, sizes, strict=True) if size and not stratum.size), None)


def _check_balance(recipe: Recipe, strata: Sequence[Sequence[Stratum]], sizes: Sequence[int]) -> None:
    """Check that every group with clips has some in every condition, if the recipe balances. Raises
    RecipeError."""
    lacking = _lacking(strata, sizes)
    if recipe.balance and lacking is not None:
        condition, *group = lacking.name
        raise balance_error(recipe, f"no clip of the group {' / '.join(group)} is in '{condition}'")
