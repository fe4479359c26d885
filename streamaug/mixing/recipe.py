"""A recipe: which conditions of which clips make a training set, in which proportions and order."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

from streamaug.conditions import Condition
from streamaug.errors import ConditionError, RecipeError
from streamaug.mixing.recipe_file import RecipeFile, ShareFile, read_recipe_file
from streamaug.mixing.schedule import Schedule
from streamaug.mixing.yaml_lines import Path_, line_of

Draw = Literal["union", "weighted", "one-per-clip", "views"]
Where = tuple[tuple[str, tuple[str, ...]], ...]
"""Columns and the values that are kept, both sorted."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """One condition's part of a mixture: its weight over the epochs, and which of its clips."""

    weight: Schedule
    where: Where = ()


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A mixture, checked and joined with the recipes that it extends.

    mixture: `original` first, then by name: another order in the file is the same recipe. rows, views, anchor belong to one draw
    each. window: shards open at a time, None for a full shuffle. places: where each part was written, for errors.
    """

    title: str
    draw: Draw
    mixture: Mapping[str, Share]
    rows: int | None = None
    views: int | None = None
    anchor: str | None = None
    where: Where = ()
    balance: tuple[str, ...] = ()
    stratify: int | None = None
    window: int | None = None
    allow_leakage: bool = False
    places: Mapping[Path_, str] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def conditions(self) -> tuple[str, ...]:
        return tuple(self.mixture)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the clips table that the recipe chooses or balances by."""
        wheres = [self.where, *(share.where for share in self.mixture.values())]
        return tuple(sorted({*self.balance, *(column for where in wheres for column, _ in where)}))

    @cached_property
    def hash(self) -> str:
        """Names what the recipe says: 64 hexadecimal digits that neither title, nor order, nor spelling of numbers changes."""
        told = self._plain()
        told["mixture"] = {
            name: {"weight": [[first, str(weight)] for first, weight in share.weight.steps], "where": share.where}
            for name, share in self.mixture.items()
        }
        del told["title"]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def to_yaml(self) -> str:
        """The recipe as a file of its own, extending nothing."""
        return yaml.safe_dump(self._plain(), sort_keys=False, allow_unicode=True, width=120)

    def _plain(self) -> dict[str, Any]:
        told: dict[str, Any] = {"title": self.title, "draw": self.draw}
        for name in ("rows", "views", "anchor"):
            if getattr(self, name) is not None:
                told[name] = getattr(self, name)
        told["mixture"] = {
            name: {"weight": share.weight.plain(), "where": _plain_where(share.where)} if share.where else share.weight.plain()
            for name, share in self.mixture.items()
        }
        if self.where:
            told["where"] = _plain_where(self.where)
        if self.balance:
            told["balance"] = list(self.balance)
        if self.stratify is not None:
            told["stratify"] = self.stratify
        if self.window is not None:
            told["shuffle"] = {"window": self.window}
        if self.allow_leakage:
            told["allow_leakage"] = True
        return told

    def refuse(self, where: Path_, what: str) -> RecipeError:
        """The error for a part of the recipe, told with the file and line on which it was written."""
        for length in range(len(where), -1, -1):
            if where[:length] in self.places:
                return RecipeError(f"{self.places[where[:length]]}: {what}")
        return RecipeError(f"recipe '{self.title}': {what}")


def load_recipe(path: str | os.PathLike[str]) -> Recipe:
    """Read a recipe and the recipes that it extends. Raises RecipeError naming file, line, the offending value and the remedy."""
    path = Path(path)
    settings, places = _read(path, ())
    for needed, remedy in (("draw", "draw: union"), ("mixture", "mixture: {original: 1, mp3_64: 1}")):
        if needed not in settings:
            raise RecipeError(f"{path}:1: '{needed}' is missing; write for example '{remedy}'")
    title = settings.pop("title", None) or path.stem
    return Recipe(title=title, places=places, **settings)


def _read(path: Path, above: tuple[Path, ...]) -> tuple[dict[str, Any], dict[Path_, str]]:
    """A file's settings, joined with those of what it extends, and where each was written."""
    file, lines = read_recipe_file(path)
    own_places: dict[Path_, str] = {where: f"{path}:{line}" for where, line in lines.items()}
    above = (*above, path.resolve())
    parents = []
    for number, name in enumerate(file.extends or ()):
        parent = path.parent / name
        if parent.resolve() in above:
            circle = " extends ".join(each.name for each in (*above[above.index(parent.resolve()) :], parent))
            raise RecipeError(f"{path}:{line_of(lines, ('extends', number))}: a circle: {circle}; take one of them out")
        parents.append(_read(parent, above))
    settings: dict[str, Any] = {}
    places: dict[Path_, str] = {}
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


def _settings(file: RecipeFile, places: Mapping[Path_, str]) -> dict[str, Any]:
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
    places: dict[Path_, str],
    others: Mapping[str, Any],
    other_places: Mapping[Path_, str],
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


def _plain_where(where: Where) -> dict[str, list[str]]:
    return {column: list(values) for column, values in where}


def _both(one: Where, other: Where, place: str) -> Where:
    joined = dict(one)
    for column, values in other:
        kept = tuple(value for value in values if value in joined.get(column, values))
        if not kept:
            raise RecipeError(f"{place}: where: no {column} is in both {list(joined[column])} and {list(values)}; no clip would be left")
        joined[column] = kept
    return tuple(sorted(joined.items()))


def _check(recipe: Recipe) -> None:
    """Refuse what contradicts itself. Raises RecipeError."""
    ordered = sorted(recipe.mixture, key=lambda name: (name != "original", name))
    object.__setattr__(recipe, "mixture", {name: recipe.mixture[name] for name in ordered})
    if not recipe.mixture:
        raise recipe.refuse(("mixture",), "the mixture is empty; write for example 'mixture: {original: 1, mp3_64: 1}'")
    for name, draw, example in (("rows", "weighted", "28000"), ("views", "views", "2")):
        stated = getattr(recipe, name) is not None
        if stated and recipe.draw != draw:
            raise recipe.refuse((name,), f"'{name}' belongs to 'draw: {draw}', and this is 'draw: {recipe.draw}'; take one of them out")
        if not stated and recipe.draw == draw:
            raise recipe.refuse(("draw",), f"'draw: {draw}' needs '{name}'; write for example '{name}: {example}'")
    shared = dict(recipe.mixture)
    if recipe.anchor is not None:
        if recipe.draw != "views":
            raise recipe.refuse(("anchor",), f"'anchor' belongs to 'draw: views', and this is 'draw: {recipe.draw}'; take one of them out")
        if recipe.anchor not in recipe.mixture:
            raise recipe.refuse(("anchor",), f"the anchor '{recipe.anchor}' is not in the mixture; add '{recipe.anchor}: 1' to it")
        if shared.pop(recipe.anchor).weight != Schedule.of(1):
            raise recipe.refuse(
                ("mixture", recipe.anchor),
                f"the anchor '{recipe.anchor}' is in every row, so that its weight is 1; write '{recipe.anchor}: 1'",
            )
    for epoch in sorted({first for share in shared.values() for first, _ in share.weight.steps}):
        _check_weights(recipe, shared, epoch)
    if recipe.balance and recipe.window is not None:
        raise recipe.refuse(
            ("balance",), "'balance' and a window exclude each other: groups use up their shards at different speeds; take one of them out"
        )
    if recipe.balance and recipe.stratify and recipe.draw == "views":
        raise recipe.refuse(("stratify",), "'stratify' and 'balance' together cannot be exact with 'draw: views'; take one of them out")
    if len(set(recipe.balance)) < len(recipe.balance):
        raise recipe.refuse(("balance",), f"a column stands twice in {list(recipe.balance)}; keep one")
    least = 2 * len(recipe.mixture) * (recipe.views or 1)
    if recipe.window is not None and recipe.window < least:
        each = "each condition" if recipe.views is None else "each view of each condition"
        raise recipe.refuse(
            ("shuffle",),
            f"a window of {recipe.window} shards for {len(recipe.mixture)} conditions, where {each} has a shard open and is about to open "
            f"another; write a window of {least} or more",
        )


def _check_weights(recipe: Recipe, shared: Mapping[str, Share], epoch: int) -> None:
    weights = {name: share.weight.at(epoch) for name, share in shared.items()}
    since = f" from epoch {epoch} on" if epoch else ""
    total = sum(weights.values())
    if not total:
        raise recipe.refuse(("mixture",), f"all weights are zero{since}; give at least one condition a weight above zero")
    if recipe.views is None:
        return
    drawn = recipe.views - (recipe.anchor is not None)
    for name, weight in weights.items():
        if weight * drawn > total:
            raise recipe.refuse(
                ("mixture", name),
                f"'{name}' has {weight} of the {total} of all weights{since}, but can be only one of the {drawn} drawn views of a clip, "
                f"1/{drawn}; give it less, give the others more, or lower 'views'",
            )
