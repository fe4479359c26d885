"""Read a recipe and join it with the recipes that it extends.

Each file becomes a `_Part`: its settings by key, and where each was written. A file's parents are
merged into one part first, in which they must agree; then the file's own settings go on top.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from streamaug.condition_names import STORE_NAMES, is_store_name, split_store
from streamaug.conditions import Condition
from streamaug.errors import ConditionError, LinkError, RecipeError
from streamaug.files import absolute_path
from streamaug.links import Link, LinkDefinition, check_name
from streamaug.recipes.column_weights import ColumnWeights
from streamaug.recipes.recipe import Bucket, Recipe, Share, Where
from streamaug.recipes.schedule import Schedule, Unit
from streamaug.recipes.schema import (
    BucketFile,
    ByStepFile,
    RampFile,
    RecipeFile,
    ShareFile,
    WindowFile,
    option_keys,
    read_recipe_file,
    read_recipe_mapping,
)
from streamaug.recipes.store_names import location_from
from streamaug.yaml_lines import KeyPath, location_of

_EXAMPLE = {"draw": "union", "mixture": {"original": 1, "mp3_64": 1}}
_PLAIN = ("draw", "weights", "stratify", "balance", "shuffle", "stores", "rename_labels", "links", "shared_groups")
_NOT_INHERITED = ("title", "allow_leakage")


@dataclass(kw_only=True)
class _Part:
    """What one or several recipe files say.

    Args:
        mixture: Shares by condition; several files' mixtures are joined as a set.
        where: Choice of clips; several files' choices are joined by "and".
        values: All other settings by key; a file overrides its parents.
        options: The settings that only the draw takes; a file overrides its parents.
        source_locations: File and line of each key path.
    """

    mixture: dict[str, Share] = field(default_factory=dict)
    where: Where = ()
    values: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    source_locations: dict[KeyPath, str] = field(default_factory=dict)


def load_recipe(recipe: str | os.PathLike[str] | Mapping[str, Any]) -> Recipe:
    """Read a recipe and the recipes that it extends.

    Args:
        recipe: A YAML file, see docs/recipes.md, or a dictionary with the same keys. `~` is the
            home folder. Paths in `extends` and `stores` are relative to the file; those of a
            dictionary to the working directory.

    Raises:
        RecipeError: The recipe cannot be read or contradicts itself. The message has the file, the
            line, the offending value and the remedy.
    """
    if isinstance(recipe, Mapping):
        file, locations = read_recipe_mapping(recipe)
        start, title = locations[()], "recipe"
        part = _extended(file, locations, Path.cwd(), ())
    elif isinstance(recipe, str | os.PathLike):
        path = _expanded(recipe)
        start, title = f"{path}:1", path.stem
        part = _read(path, ())
    else:
        raise RecipeError(f"recipe={recipe!r}: write the path of a YAML file, or a dictionary such as {_EXAMPLE}")
    for present, key, example in (
        ("draw" in part.values, "draw", "draw: union"),
        (part.mixture, "mixture", "mixture: {original: 1, mp3_64: 1}"),
    ):
        if not present:
            raise RecipeError(f"{start}: '{key}' is missing; write for example '{example}'")
    return Recipe(
        title=part.values.pop("title", None) or title,
        mixture=part.mixture,
        where=part.where,
        **_shuffle(part.values.pop("shuffle", "full")),
        options=part.options,
        source_locations=part.source_locations,
        **part.values,
    )


def _expanded(path: str | os.PathLike[str]) -> Path:
    """A path with the home folder for `~`; others stay as they are, for errors."""
    return absolute_path(path) if os.fspath(path).startswith("~") else Path(path)


def _read(path: Path, children: tuple[Path, ...]) -> _Part:
    """A file, joined with what it extends.

    Args:
        path: The file.
        children: The files that led here by `extends`, to find circles.
    """
    file, locations = read_recipe_file(path)
    return _extended(file, locations, path.parent, (*children, path.resolve()))


def _extended(file: RecipeFile, locations: dict[KeyPath, str], folder: Path, children: tuple[Path, ...]) -> _Part:
    """What a file or dictionary says, joined with what it extends.

    Args:
        file: Its content.
        locations: Where its parts are.
        folder: Where relative paths begin.
        children: The files that led here by `extends`, this one included.
    """
    parents = _Part()
    for number, name in enumerate(file.extends or ()):
        parent_path = folder / _expanded(name)
        if parent_path.resolve() in children:
            circle = " extends ".join(each.name for each in (*children[children.index(parent_path.resolve()) :], parent_path))
            raise RecipeError(f"{location_of(locations, ('extends', number))}: circular 'extends': {circle}; remove one of them")
        _merge_parent(parents, _inherited(_read(parent_path, children), file))
    return _override(parents, _part_of(file, locations, folder))


def _part_of(file: RecipeFile, source_locations: dict[KeyPath, str], folder: Path) -> _Part:
    """What a file in a folder says itself."""
    values = {key: getattr(file, key) for key in (*_NOT_INHERITED, *_PLAIN) if getattr(file, key) is not None}
    if file.shuffle is not None:
        values["shuffle"] = file.shuffle
    if file.weights is not None:
        values["weights"] = _column_weights(file.weights, source_locations)
    if file.balance is not None:
        values["balance"] = tuple(file.balance)
    if file.stores is not None:
        values["stores"] = {name: location_from(folder, location) for name, location in file.stores.items()}
    if file.links is not None:
        values["links"] = _links(file.links, source_locations, folder)
    options = {key: getattr(file, key) for key in option_keys(file) if getattr(file, key) is not None}
    mixture = {name: _share(name, weight, source_locations["mixture", name]) for name, weight in (file.mixture or {}).items()}
    return _Part(mixture=mixture, where=_where(file.where or {}), values=values, options=options, source_locations=source_locations)


def _share(name: str, weight: Any, source_location: str) -> Share:
    """A condition's share from its weight and choice of clips. Raises RecipeError."""
    share = weight if isinstance(weight, ShareFile) else ShareFile(weight=weight)
    store, condition = split_store(name)
    if ":" in name and not is_store_name(store):
        raise RecipeError(f"{source_location}: '{name}': '{store}' is not {STORE_NAMES}")
    try:
        Condition.parse(condition)
    except ConditionError as error:
        raise RecipeError(f"{source_location}: {error}") from None
    return Share(weight=_schedule(name, share.weight, source_location), where=_where(share.where or {}))


def _schedule(name: str, weight: float | dict[int, float] | RampFile | ByStepFile, source_location: str) -> Schedule:
    """A condition's weight over time. Raises RecipeError if it does not begin at 0."""
    unit: Unit = "step" if isinstance(weight, ByStepFile) else "epoch"
    shape = weight.by_step if isinstance(weight, ByStepFile) else weight
    points = shape.ramp if isinstance(shape, RampFile) else shape
    if isinstance(points, dict) and 0 not in points:
        first = min(points)
        raise RecipeError(f"{source_location}: the weights of '{name}' begin at {unit} {first}; write '{{0: …, {first}: …}}', 0 first")
    return Schedule.of(points, ramp=isinstance(shape, RampFile), unit=unit)


def _column_weights(weights: Mapping[str, Any], source_locations: Mapping[KeyPath, str]) -> tuple[ColumnWeights, ...]:
    """Weights by column, sorted. Raises RecipeError if a value has two weights."""
    for column, values in weights.items():
        texts = [str(value) for value in values] if isinstance(values, Mapping) else []
        twice = next((text for number, text in enumerate(texts) if text in texts[:number]), None)
        if twice is not None:
            raise RecipeError(f"{source_locations['weights', column]}: weights: '{twice}' has two weights; remove one")
    return tuple(
        ColumnWeights.of(column, values if isinstance(values, str) else {str(value): weight for value, weight in values.items()})
        for column, values in sorted(weights.items())
    )


def _links(links: Mapping[str, LinkDefinition], source_locations: Mapping[KeyPath, str], folder: Path) -> dict[str, Link]:
    """Links by name. Raises RecipeError if one contradicts itself, or its trace cannot be read."""
    opened = {}
    for name, definition in links.items():
        try:
            check_name(name)
            opened[name] = definition.open(folder)
        except LinkError as error:
            raise RecipeError(f"{source_locations['links', name]}: links: {error}") from None
    return opened


def _shuffle(shuffle: Literal["full"] | WindowFile | BucketFile) -> dict[str, Any]:
    """The fields of a recipe that say how it is shuffled."""
    if isinstance(shuffle, BucketFile):
        return {"bucket": Bucket(rows=shuffle.bucket, batch=shuffle.batch)}
    return {"window": shuffle.window} if isinstance(shuffle, WindowFile) else {}


def _inherited(parent: _Part, file: RecipeFile) -> _Part:
    """What a file inherits: all that it does not set; no options if it sets the draw."""
    for key in (*_NOT_INHERITED, *_PLAIN):
        if key in _NOT_INHERITED or getattr(file, key) is not None:
            parent.values.pop(key, None)
    for key in tuple(parent.options):
        if file.draw is not None or getattr(file, key, None) is not None:
            del parent.options[key]
    return parent


def _merge_parent(parents: _Part, parent: _Part) -> None:
    """Add a parent to those before it. Raises RecipeError if they disagree."""
    _merge_mixture(parents, parent)
    _merge_where(parents, parent)
    for settings, others in ((parents.values, parent.values), (parents.options, parent.options)):
        for key, value in others.items():
            if key in settings and settings[key] != value:
                raise RecipeError(
                    f"{parent.source_locations[key,]}: '{key}' is not the same as in {parents.source_locations[key,]}; "
                    f"set '{key}' in the recipe that extends both"
                )
            settings[key] = value
    parents.source_locations = {**parent.source_locations, **parents.source_locations}


def _override(parents: _Part, own: _Part) -> _Part:
    """A file on top of its parents. Raises RecipeError if a condition has two weights."""
    _merge_mixture(parents, own)
    _merge_where(parents, own)
    own_locations = {
        key_path: location
        for key_path, location in own.source_locations.items()
        if key_path[:1] != ("mixture",) or key_path not in parents.source_locations
    }
    return _Part(
        mixture=parents.mixture,
        where=parents.where,
        values=parents.values | own.values,
        options=parents.options | own.options,
        source_locations=parents.source_locations | own_locations,
    )


def _merge_mixture(part: _Part, other: _Part) -> None:
    """Join mixtures as a set. Raises RecipeError if a condition has two weights."""
    for condition, share in other.mixture.items():
        if condition in part.mixture:
            before = part.mixture[condition]
            first, second = (each.source_locations["mixture", condition] for each in (part, other))
            if before.weight != share.weight:
                raise RecipeError(
                    f"{second}: '{condition}' has the weight {share.weight.plain()}, but {before.weight.plain()} in {first}; "
                    "give it one weight"
                )
            share = Share(weight=share.weight, where=_both(before.where, share.where, second))
        part.mixture[condition] = share


def _merge_where(part: _Part, other: _Part) -> None:
    """Join choices of clips by "and". Raises RecipeError if no clip would be left."""
    part.where = _both(part.where, other.where, other.source_locations.get(("where",), "recipe"))


def _where(where: Mapping[str, Sequence[str | int]]) -> Where:
    return tuple(sorted((column, tuple(sorted({str(value) for value in values}))) for column, values in where.items()))


def _both(one: Where, other: Where, source_location: str) -> Where:
    joined = dict(one)
    for column, values in other:
        common = tuple(value for value in values if value in joined.get(column, values))
        if not common:
            raise RecipeError(
                f"{source_location}: where: no {column} is in both {list(joined[column])} and {list(values)}; no clip would be left"
            )
        joined[column] = common
    return tuple(sorted(joined.items()))
