"""Which recipes hold a clip, and in which conditions."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from streamaug.condition_names import split_store
from streamaug.errors import RecipeError
from streamaug.recipes import Recipe, load_recipe
from streamaug.recipes.recipe import Where
from streamaug.splits import Split
from streamaug.store.connection import absolute_url


def load_recipes(paths: Iterable[Path]) -> dict[str, Recipe]:
    """Recipes by the path of their file.

    Args:
        paths: YAML files, and folders of such files.

    Raises:
        RecipeError: A path does not exist, or a file is not a recipe.
    """
    recipes = {}
    for path in paths:
        if not path.exists():
            raise RecipeError(f"{path} does not exist; write a recipe or a folder of recipes")
        files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")]) if path.is_dir() else [path]
        recipes.update({str(file): load_recipe(file) for file in files})
    return recipes


def drawable_conditions(
    recipe: Recipe, clip: pa.Table, has: Callable[[str], bool], *, conditions: Collection[str], split: Split, url: str
) -> dict[str, Any]:
    """The conditions in which a recipe can draw a clip, each with its weight as a recipe has it. None
    if the recipe names a condition that the store lacks, so that no plan can be made of it.

    Args:
        recipe: The recipe.
        clip: The clip's row of the clips table.
        has: Whether the clip exists in a condition of the store.
        conditions: The store's conditions.
        split: The split that the recipe is drawn from.
        url: The store, for recipes of several stores.
    """
    if _holds(clip, ((split.column, split.values),)) != split.keep:
        return {}
    if not _holds(clip, recipe.where):
        return {}
    if any(each.column in clip.column_names and not any(map(each.weight, _texts(clip, each.column))) for each in recipe.weights):
        return {}
    weights = {}
    for name, share in recipe.mixture.items():
        store, condition = split_store(name)
        condition = condition.partition("~")[0]  # a link is applied when a bitstream is read
        if store and absolute_url(recipe.stores.get(store, url)) != url:
            continue
        if condition not in conditions:
            return {}
        if has(condition) and _holds(clip, share.where):
            weights[name] = share.weight.plain()
    return weights


def _holds(clip: pa.Table, where: Where) -> bool:
    """Whether a clip has one of the values in each of some columns."""
    return all(name in clip.column_names and bool({*_texts(clip, name)} & {*values}) for name, values in where)


def _texts(clip: pa.Table, name: str) -> list[str]:
    """The values of a column of one clip as recipes write them; a missing one is the empty text."""
    value = clip[name].combine_chunks()
    if pa.types.is_list(value.type):
        value = value.flatten()
    return [text or "" for text in pc.cast(value, pa.string()).to_pylist()] or [""]


def plain_weights(weights: Mapping[str, Any]) -> str:
    """Conditions and their weights in one line, as YAML writes a mapping.

    >>> plain_weights({"original": 1, "mp3_64": {0: 1, 50: 0.25}})
    'original: 1, mp3_64: {0: 1, 50: 0.25}'
    """
    return ", ".join(f"{name}: {str(weight).replace(chr(39), '')}" for name, weight in weights.items())
