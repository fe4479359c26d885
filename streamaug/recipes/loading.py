"""Reading a recipe file and joining it with the recipes that it extends."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamaug.conditions import Condition
from streamaug.errors import ConditionError, RecipeError
from streamaug.recipes.recipe import Recipe, Share, Where
from streamaug.recipes.schedule import Schedule
from streamaug.recipes.schema import RecipeFile, ShareFile, read_recipe_file
from streamaug.recipes.yaml_lines import KeyPath, line_of


def load_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read a recipe and the recipes that it extends. Raises RecipeError naming file, line, the offending value and the remedy."""
    path = Path(path)
    settings, places = _read(path, ())
    for needed, remedy in (("draw", "draw: union"), ("mixture", "mixture: {original: 1, mp3_64: 1}")):
        if needed not in settings:
            raise RecipeError(f"{path}:1: '{needed}' is missing; write for example '{remedy}'")
    title = settings.pop("title", None) or path.stem
    return Recipe(title=title, places=places, **settings)


def _read(path: Path, above: tuple[Path, ...]) -> tuple[dict[str, Any], dict[KeyPath, str]]:
    """A file's settings, joined with those of what it extends, and where each was written."""
    file, lines = read_recipe_file(path)
    own_places: dict[KeyPath, str] = {where: f"{path}:{line}" for where, line in lines.items()}
    above = (*above, path.resolve())
    parents = []
    for number, name in enumerate(file.extends or ()):
        parent = path.parent / name
        if parent.resolve() in above:
            circle = " extends ".join(each.name for each in (*above[above.index(parent.resolve()) :], parent))
            raise RecipeError(f"{path}:{line_of(lines, ('extends', number))}: a circle: {circle}; take one of them out")
        parents.append(_read(parent, above))
    settings: dict[str, Any] = {}
    places: dict[KeyPath, str] = {}
    for parent_settings, parent_places in parents:
        for unheritable in ("title", "allow_leakage"):
            parent_settings.pop(unheritable, None)
        if file.draw is not None:
            for belonging in ("draw", "rows", "views", "anchor"):  # a draw of one's own comes with its own numbers
                parent_settings.pop(belonging, None)
        for name, key in (("window", "shuffle"), *((same, same) for same in ("stratify", "balance", "rows", "views", "anchor"))):
            if getattr(file, key) is not None:
                parent_settings.pop(name, None)
        _join(settings, places, parent_settings, parent_places)
    _join(settings, places, _settings(file, own_places), own_places, overriding=True)
    return settings, places


def _settings(file: RecipeFile, places: Mapping[KeyPath, str]) -> dict[str, Any]:
    """What a file says, in the terms of Recipe."""
    told: dict[str, Any] = {}
    for name in ("title", "draw", "rows", "views", "anchor", "stratify", "allow_leakage"):
        if getattr(file, name) is not None:
            told[name] = getattr(file, name)
    if file.shuffle is not None:
        told["window"] = None if file.shuffle == "full" else file.shuffle.window
    if file.balance is not None:
        told["balance"] = tuple(file.balance)
    if file.where is not None:
        told["where"] = _where(file.where)
    if file.mixture is not None:
        told["mixture"] = {}
        for name, weight in file.mixture.items():
            share = weight if isinstance(weight, ShareFile) else ShareFile(weight=weight)
            try:
                Condition.parse(name)
            except ConditionError as error:
                raise RecipeError(f"{places['mixture', name]}: {error}") from None
            if isinstance(share.weight, dict) and 0 not in share.weight:
                first = min(share.weight)
                raise RecipeError(
                    f"{places['mixture', name]}: the steps of '{name}' begin at epoch {first}; write '{{0: …, {first}: …}}', 0 first"
                )
            told["mixture"][name] = Share(weight=Schedule.of(share.weight), where=_where(share.where or {}))
    return told


def _join(
    settings: dict[str, Any],
    places: dict[KeyPath, str],
    others: Mapping[str, Any],
    other_places: Mapping[KeyPath, str],
    overriding: bool = False,
) -> None:
    """Add a recipe's settings to those gathered so far: mixtures as a set union, choices of clips by 'and', all else once."""
    for name, value in others.items():
        place = other_places.get(("shuffle",) if name == "window" else (name,), "recipe")
        if name == "mixture":
            mixture = settings.setdefault(name, {})
            for condition, share in value.items():
                if condition in mixture:
                    before, here = places["mixture", condition], other_places["mixture", condition]
                    if mixture[condition].weight != share.weight:
                        raise RecipeError(
                            f"{here}: '{condition}' has the weight {share.weight.plain()} here and "
                            f"{mixture[condition].weight.plain()} in {before}; give it one weight"
                        )
                    share = Share(weight=share.weight, where=_both(mixture[condition].where, share.where, here))
                mixture[condition] = share
        elif name == "where":
            settings[name] = _both(settings.get(name, ()), value, place)
        elif name in settings and settings[name] != value and not overriding:
            key = "shuffle" if name == "window" else name
            raise RecipeError(f"{place}: '{key}' is not the same as in {places[key,]}; say in the recipe that extends both which it is")
        else:
            settings[name] = value
    for where, place in other_places.items():
        places.setdefault(where, place)
        if overriding and where[:1] != ("mixture",):
            places[where] = place


def _where(where: Mapping[str, list[str | int]]) -> Where:
    return tuple(sorted((column, tuple(sorted({str(value) for value in values}))) for column, values in where.items()))


def _both(one: Where, other: Where, place: str) -> Where:
    joined = dict(one)
    for column, values in other:
        kept = tuple(value for value in values if value in joined.get(column, values))
        if not kept:
            raise RecipeError(f"{place}: where: no {column} is in both {list(joined[column])} and {list(values)}; no clip would be left")
        joined[column] = kept
    return tuple(sorted(joined.items()))
