"""Read YAML of plain data with its line numbers, so that an error can name file and line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from streamaug.errors import RecipeError

_LARGEST = 1 << 20
_PLAIN = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
KeyPath = tuple[str | int, ...]
"""Keys and list indices that lead to a value."""


def read_yaml(path: Path) -> tuple[Any, dict[KeyPath, int]]:
    """Read a YAML file's value, and the line (from 1) on which each part of it begins.

    Duplicate keys, aliases and tags are errors: the first would silently lose a value, the others
    can hide the content of a file.

    Raises:
        RecipeError: The file is missing, not YAML, or has more than plain data.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise RecipeError(f"{path}: larger than {_LARGEST} bytes, so it is not a recipe; choose a YAML file, see docs/recipes.md")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: no such file; choose a recipe (a YAML file, see docs/recipes.md)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as text: {error}") from error
    try:
        return _compose(text, path)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise RecipeError(f"{path}{line}: not valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(f"{path}: not valid YAML: {error}") from error


def _compose(text: str, path: Path) -> tuple[Any, dict[KeyPath, int]]:
    lines: dict[KeyPath, int] = {}
    loader = yaml.SafeLoader(text)
    seen: set[int] = set()

    def construct(node: yaml.Node, key_path: KeyPath) -> Any:
        line = node.start_mark.line + 1
        lines.setdefault(key_path, line)
        if id(node) in seen:
            raise RecipeError(f"{path}:{line}: an alias (*name) is not allowed; write the value instead")
        seen.add(id(node))
        if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN:
            raise RecipeError(f"{path}:{line}: not YAML of plain values: the tag {node.tag} is not allowed; remove it")
        if isinstance(node, yaml.MappingNode):
            mapping: dict[Any, Any] = {}
            for key_node, value_node in node.value:
                key, key_line = loader.construct_object(key_node), key_node.start_mark.line + 1
                if not isinstance(key, str | int):
                    raise RecipeError(f"{path}:{key_line}: {key_node.value!r} cannot be a key; put it in quotes")
                if key in mapping:
                    raise RecipeError(f"{path}:{key_line}: duplicate key '{key}', first on line {lines[(*key_path, key)]}; remove one")
                lines[(*key_path, key)] = key_line
                mapping[key] = construct(value_node, (*key_path, key))
            return mapping
        if isinstance(node, yaml.SequenceNode):
            return [construct(item, (*key_path, index)) for index, item in enumerate(node.value)]
        return loader.construct_object(node)

    try:
        node = loader.get_single_node()
        value = None if node is None else construct(node, ())
    finally:
        loader.dispose()
    return value, lines


def location_of(locations: Mapping[KeyPath, str], key_path: KeyPath) -> str | None:
    """The location of the innermost part of a key path that the recipe has.

    Steps that are not in the recipe are ignored: validators add some of their own.
    """
    known: KeyPath = ()
    for step in key_path:
        if (*known, step) in locations:
            known = (*known, step)
    return locations.get(known)
