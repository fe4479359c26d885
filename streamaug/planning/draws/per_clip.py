"""The draws `one-per-clip` and `views`: each clip once per epoch, in one or several conditions."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from pydantic import BaseModel, Field

from streamaug.condition_names import split_store
from streamaug.keys import named_key
from streamaug.planning.apportion import apportion, cuts, integer_shares
from streamaug.planning.candidates import CandidateSetBuilder, CandidateSets, Stratum, availability_classes, eligible_clips
from streamaug.planning.draws.balance import balance_error
from streamaug.planning.draws.base import Cell, Cells, CellsOfEpoch
from streamaug.planning.inventory import Inventory
from streamaug.planning.permutation import permute
from streamaug.recipes.checks import check_weights
from streamaug.recipes.draws import NoOptions
from streamaug.recipes.recipe import Recipe, Share
from streamaug.recipes.schedule import Schedule, times_to_check


class OnePerClipDraw:
    """Each clip once, in a condition drawn by weight."""

    name = "one-per-clip"
    version = "1"
    summary = "each clip once, in a condition drawn by weight"
    options = NoOptions

    def check(self, recipe: Recipe) -> None:
        """Accept every recipe."""

    def open(self, recipe: Recipe, inventory: Inventory, seed: int) -> tuple[CandidateSets, CellsOfEpoch]:
        """The clips of each availability class, and the cells of each epoch."""
        candidates, strata = _strata(recipe, inventory)
        return candidates, PerClipCells(shares=list(recipe.mixture.values()), strata=strata, views=1, anchors=(), seed=seed).cells


class ViewsOptions(BaseModel):
    """Recipe keys of the draw `views`."""

    views: int = Field(ge=2, le=64, description="Conditions per row (draw: views).", examples=["views: 2"])
    anchor: str | None = Field(None, description="Condition of every row's first view (draw: views).", examples=["anchor: original"])


class ViewsDraw:
    """Each clip once, in several distinct conditions; an anchor is the first of them."""

    name = "views"
    version = "1"
    summary = "each clip in `views` conditions together"
    options = ViewsOptions

    def check(self, recipe: Recipe) -> None:
        """Check the anchor, and that no weight asks for two views of a clip. Raises RecipeError."""
        anchor: str | None = recipe.options.get("anchor")
        drawn = dict(recipe.mixture)
        if anchor is not None:
            _check_anchors(recipe, anchor)
            for number in _anchors(recipe, anchor):
                del drawn[recipe.conditions[number]]
        check_weights(recipe, drawn)
        for store in {split_store(name)[0]: None for name in drawn}:
            own = {name: share for name, share in drawn.items() if split_store(name)[0] == store}
            _check_shares(recipe, own, recipe.options["views"] - (anchor is not None))
        if recipe.balance and recipe.stratify:
            raise recipe.error_at(("stratify",), "'stratify' and 'balance' together cannot be exact with 'draw: views'; remove one of them")

    def open(self, recipe: Recipe, inventory: Inventory, seed: int) -> tuple[CandidateSets, CellsOfEpoch]:
        """The clips of each availability class, and the cells of each epoch."""
        candidates, strata = _strata(recipe, inventory)
        options = ViewsOptions.model_validate(recipe.options)
        anchors = () if options.anchor is None else _anchors(recipe, options.anchor)
        _check_views(recipe, inventory, strata, options.views, anchors)
        cells = PerClipCells(shares=list(recipe.mixture.values()), strata=strata, views=options.views, anchors=anchors, seed=seed)
        return candidates, cells.cells


def _strata(recipe: Recipe, inventory: Inventory) -> tuple[CandidateSets, list[Stratum]]:
    """The candidate sets and strata of the availability classes. Raises RecipeError."""
    classes = availability_classes(eligible_clips(recipe, inventory), len(inventory))
    if recipe.balance and len(classes) > 1:
        one, other = (", ".join(names) for names, _ in classes[:2])
        raise balance_error(recipe, f"some clips are in {one} and others in {other}")
    if recipe.stratify and recipe.draw == ViewsDraw.name and len(classes) > 1:
        raise recipe.error_at(
            ("stratify",), "'stratify' with 'draw: views' needs every clip in every condition of the mixture; remove the incomplete ones"
        )
    builder = CandidateSetBuilder(recipe, inventory)
    strata = [stratum for names, mask in classes for stratum in builder.strata(names, mask, tuple(map(recipe.conditions.index, names)))]
    return builder.build(), strata


def _anchors(recipe: Recipe, anchor: str) -> tuple[int, ...]:
    """Numbers of the conditions that an anchor names: one, or with several stores one in each."""
    return tuple(number for number, name in enumerate(recipe.conditions) if anchor in (name, split_store(name)[1]))


def _check_anchors(recipe: Recipe, anchor: str) -> None:
    """Check that every store has the anchor in the mixture, with the weight 1. Raises RecipeError."""
    names = [recipe.conditions[number] for number in _anchors(recipe, anchor)]
    stores = {split_store(name)[0] for name in names}
    for name in recipe.conditions:
        store, _ = split_store(name)
        if store not in stores:
            missing = f"{store}:{split_store(anchor)[1]}" if store else anchor
            if missing in recipe.mixture:
                own = split_store(anchor)[1]
                raise recipe.error_at(("anchor",), f"the anchor '{anchor}' is of one store; write '{own}', each store's own")
            raise recipe.error_at(("anchor",), f"the anchor '{missing}' is not in the mixture; add '{missing}: 1' to it")
    for name in names:
        if recipe.mixture[name].weight != Schedule.of(1):
            raise recipe.error_at(("mixture", name), f"the anchor '{name}' is in every row, so its weight is 1; write '{name}: 1'")


def _check_shares(recipe: Recipe, drawn: dict[str, Share], views: int) -> None:
    """Check that no condition's weight asks for more than one view of a clip. Raises RecipeError.

    Args:
        recipe: The recipe.
        drawn: The conditions of a store that are drawn, that is, all but the anchor.
        views: Conditions that are drawn per row.
    """
    for epoch in times_to_check(share.weight for share in drawn.values()):
        weights = {name: share.weight.at(epoch) for name, share in drawn.items()}
        total = sum(weights.values())
        for name, weight in weights.items():
            if weight * views > total:
                since = f" from epoch {epoch} on" if epoch else ""
                raise recipe.error_at(
                    ("mixture", name),
                    f"'{name}' has {weight} of the {total} of all weights{since}, but can be only one of the {views} drawn views "
                    f"of a clip, 1/{views}; give it less, give the others more, or lower 'views'",
                )


def _check_views(recipe: Recipe, inventory: Inventory, strata: Sequence[Stratum], views: int, anchors: Sequence[int]) -> None:
    """Check that every clip has as many conditions as a row has views. Raises RecipeError."""
    for epoch in times_to_check(share.weight for share in recipe.mixture.values()):
        weighted = {number for number, share in enumerate(recipe.mixture.values()) if share.weight.at(epoch)}
        for stratum in strata:
            lacks_anchor = bool(anchors) and not set(anchors) & set(stratum.conditions)
            if lacks_anchor or len(weighted & set(stratum.conditions)) < views:
                available = ", ".join(recipe.conditions[condition] for condition in stratum.conditions)
                raise recipe.error_at(
                    ("views",),
                    f"{stratum.size} clips of split '{inventory.split}' can be shown in {available} only, and a row of epoch {epoch} "
                    f"needs {views} conditions with a weight, including the anchor; leave these clips out with 'where', "
                    "add conditions that all clips have, or lower 'views'",
                )


@dataclass(frozen=True, kw_only=True)
class PerClipCells:
    """The cells of epochs in which every clip comes once, in distinct conditions drawn by weight.

    The clips of a stratum take, in an order of each epoch's own, the slots u = 0 .. size-1. The
    drawn conditions are laid on a line of views x size points, none longer than `size`. The clip in
    slot u is shown in those at the points u, u + size, u + 2 size, ..., which are therefore
    distinct. With several views, the order of the conditions on the line changes with the epoch, so
    that all pairs come up.

    Args:
        shares: The weight of each condition.
        strata: One per availability class and group.
        views: Conditions per row, including the anchor.
        anchors: Numbers of the conditions that rows show first, one per store; none without an
            anchor.
        seed: Seed for all shuffles.
    """

    shares: Sequence[Share]
    strata: Sequence[Stratum]
    views: int
    anchors: Sequence[int]
    seed: int

    def cells(self, epoch: int) -> Cells:
        """The cells of an epoch."""
        drawn = self.views - bool(self.anchors)
        order = list(range(len(self.shares)))
        if drawn > 1:
            order = permute(order, len(order), named_key(self.seed, "conditions", epoch)).tolist()
        weights = integer_shares([Fraction(0) if c in self.anchors else share.weight.at(epoch) for c, share in enumerate(self.shares)])
        by_stratum = [[weights[condition] if condition in stratum.conditions else 0 for condition in order] for stratum in self.strata]
        totals = [drawn * stratum.size if any(row) else 0 for stratum, row in zip(self.strata, by_stratum, strict=True)]
        cells = []
        for stratum, total, counts in zip(self.strata, totals, apportion(totals, by_stratum, cap=drawn), strict=True):
            if total:
                key = named_key(self.seed, "clips", epoch, *stratum.name)
                anchor = [number for number in self.anchors if number in stratum.conditions]
                for first, stop, conditions in self._pieces(stratum.size, drawn, order, counts):
                    cells.append(Cell((*anchor, *conditions), stratum.candidate_set, first, stop - first, key))
        if self.views == 1:
            cells.sort(key=lambda cell: cell.conditions)  # a condition's cells side by side, so that a batch can be exact in conditions
        return Cells.of(cells, views=self.views)

    def _pieces(self, size: int, drawn: int, order: Sequence[int], counts: Sequence[int]) -> list[tuple[int, int, tuple[int, ...]]]:
        """The slots of a stratum, cut where the drawn conditions change: first slot, end,
        conditions.

        Args:
            size: Clips of the stratum.
            drawn: Conditions that are drawn per row.
            order: The conditions in their order on the line.
            counts: Length of each on the line.
        """
        ends = cuts(counts)
        stops = [*sorted({end % size for end in ends} | {0}), size]
        pieces = []
        for first, stop in pairwise(stops):
            points = [first + view * size for view in range(drawn)]
            shown = [order[next(number for number, end in enumerate(ends) if point < end)] for point in points]
            pieces.append((first, stop, tuple(shown)))
        return pieces
