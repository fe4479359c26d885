"""YAML that remembers its lines, so that an error can say where it stands. Reads plain data only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from streamaug.errors import RecipeError

_LARGEST = 1 << 20
_PLAIN = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
KeyPath = tuple[str | int, ...]
"""Keys and list places that lead to a value."""


def read_yaml(path: Path) -> tuple[Any, dict[KeyPath, int]]:
    """A YAML file's value, and the line (from 1) on which each part of it begins.

    Keys that stand twice, anchors and tags are refused: the first would lose a value in silence, the others can hide what
    a file says. Raises RecipeError.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise RecipeError(f"{path}: larger than {_LARGEST} bytes, so no recipe")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RecipeError(f"{path}: there is no such file; name a recipe (a YAML file, see docs/recipes.md)") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not readable as text: {error}") from error
    try:
        return _compose(text, path)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        raise RecipeError(f"{path}{line}: no YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RecipeError(f"{path}: no YAML: {error}") from error


def _compose(text: str, path: Path) -> tuple[Any, dict[KeyPath, int]]:
    lines: dict[KeyPath, int] = {}
    loader = yaml.SafeLoader(text)
    seen: set[int] = set()

    def construct(node: yaml.Node, where: KeyPath) -> Any:
        line = node.start_mark.line + 1
        lines.setdefault(where, line)
        if id(node) in seen:
            raise RecipeError(f"{path}:{line}: an alias (*name); write the value out")
        seen.add(id(node))
        if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN:
            raise RecipeError(f"{path}:{line}: no YAML of plain values: the tag {node.tag}; take it out")
        if isinstance(node, yaml.MappingNode):
            mapping: dict[Any, Any] = {}
            for key_node, value_node in node.value:
                key, key_line = loader.construct_object(key_node), key_node.start_mark.line + 1
                if not isinstance(key, str | int):
                    raise RecipeError(f"{path}:{key_line}: {key_node.value!r} cannot be a key; put it in quotes")
                if key in mapping:
                    raise RecipeError(f"{path}:{key_line}: '{key}' stands twice, first on line {lines[(*where, key)]}; keep one")
                lines[(*where, key)] = key_line
                mapping[key] = construct(value_node, (*where, key))
            return mapping
        if isinstance(node, yaml.SequenceNode):
            return [construct(item, (*where, place)) for place, item in enumerate(node.value)]
        return loader.construct_object(node)

    try:
        node = loader.get_single_node()
        value = None if node is None else construct(node, ())
    finally:
        loader.dispose()
    return value, lines


def line_of(lines: Mapping[KeyPath, int], where: KeyPath) -> int | None:
    """The line of the innermost part of a path that the file has.

    Steps that are not in the file are left out: validators add some of their own.
    """
    known: KeyPath = ()
    for step in where:
        if (*known, step) in lines:
            known = (*known, step)
    return lines.get(known)
