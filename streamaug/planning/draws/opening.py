"""From a recipe and what a store holds to the sets of clips that its draw works on."""

from collections.abc import Sequence

import numpy as np

from streamaug.errors import RecipeError
from streamaug.planning.candidates import CandidateSetBuilder, CandidateSets, any_of, chosen, classes
from streamaug.planning.draws.base import Draw, Part, PerClip, Union, Weighted
from streamaug.planning.inventory import Inventory
from streamaug.recipes.recipe import Recipe


def open_draw(recipe: Recipe, inventory: Inventory, seed: int) -> tuple[CandidateSets, Draw]:
    """The sets of clips that a recipe draws from, and its draw. Raises RecipeError where the recipe does not fit what there is."""
    masks = chosen(recipe, inventory)
    groups = inventory.groups if recipe.balance else None
    names = [()] if groups is None else groups.names
    maker = CandidateSetBuilder(inventory, by_shard=recipe.window is not None)
    shares = list(recipe.mixture.values())

    def set_numbers(mask: np.ndarray | None) -> list[int]:
        return [maker.add(mask)] if groups is None else maker.add_groups(mask)

    if recipe.draw in ("union", "weighted"):
        numbers = [set_numbers(mask) for mask in masks.values()]
        pools = maker.pools()
        by_condition = [
            [
                Part(name=(condition, *name), pool=pool, size=int(pools.sizes[pool]), conditions=(place,))
                for name, pool in zip(names, row, strict=True)
            ]
            for place, (condition, row) in enumerate(zip(masks, numbers, strict=True))
        ]
        if recipe.draw == "union":
            return pools, Union(weights=shares, parts=by_condition, seed=seed)
        for part in (part for parts in by_condition for part in parts if len(names) > 1 and not part.size):
            condition, *group = part.name
            raise _unbalanced(recipe, f"no clip of the group {' / '.join(group)} is in '{condition}'")
        sizes = [1] if groups is None else groups.runs.within(any_of(masks)).sizes.tolist()
        return pools, Weighted(weights=shares, parts=by_condition, rows=recipe.rows or 0, group_sizes=sizes, seed=seed)

    found = classes(masks, len(inventory))
    if recipe.balance and len(found) > 1:
        raise _unbalanced(recipe, f"some clips are in {', '.join(found[0][0])} and others in {', '.join(found[1][0])}")
    if recipe.stratify and recipe.views and len(found) > 1:
        raise recipe.refuse(
            ("stratify",),
            "'stratify' with 'draw: views' needs every clip in every condition of the mixture; take out those that are incomplete",
        )
    numbers = [set_numbers(mask) for _, mask in found]
    pools = maker.pools()
    parts = [
        Part(name=(*has, *name), pool=pool, size=int(pools.sizes[pool]), conditions=tuple(map(recipe.conditions.index, has)))
        for (has, _), row in zip(found, numbers, strict=True)
        for name, pool in zip(names, row, strict=True)
    ]
    anchor = None if recipe.anchor is None else recipe.conditions.index(recipe.anchor)
    draw = PerClip(weights=shares, parts=parts, views=recipe.views or 1, anchor=anchor, seed=seed)
    if recipe.views and (impossible := _impossible_views(recipe, parts, recipe.conditions)):
        part, epoch = impossible
        there = ", ".join(recipe.conditions[condition] for condition in part.conditions)
        raise recipe.refuse(
            ("views",),
            f"{part.size} clips of split '{inventory.split}' can be shown in {there} only, "
            f"and a row of epoch {epoch} needs {recipe.views} conditions with a weight, the anchor among them; leave these clips out with "
            "'where', take conditions in that all clips have, or lower 'views'",
        )
    return pools, draw


def _unbalanced(recipe: Recipe, why: str) -> RecipeError:
    return recipe.refuse(
        ("balance",), f"'balance' cannot be exact: {why}; take the incomplete condition out of the mixture, or balance by less"
    )


def _impossible_views(recipe: Recipe, parts: Sequence[Part], conditions: Sequence[str]) -> tuple[Part, int] | None:
    """A part whose clips cannot be shown in as many conditions as `views` asks for, and the first epoch of which that is true."""
    steps = sorted({first for share in recipe.mixture.values() for first, _ in share.weight.steps})
    for epoch in steps:
        alive = {number for number, name in enumerate(conditions) if recipe.mixture[name].weight.at(epoch)}
        for part in parts:
            missing_anchor = recipe.anchor is not None and conditions.index(recipe.anchor) not in part.conditions
            if missing_anchor or len(alive & set(part.conditions)) < (recipe.views or 1):
                return part, epoch
    return None
