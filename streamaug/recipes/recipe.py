"""A recipe: which conditions of which clips make a training set, in which proportions and order."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml
from pydantic import ValidationError

from streamaug.condition_names import condition_order, split_link
from streamaug.errors import LinkError, RecipeError
from streamaug.links import Link, find_link
from streamaug.recipes.checks import check_bucket, check_column_weights, check_schedules, check_weights
from streamaug.recipes.column_weights import ColumnWeights
from streamaug.recipes.draws import draw_names, find_draw
from streamaug.recipes.schedule import Schedule, Unit
from streamaug.recipes.store_names import store_problem
from streamaug.yaml_lines import KeyPath

Where = tuple[tuple[str, tuple[str, ...]], ...]
"""Columns and the values to choose, both sorted."""


@dataclass(frozen=True, kw_only=True)
class Share:
    """One condition's part of a mixture.

    Args:
        weight: How much of the condition, over time.
        where: Which of its clips. Default: all.
    """

    weight: Schedule
    where: Where = ()


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A shuffle that puts clips of similar length into the same batch.

    Args:
        rows: Rows that are sorted by length together, a multiple of `batch`.
        batch: Global batch size.
    """

    rows: int
    batch: int


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A mixture, checked and joined with the recipes that it extends.

    Args:
        title: For people; it changes nothing.
        draw: The rule from weights to rows.
        mixture: The share of each condition. It is sorted, `original` first and then by name, so
            another order in the file is the same recipe. With several stores it is sorted store by
            store, and each name begins with the store's, `tau:mp3_64`.
        options: The keys that only this draw takes, such as `rows`, `views` and `anchor`.
        where: Which clips, for all conditions. Default: all.
        weights: How often clips come by their values in columns, sorted by column. Default: all the
            same.
        balance: Columns whose groups each get the mixture.
        stratify: Global batch size, if every batch gets the mixture.
        window: Shards that are open together. Default: None, a full shuffle.
        bucket: Rows that are sorted by length. Default: None, a full shuffle.
        allow_leakage: Whether clips may also be on the evaluation side.
        stores: Paths or URLs of several stores, by the names that conditions begin with. Where a
            store is does not change the recipe.
        rename_labels: For some stores, other names for some of their labels.
        links: Links that lose packets, by the names that conditions end with. Which of them the mixture
            uses counts, and what they do.
        shared_groups: Whether groups with the same name in several stores are one group.
        source_locations: File and line of each part, for errors.

    Raises:
        RecipeError: The recipe contradicts itself.
    """

    title: str
    draw: str
    mixture: Mapping[str, Share]
    options: Mapping[str, Any] = field(default_factory=dict)
    where: Where = ()
    weights: tuple[ColumnWeights, ...] = ()
    balance: tuple[str, ...] = ()
    stratify: int | None = None
    window: int | None = None
    bucket: Bucket | None = None
    allow_leakage: bool = False
    stores: Mapping[str, str] = field(default_factory=dict)
    rename_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)
    shared_groups: bool = False
    source_locations: Mapping[KeyPath, str] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def conditions(self) -> tuple[str, ...]:
        return tuple(self.mixture)

    @property
    def used_links(self) -> dict[str, Link]:
        """The links of the mixture's conditions by name, presets included."""
        names = dict.fromkeys(link for name in self.mixture if (link := split_link(name)[1]))
        return {name: find_link(name, self.links) for name in names}

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the clips table that the recipe chooses, weights or balances by."""
        wheres = [self.where, *(share.where for share in self.mixture.values())]
        return tuple(sorted({*self.group_columns, *(column for where in wheres for column, _ in where)}))

    @property
    def group_columns(self) -> tuple[str, ...]:
        """Columns whose combinations of values are counted on their own: those of `balance`, then
        those of `weights`."""
        return (*self.balance, *(each.column for each in self.weights if each.column not in self.balance))

    @property
    def unit(self) -> Unit:
        """What the schedules of the weights count in."""
        by_step = any(share.weight.unit == "step" for share in self.mixture.values())
        return "step" if by_step else "epoch"

    @property
    def batch(self) -> int | None:
        """Global batch size that the order of the rows is made for; None if any will do."""
        return self.stratify if self.bucket is None else self.bucket.batch

    @property
    def views(self) -> int | None:
        """Conditions per row; None for a draw that shows a single one."""
        views: int | None = self.options.get("views")
        return views

    @cached_property
    def hash(self) -> str:
        """Names the content of the recipe: 64 hexadecimal digits.

        Title, order, the spelling of numbers and the places of stores do not change it.
        """
        content = self.plain()
        content["mixture"] = {name: {"weight": share.weight.hashed(), "where": share.where} for name, share in self.mixture.items()}
        if self.weights:
            content["weights"] = {each.column: each.hashed() for each in self.weights}
        content.pop("links", None)
        if self.used_links:
            content["links"] = {name: link.digest for name, link in self.used_links.items()}
        del content["title"]
        content.pop("stores", None)
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    def to_yaml(self) -> str:
        """The recipe as a file that extends nothing."""
        return yaml.safe_dump(self.plain(), sort_keys=False, allow_unicode=True, width=120)

    def plain(self) -> dict[str, Any]:
        """The recipe in plain values, as its file has them."""
        content: dict[str, Any] = {"title": self.title, "draw": self.draw, **self.options}
        content["mixture"] = {
            name: {"weight": share.weight.plain(), "where": _plain_where(share.where)} if share.where else share.weight.plain()
            for name, share in self.mixture.items()
        }
        if self.where:
            content["where"] = _plain_where(self.where)
        if self.weights:
            content["weights"] = {each.column: each.plain() for each in self.weights}
        if self.balance:
            content["balance"] = list(self.balance)
        if self.stratify is not None:
            content["stratify"] = self.stratify
        if self.window is not None:
            content["shuffle"] = {"window": self.window}
        if self.bucket is not None:
            content["shuffle"] = {"bucket": self.bucket.rows, "batch": self.bucket.batch}
        if self.allow_leakage:
            content["allow_leakage"] = True
        if self.stores:
            content["stores"] = dict(self.stores)
        if self.rename_labels:
            content["rename_labels"] = {name: dict(labels) for name, labels in self.rename_labels.items()}
        if self.links:
            content["links"] = {name: link.plain() for name, link in self.links.items()}
        if self.shared_groups:
            content["shared_groups"] = True
        return content

    def error_at(self, key_path: KeyPath, problem: str) -> RecipeError:
        """The error for a part of the recipe, with the file and line of that part.

        Args:
            key_path: Keys that lead to the part, such as `("mixture", "mp3_64")`.
            problem: What is wrong, and what to do.
        """
        for length in range(len(key_path), -1, -1):
            if key_path[:length] in self.source_locations:
                return RecipeError(f"{self.source_locations[key_path[:length]]}: {problem}")
        return RecipeError(f"recipe '{self.title}': {problem}")


def _plain_where(where: Where) -> dict[str, list[str]]:
    return {column: list(values) for column, values in where}


def _check(recipe: Recipe) -> None:
    """Check what is true of a recipe on every store. Raises RecipeError."""
    ordered = sorted(recipe.mixture, key=condition_order)
    object.__setattr__(recipe, "mixture", {name: recipe.mixture[name] for name in ordered})
    if not recipe.mixture:
        raise recipe.error_at(("mixture",), "the mixture is empty; write for example 'mixture: {original: 1, mp3_64: 1}'")
    for_several = [key for key in ("rename_labels", "shared_groups") if getattr(recipe, key)]
    if problem := store_problem(recipe.mixture, recipe.stores, for_several):
        raise recipe.error_at(*problem)
    for name in recipe.mixture:
        try:
            if link := split_link(name)[1]:
                find_link(link, recipe.links)
        except LinkError as error:
            raise recipe.error_at(("mixture", name), f"'{name}': {error}") from None
    _check_options(recipe)
    if any(weight < 0 for share in recipe.mixture.values() for _, weight in share.weight.points):
        raise recipe.error_at(("mixture",), "a weight is negative; use 0 or more")
    check_weights(recipe, recipe.mixture)
    check_column_weights(recipe)
    check_schedules(recipe)
    check_bucket(recipe)
    find_draw(recipe.draw).check(recipe)
    if recipe.balance and recipe.window is not None:
        raise recipe.error_at(
            ("balance",), "'balance' and a window exclude each other: groups use up their shards at different speeds; remove one of them"
        )
    duplicates = [column for number, column in enumerate(recipe.balance) if column in recipe.balance[:number]]
    if duplicates:
        raise recipe.error_at(("balance",), f"duplicate column '{duplicates[0]}' in {list(recipe.balance)}; remove one")
    least = 2 * len(recipe.mixture) * (recipe.views or 1)
    if recipe.window is not None and recipe.window < least:
        each = "each condition" if recipe.views is None else "each view of each condition"
        raise recipe.error_at(
            ("shuffle",),
            f"a window of {recipe.window} shards for {len(recipe.mixture)} conditions is too small: {each} has a shard open and is about "
            f"to open another; write a window of {least} or more",
        )


def _check_options(recipe: Recipe) -> None:
    """Check that a recipe has its draw's keys, and no other draw's. Raises RecipeError."""
    options = find_draw(recipe.draw).options
    for key in recipe.options:
        if key not in options.model_fields:
            raise recipe.error_at((key,), _foreign_key(key, recipe.draw))
    for key, about in options.model_fields.items():
        if about.is_required() and key not in recipe.options:
            example = f"; write for example '{about.examples[0]}'" if about.examples else ""
            raise recipe.error_at(("draw",), f"'draw: {recipe.draw}' needs '{key}'{example}")
    try:
        options.model_validate(dict(recipe.options), strict=True)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        raise recipe.error_at(
            tuple(problem["loc"]), f"{'.'.join(map(str, problem['loc']))}: {problem['input']!r}: {problem['msg']}"
        ) from None


def _foreign_key(key: str, draw: str) -> str:
    owners = [name for name in draw_names() if key in find_draw(name).options.model_fields]
    if not owners:
        return f"'draw: {draw}' has no option '{key}'; remove it"
    return f"'{key}' belongs to 'draw: {owners[0]}', but this is 'draw: {draw}'; remove one of them"
