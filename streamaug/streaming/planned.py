"""Answer what a stream asks of its plan: which one it is, its windows, substitutes for broken clips."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from streamaug.errors import StoreError
from streamaug.planning import Plan
from streamaug.planning.check_plan import check_plan
from streamaug.planning.open_plan import open_plan
from streamaug.planning.open_stores import open_stores
from streamaug.planning.sequential import PlanLike
from streamaug.recipes import Recipe, load_recipe
from streamaug.store.catalogue import StoreArgument, StoreLike, open_store
from streamaug.streaming.assembly import OpenedStore

_LOOKAHEAD = 1024
"""Rows of the epoch that are searched at a time for a substitute."""


def read_recipe(recipe: str | os.PathLike[str] | Mapping[str, Any] | Recipe | PlanLike) -> Recipe | PlanLike:
    """The recipe or plan that is meant by what `Stream` takes. Raises RecipeError."""
    return load_recipe(recipe) if isinstance(recipe, str | os.PathLike | Mapping) else recipe


def store_of(recipe: Recipe | PlanLike, store: StoreArgument | None) -> StoreLike:
    """The store of a recipe or plan, or its several stores.

    Args:
        recipe: The recipe or plan.
        store: As `Stream` takes it; None for the stores that the recipe names.

    Raises:
        RecipeError, StoreError, FetchError: They do not fit together, or cannot be opened.
    """
    if isinstance(recipe, Plan):
        recipe = recipe.recipe
    if isinstance(recipe, Recipe):
        return open_stores(recipe, store)
    if store is None:
        raise StoreError("no store is given; give the one that the plan was opened on")
    return open_store(store)


def plan_of(
    recipe: Recipe | PlanLike,
    store: StoreLike,
    split: str | None,
    seed: int | None,
    batch_size: int,
) -> PlanLike:
    """The plan of a recipe, or a plan that fits the store, split and seed.

    Args:
        recipe: The recipe, or a plan.
        store: The store.
        split: The split as text; None for `train`, or the plan's.
        seed: Seed for all shuffles; None for 0, or the plan's.
        batch_size: Rows of a global batch.

    Raises:
        RecipeError, LeakageError, StoreError: They do not fit together.
    """
    if not isinstance(recipe, Recipe):
        check_plan(recipe, store, split=split, seed=seed)
        if isinstance(recipe, Plan):
            _check_batch(recipe.recipe, batch_size)
        return recipe
    _check_batch(recipe, batch_size)
    return open_plan(recipe, store, split=split or "train", seed=seed or 0)


def _check_batch(recipe: Recipe, batch_size: int) -> None:
    """Raise RecipeError if a recipe is made for batches of another size: none would hold its mixture,
    and weights by step would change at other times."""
    key_path, key = (("stratify",), "stratify") if recipe.bucket is None else (("shuffle", "batch"), "batch")
    if recipe.batch not in (None, batch_size):
        raise recipe.error_at(key_path, f"'{key}: {recipe.batch}' needs a batch_size of {recipe.batch}, not {batch_size}; make them equal")


def windows_of(plan: PlanLike, epoch: int) -> int | None:
    """Windows of shards that an epoch goes through; None if it has none."""
    windows = plan.epoch(epoch).windows if isinstance(plan, Plan) else None
    return None if windows is None else windows.windows


def substitutes(plan: PlanLike, opened: OpenedStore, epoch: int, position: int, conditions: Sequence[int], clip: int) -> Iterator[int]:
    """Clips of the epoch's following rows that have the label or labels of a broken clip, if it has
    any, and are drawn in its condition.

    Args:
        plan: The plan.
        opened: Its store.
        epoch: Number of the epoch.
        position: The broken clip's row.
        conditions: The conditions of that row.
        clip: The broken clip.
    """
    rows, tried = plan.epoch_size(epoch), {clip}
    for start in range(1, rows, _LOOKAHEAD):
        drawn = plan.rows(epoch, (position + np.arange(start, min(start + _LOOKAHEAD, rows))) % rows)
        fits = opened.targets.interchangeable(drawn.clip, clip) & (drawn.condition == conditions[0]).any(1)
        for condition in conditions:
            fits &= opened.locations[condition].size[drawn.clip] > 0
        for other in drawn.clip[fits].tolist():
            if other not in tried:
                tried.add(other)
                yield other
