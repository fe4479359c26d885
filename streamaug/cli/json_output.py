"""The option --json: a result as one JSON document on stdout. docs/json.md describes each command's.

Names of keys are those of the Python API. Sizes are bytes, and times seconds. What does not exist is
null, a mean of nothing, too: JSON has no NaN.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

import streamaug
from streamaug.cli.console import notes

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables; see docs/json.md.")]


def print_json(command: str, content: Mapping[str, Any]) -> None:
    """Print the document of a command, all of it ASCII, so that no terminal or locale garbles a name.

    Args:
        command: Name of the command.
        content: Its keys, after those that all documents have. Not a finite number: null.
    """
    document = {"command": command, "streamaug": streamaug.__version__, **content, "notes": notes}
    typer.echo(json.dumps(strict(document), indent=2, allow_nan=False))


def strict(value: Any) -> Any:
    """A value with null for every number that JSON does not have.

    >>> strict({"mean": float("nan"), "rows": (1, 2)})
    {'mean': None, 'rows': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {key: strict(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [strict(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
