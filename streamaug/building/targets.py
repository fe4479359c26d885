"""Read what a model shall learn of each clip of a table, and say what is wrong with it."""

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.building.near_names import misspelt, same_but_for_blanks_and_case
from streamaug.building.table_files import is_text
from streamaug.store.format import TARGET_FIELDS, Target

SEPARATOR = ";"
"""Between the labels of a clip in a CSV file."""

_FLOAT32_MAX = float(np.finfo(np.float32).max)

EMPTY_LABELS = (
    "an empty cell in the column 'labels'; write its labels, such as a;b (a Parquet table may have an empty list for a clip without any)"
)


def target_of(table: pa.Table) -> Target | None:
    """The column of a table with what a model learns; None if it has none."""
    return next((name for name in TARGET_FIELDS if name in table.column_names), None)


def target_problems(names: Sequence[str]) -> list[str]:
    """What is wrong with the columns of a table, as far as they are targets.

    Args:
        names: The columns.

    >>> target_problems(["path", "Label"])
    ["no column 'label', but 'Label'; rename it, or name it with --label-column"]
    """
    targets = [name for name in TARGET_FIELDS if name in names]
    if len(targets) > 1:
        several = " and ".join(f"'{name}'" for name in targets)
        remedy = " or ".join(f"--{name}-column" for name in targets)
        return [f"the columns {several}, but a store has one of label, labels and target; name the one that is meant with {remedy}"]
    near = [(name, own) for own in names for name in TARGET_FIELDS if not targets and _is_near(name, own)]
    return [f"no column '{name}', but '{own}'; rename it, or name it with --{name}-column" for name, own in near[:1]]


def kept_aside(names: Sequence[str], named: Collection[str]) -> list[str]:
    """Names of a table's columns, in which what could be another target is an ordinary column.

    Args:
        names: The columns.
        named: What the user has named columns for; a target among them is the one that is meant.

    >>> kept_aside(["path", "label", "target"], ["path", "label"]), kept_aside(["path", "label", "target"], [])
    (['path', 'label', 'source_target'], ['path', 'label', 'target'])
    """
    chosen = [name for name in TARGET_FIELDS if name in named]
    return [f"source_{name}" if len(chosen) == 1 and name in TARGET_FIELDS and name not in chosen else name for name in names]


def _is_near(name: str, own: str) -> bool:
    return bool(same_but_for_blanks_and_case([name, own]) or misspelt([name, own]))


def read_labels(column: pa.ChunkedArray) -> tuple[pa.Array, str | None]:
    """The labels of each clip as the table has them, null where a cell is empty; and why that cannot
    be.

    Args:
        column: Text such as `a;b`, or lists of text.
    """
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    cells: list[Any] = column.to_pylist()
    if is_list:
        lists = [None if cell is None else ["" if label is None else label for label in cell] for cell in cells]
    elif is_text(kind):
        lists = [cell.split(SEPARATOR) if cell and cell.strip() else None for cell in cells]
    elif pa.types.is_null(kind):
        lists = [None] * len(cells)
    else:
        lists = []
    if len(lists) < len(cells) or not all(isinstance(label, str) for labels in lists for label in labels or ()):
        return pa.nulls(len(cells), pa.list_(pa.string())), f"values of type {kind}; write labels as text, such as a;b, or as lists of text"
    return pa.array([None if labels is None else list(map(str.strip, labels)) for labels in lists], pa.list_(pa.string())), None


def read_numbers(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str | None]:
    """Targets as float64, or as text where that is what the table has, null where a cell is empty;
    and why they cannot be numbers."""
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = pc.cast(column, pa.float64(), safe=False)  # batches hold float32, which rounds earlier
        return pc.if_else(pc.is_nan(numbers), pa.nulls(len(numbers), pa.float64()), numbers), None
    if is_text(kind):
        cells = [cell.strip() if cell and cell.strip().lower() != "nan" else None for cell in column.to_pylist()]
        return pa.chunked_array([pa.array([cell or None for cell in cells], pa.string())]), None
    empty = pa.chunked_array([pa.nulls(len(column), pa.float64())])
    return empty, None if pa.types.is_null(kind) else f"values of type {kind}, not numbers; write numbers"


def value_problem(target: Target, value: Any) -> str | None:
    """What is wrong with a clip's target that is not missing, or None.

    Args:
        target: The column.
        value: As `read_labels` or `read_numbers` gives it.

    >>> print(value_problem("label", '["cat", "dog"]'))
    several labels in the column 'label', ["cat", "dog"]; name it with --labels-column label, or write one label
    >>> value_problem("labels", ["cat", "cat", "dog"])
    "the label 'cat' twice; write it once"
    >>> value_problem("target", "3,5")
    "the target '3,5', which is not a number; write one such as 3.5"
    """
    if target == "label" and is_list(value):
        return f"several labels in the column 'label', {value}; name it with --labels-column label, or write one label"
    if target == "labels":
        twice = [label for label, count in Counter(value).items() if count > 1]
        if "" in value:
            return f"an empty label among '{SEPARATOR.join(value)}'; remove it"
        if any(label.startswith("[") and label.endswith("]") for label in value):
            return f"a list that is written as text, '{SEPARATOR.join(value)}'; write a;b"
        if any(SEPARATOR in label for label in value):
            label = next(label for label in value if SEPARATOR in label)
            return f"the label '{label}' with a '{SEPARATOR}' in it, which separates labels; write it in another way"
        return f"the label '{twice[0]}' twice; write it once" if twice else None
    if target == "target":
        number = as_number(value)
        if number is None:
            return f"the target '{value}', which is not a number; write one such as 3.5"
        if not abs(number) <= _FLOAT32_MAX:
            return f"the target {value}, which no float32 can hold; write a smaller number"
    return None


def is_list(cell: str) -> bool:
    """Whether a cell is a list or a record as programs write them into text.

    >>> is_list('["dog", "rain"]'), is_list("['dog', 'rain']"), is_list("[1, 2]"), is_list("[laughter]"), is_list("[]")
    (True, True, True, False, True)
    """
    if cell[:1] not in ("[", "{"):
        return False
    try:
        json.loads(cell)
    except (ValueError, RecursionError):
        return re.fullmatch(r"\[\s*'.*'\s*\]", cell, re.DOTALL) is not None
    return True


def as_number(value: Any) -> float | None:
    """A target as a number; None if it is not one.

    >>> as_number("1e-3"), as_number(" 2"), as_number("1_000"), as_number("two")
    (0.001, 2.0, None, None)
    """
    try:
        number = float(value)
    except ValueError:
        return None
    return None if math.isnan(number) or (isinstance(value, str) and "_" in value) else number


def comparable(target: Target, value: Any) -> Any:
    """A clip's target so that two can be compared, and be shown: the same for `0.5` and `0.50`."""
    if target == "labels":
        return SEPARATOR.join(sorted(value))
    return as_number(value) if target == "target" else value


def with_targets(clips: pa.Table) -> pa.Table:
    """Clips without errors, with their targets as a store has them: labels sorted, numbers as
    float64."""
    target = target_of(clips)
    if target == "labels":
        column = pa.array([sorted(labels) for labels in clips["labels"].to_pylist()], clips["labels"].type)
    elif target == "target":
        column = pa.array([as_number(value) for value in clips["target"].to_pylist()], pa.float64())
    else:
        return clips
    return clips.set_column(clips.column_names.index(target), target, column)


def label_values(table: pa.Table) -> list[str]:
    """All labels of all clips, as often as they occur."""
    target = target_of(table)
    if target not in ("label", "labels"):
        return []
    column = table[target].drop_null()
    labels: list[str] = (column if target == "label" else pc.list_flatten(column)).to_pylist()
    return labels


def no_target_note(names: Sequence[str]) -> str:
    """What to say about a table without any target.

    Args:
        names: Its columns.

    >>> no_target_note(["path", "split"])
    'no column label, labels or target, so there is nothing to learn but the audio itself'
    """
    own = [name for name in names if name not in ("clip_id", "path", "start", "stop", "split", "group")]
    named = f"; if it is one of {', '.join(own[:10])}, name it with --label-column, --labels-column or --target-column" if own else ""
    return f"no column label, labels or target, so there is nothing to learn but the audio itself{named}"


def target_warnings(table: pa.Table) -> Iterator[str]:
    """What somebody may have meant otherwise, one line each, for people.

    Args:
        table: Clips as `read_table` returns them.
    """
    target = target_of(table)
    if target is None:
        yield f"warning: {no_target_note(table.column_names)}"
    if target == "label":
        joined = [label for label in label_values(table) if SEPARATOR in label]
        if joined:
            yield f"warning: the label '{joined[0]}' is one class; if it is several, call the column labels (--labels-column label)"
    if target == "labels":
        known = set(label_values(table))
        for separator in ",|":
            joined = sorted(label for label in known if separator in label and known.intersection(map(str.strip, label.split(separator))))
            if joined:
                yield f"warning: the label '{joined[0]}' is one class, though its parts are others; separate labels with '{SEPARATOR}'"
