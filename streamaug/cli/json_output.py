"""The option --json: a result as one JSON document on stdout. docs/json.md describes each command's.

Names of keys are those of the Python API. Sizes are bytes, and times seconds. What does not exist is
null, a mean of nothing, too: JSON has no NaN.
"""

import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Annotated, Any, TextIO

import typer

import streamaug
from streamaug.cli.console import notes

_document: ContextVar[TextIO] = ContextVar("document")
"""Where the running command prints its document."""


def _keep_stdout(context: typer.Context, as_json: bool) -> bool:
    if as_json:
        context.with_resource(_own_stdout())
    return as_json


AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables; see docs/json.md.", callback=_keep_stdout)]


@contextlib.contextmanager
def _own_stdout() -> Iterator[None]:
    """Keep stdout for the document. What else is printed meanwhile goes to stderr, also by worker
    processes and by libraries in C, so that a plug-in that prints does not spoil the document."""
    with _stdout_to_stderr() as stdout:
        token = _document.set(stdout)
        try:
            yield
        finally:
            _document.reset(token)


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[TextIO]:
    """Gives what stdout was."""
    stdout = sys.stdout
    try:
        number, other = stdout.fileno(), sys.stderr.fileno()
    except io.UnsupportedOperation:  # no files: a program collects what is printed
        with contextlib.redirect_stdout(sys.stderr):
            yield stdout
        return
    stdout.flush()
    with os.fdopen(os.dup(number), "w", encoding="ascii") as kept:
        os.dup2(other, number)
        try:
            yield kept
        finally:
            stdout.flush()
            os.dup2(kept.fileno(), number)


def print_json(command: str, content: Mapping[str, Any]) -> None:
    """Print the document of a command, all of it ASCII, so that no terminal or locale garbles a name.

    Args:
        command: Name of the command.
        content: Its keys, after those that all documents have. Not a finite number: null.
    """
    document = {"command": command, "streamaug": streamaug.__version__, **content, "notes": notes}
    _document.get().write(json.dumps(strict(document), indent=2, allow_nan=False) + "\n")


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
