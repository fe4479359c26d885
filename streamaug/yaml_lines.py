"""Read YAML of plain data with its line numbers, so that an error can name file and line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from streamaug.errors import StreamaugError

_LARGEST = 1 << 20
_PLAIN = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
KeyPath = tuple[str | int, ...]
"""Keys and list indices that lead to a value."""


def read_yaml(path: Path, error: type[StreamaugError], about: str) -> tuple[Any, dict[KeyPath, int]]:
    """Read a YAML file's value, and the line (from 1) on which each part of it begins.

    Duplicate keys, aliases and tags are errors: the first would silently lose a value, the others
    can hide the content of a file.

    Args:
        path: The file.
        error: What to raise.
        about: What the file should be, for errors, such as "a recipe (see docs/recipes.md)".

    Raises:
        StreamaugError: The file is missing, not YAML, or has more than plain data.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise error(f"{path}: larger than {_LARGEST} bytes, so it is not {about}; choose another file")
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise error(f"{path}: no such file; choose {about}") from None
    except (OSError, ValueError) as problem:  # ValueError: not UTF-8, or a path with a zero byte
        raise error(f"{path}: cannot be read as text: {problem}") from problem
    try:
        return _compose(text, path, error)
    except StreamaugError:
        raise
    except yaml.MarkedYAMLError as problem:
        line = f":{problem.problem_mark.line + 1}" if problem.problem_mark else ""
        raise error(f"{path}{line}: not valid YAML: {problem.problem or problem.context}") from problem
    except Exception as problem:  # of `!!bool x` PyYAML makes a KeyError, of `!!int ''` an IndexError, and so on
        raise error(f"{path}: not valid YAML: {type(problem).__name__}: {problem}") from problem


def _compose(text: str, path: Path, error: type[StreamaugError]) -> tuple[Any, dict[KeyPath, int]]:
    lines: dict[KeyPath, int] = {}
    loader = yaml.SafeLoader(text)
    seen: set[int] = set()

    def construct(node: yaml.Node, key_path: KeyPath) -> Any:
        line = node.start_mark.line + 1
        lines.setdefault(key_path, line)
        if id(node) in seen:
            raise error(f"{path}:{line}: an alias (*name) is not allowed; write the value instead")
        seen.add(id(node))
        if isinstance(node, yaml.CollectionNode) and node.tag not in _PLAIN:
            raise error(f"{path}:{line}: not YAML of plain values: the tag {node.tag} is not allowed; remove it")
        if isinstance(node, yaml.MappingNode):
            mapping: dict[Any, Any] = {}
            for key_node, value_node in node.value:
                key, key_line = scalar(key_node), key_node.start_mark.line + 1
                if not isinstance(key, str | int):
                    raise error(f"{path}:{key_line}: {key_node.value!r} cannot be a key; put it in quotes")
                if key in mapping:
                    raise error(f"{path}:{key_line}: duplicate key '{key}', first on line {lines[(*key_path, key)]}; remove one")
                lines[(*key_path, key)] = key_line
                mapping[key] = construct(value_node, (*key_path, key))
            return mapping
        if isinstance(node, yaml.SequenceNode):
            return [construct(item, (*key_path, index)) for index, item in enumerate(node.value)]
        return scalar(node)

    def scalar(node: yaml.Node) -> Any:
        value = loader.construct_object(node)
        if isinstance(value, str):
            value.encode()  # raises for half of a surrogate pair, which an escape can write
        return value

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
