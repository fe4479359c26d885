"""A recipe: which conditions of which clips make a training set, in which proportions and order."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import yaml

from streamaug.errors import RecipeError
from streamaug.recipes.schedule import Schedule
from streamaug.recipes.yaml_lines import KeyPath

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
    places: Mapping[KeyPath, str] = field(default_factory=dict, compare=False, repr=False)

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

    def refuse(self, where: KeyPath, what: str) -> RecipeError:
        """The error for a part of the recipe, told with the file and line on which it was written."""
        for length in range(len(where), -1, -1):
            if where[:length] in self.places:
                return RecipeError(f"{self.places[where[:length]]}: {what}")
        return RecipeError(f"recipe '{self.title}': {what}")


def _plain_where(where: Where) -> dict[str, list[str]]:
    return {column: list(values) for column, values in where}


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
    if any(weight < 0 for share in recipe.mixture.values() for _, weight in share.weight.steps):
        raise recipe.refuse(("mixture",), "a weight is negative; give 0 or more")
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
