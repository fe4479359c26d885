"""Read the table of clips that a store is built from."""

import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from streamaug.building.excerpts import SECONDS_COLUMNS, Excerpt, excerpt_name
from streamaug.building.near_names import misspelt, same_but_for_blanks_and_case
from streamaug.building.problems import BrokenSourcesError, Problem
from streamaug.building.table_files import is_text, read_file, text_array
from streamaug.building.targets import (
    EMPTY_LABELS,
    kept_aside,
    label_values,
    read_labels,
    read_numbers,
    target_of,
    target_problems,
    value_problem,
)
from streamaug.errors import ClipsError
from streamaug.files import absolute_path
from streamaug.hints import nearest
from streamaug.printable import has_controls
from streamaug.store.format import TARGET_FIELDS, clips_schema
from streamaug.store.targets import target_columns

MAX_ID_BYTES = 90
"""Largest size of a clip_id in UTF-8, so that it fits into a tar header with its extension."""

NAMED_COLUMNS = ("path", *TARGET_FIELDS, "split", "group", "clip_id", *SECONDS_COLUMNS)
"""Columns that mean something to a build, by the names that a table's own columns may stand for."""

RESERVED = frozenset(clips_schema(None).names) - set(NAMED_COLUMNS)
"""Columns that the store adds; a table must not have them."""

_MOST_SPLITS = 100
"""Splits above which they are numbers rather than words, so that no spelling is checked."""


def read_table(path: Path, shard_by: str, columns: Mapping[str, str] | None = None) -> pa.Table:
    """Read a CSV, TSV or Parquet table of clips.

    Args:
        path: Local path of the table. Audio paths in it are relative to its folder.
        shard_by: A column that must exist.
        columns: The table's own names of path, label, labels, target, split, group, clip_id, start
            and stop, where they differ.

    Returns:
        Columns clip_id (default: the file's stem, of an excerpt with its times), path (absolute, or
        "" where there is none), label, labels or target if the table has it, split and group
        (default: null; the recording, if the table has excerpts), then the table's own with the
        types they have in the table; start and stop are float64. An empty cell is null, a start or
        stop that is not a number is NaN; `checks.find_problems` reports such clips.

    Raises:
        BrokenSourcesError: The table lacks a column, or has one that cannot be used; lists all such
            problems, and what is wrong with the clips as far as that is known without decoding.
        ClipsError: The file is missing, not readable or empty.
    """
    path = absolute_path(path)
    table, line_problems = read_file(path)
    names = {name: own for name, own in (columns or {}).items() if own != name}
    table, column_problems = _rename(table, names)
    table = table.rename_columns(kept_aside(table.column_names, (columns or {}).keys()))
    shard_by = renamed(shard_by, names)
    known = table.column_names
    needed = dict.fromkeys(("path", shard_by, *(name for name in TARGET_FIELDS if name in known)))
    messages = [*line_problems, *column_problems, *(_missing(name, known) for name in needed if name not in known), *target_problems(known)]
    messages += [f"the column name '{name}' is reserved for the store; rename the column" for name in sorted(RESERVED & {*known})]
    table, type_problems = _convert(table, shard_by)
    messages += [f"the column '{name}' has {problem}" for name, problem in type_problems.items()]
    if not table.num_rows and not messages:
        raise ClipsError(f"clips table {path} lists no clips; add one row per clip")
    table = _complete(table, path.parent)
    if messages:
        of_table = [Problem(row=0, clip_id="", path=str(path), severity="error", message=message) for message in messages]
        usable = [name for name in needed if name in known and name not in type_problems]
        raise BrokenSourcesError([*of_table, *_problems_without_decoding(table, usable)])
    return table


def check_any_file_exists(table: pa.Table, shard_by: str) -> None:
    """Refuse a table none of whose files exists: its paths are relative to another folder.

    Args:
        table: Clips as `read_table` returns them.
        shard_by: Column to shard by.

    Raises:
        BrokenSourcesError: Lists all clips, and what else is wrong with them.
    """
    if all(not path or _missing_file(path) for path in table["path"].to_pylist()):
        raise BrokenSourcesError(list(_problems_without_decoding(table, ["path", *target_columns(target_of(table)), shard_by])))


def renamed(column: str, columns: Mapping[str, str]) -> str:
    """The name that a build knows a table's column by.

    >>> renamed("fold", {"split": "fold"}), renamed("device", {"split": "fold"})
    ('split', 'device')
    """
    return next((name for name, own in columns.items() if own == column), column)


def _rename(table: pa.Table, names: Mapping[str, str]) -> tuple[pa.Table, list[str]]:
    """A table with the names that a build knows, each once, and what is wrong with its own."""
    problems = []
    for name, count in Counter(table.column_names).items():
        if count > 1:
            problems.append(f"the column '{name}' is there {count} times; rename or remove one")
    first = [number for number, name in enumerate(table.column_names) if name not in table.column_names[:number]]
    table = table.select(first)
    for name, own in names.items():
        if own not in table.column_names:
            problems.append(f"no column '{own}', which was named for '{name}'. {nearest(own, table.column_names)}")
        elif name in table.column_names:
            problems.append(f"a column '{name}' besides '{own}', which was named for it; rename or remove one")
    renamed = {own: name for name, own in names.items() if name not in table.column_names}
    return table.rename_columns([renamed.get(name, name) for name in table.column_names]), problems


def _missing(name: str, known: list[str]) -> str:
    shown = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
    option = f"name it with --{name}-column" if name in ("path", "split", "group") else "choose another with --shard-by"
    return f"no column '{name}'; it has {shown or 'none'}; {option}, or add it"


def _convert(table: pa.Table, shard_by: str) -> tuple[pa.Table, dict[str, str]]:
    """A table whose columns with a meaning are text, lists of labels or numbers, and for those that
    cannot be, what they have."""
    problems = {}
    for number, name in enumerate(table.column_names):
        column = _decoded(table[name])
        if name in SECONDS_COLUMNS:
            column, problem = _as_seconds(column)
            if problem:
                problems[name] = problem
        elif name in ("labels", "target"):
            column, problem = read_labels(column) if name == "labels" else read_numbers(column)
            if problem:
                problems[name] = problem
        elif name in NAMED_COLUMNS or name == shard_by:
            kind = column.type
            column, problem = _as_text(column, is_path=name == "path")
            if problem:
                problems[name] = problem
            elif name not in NAMED_COLUMNS and not is_text(kind):
                column = _without_nan(_decoded(table[name]))  # keeps its type: folds are numbers
        table = table.set_column(number, name, column)
    return table, problems


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column whose values are not numbers of a dictionary, nor views, of which Arrow takes no rows;
    a day or time fits Python's types."""
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    if pa.types.is_string_view(column.type):
        return pc.cast(column, pa.string())
    if pa.types.is_binary_view(column.type):
        return pc.cast(column, pa.binary())
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        try:
            return pc.cast(column, pa.timestamp("us", column.type.tz))
        except pa.ArrowInvalid:
            return column
    return column


def _as_text(column: pa.ChunkedArray, *, is_path: bool) -> tuple[pa.ChunkedArray, str | None]:
    """A column as text, null where it is empty or not a number, or why it cannot be text."""
    kind, count = column.type, len(column)
    nothing = pa.chunked_array([pa.nulls(count, pa.string())])
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or is_text(kind):
        try:
            text = pc.cast(column, pa.string())
        except pa.ArrowInvalid:
            return nothing, "bytes that are not UTF-8 text; write text"
        is_filled = pc.cast(pc.utf8_length(pc.utf8_trim_whitespace(text)), pa.bool_())
        return pc.if_else(is_filled, text, pa.nulls(count, pa.string())), None
    if pa.types.is_nested(kind):
        remedy = "'streamaug table' unpacks audio from such a data set" if is_path else "write one value per clip"
        return nothing, f"{'lists' if pa.types.is_list(kind) or pa.types.is_large_list(kind) else 'records'} ({kind}); {remedy}"
    if is_path and not pa.types.is_null(kind):
        return nothing, f"values of type {kind}, not paths; write the names of the audio files"
    try:
        return pc.cast(_without_nan(column), pa.string()), None
    except pa.ArrowException:
        return nothing, f"values of type {kind}, which have no text; write text"


def _as_seconds(column: pa.ChunkedArray) -> tuple[pa.ChunkedArray, str | None]:
    """A column as float64, null where it is empty and NaN where it is not a number, or why it cannot
    be numbers."""
    kind = column.type
    if is_text(kind):
        return pa.chunked_array([pa.array([_seconds(cell) for cell in column.to_pylist()], pa.float64())]), None
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return pc.cast(_without_nan(column), pa.float64(), safe=False), None  # longer than any clip anyway
    return pa.chunked_array([pa.nulls(len(column), pa.float64())]), f"values of type {kind}, not seconds; write numbers, or rename it"


def _seconds(cell: str | None) -> float | None:
    """
    >>> _seconds("12.5"), _seconds(" "), _seconds("0:30")
    (12.5, None, nan)
    """
    if not cell or not cell.strip():
        return None
    try:
        return float(cell)
    except ValueError:
        return math.nan


def _without_nan(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column whose gaps are null, also where pandas wrote them as NaN."""
    kind = column.type
    return pc.if_else(pc.is_nan(column), pa.nulls(len(column), kind), column) if pa.types.is_floating(kind) else column


def _complete(table: pa.Table, folder: Path) -> pa.Table:
    """The columns of a store in their order, with defaults, then the table's own."""
    paths = [resolve_path(name, str(folder)) for name in _values(table, "path")]
    excerpts = list(map(Excerpt, paths, _values(table, "start"), _values(table, "stop")))
    ids = _values(table, "clip_id") if "clip_id" in table.column_names else list(map(default_id, excerpts))
    full: dict[str, pa.Array | pa.ChunkedArray] = {"clip_id": text_array(ids), "path": text_array(paths, has_nulls=False)}
    full |= {name: table[name] for name in TARGET_FIELDS if name in table.column_names}
    for name in ("split", "group"):
        full[name] = table[name] if name in table.column_names else pa.nulls(table.num_rows, pa.string())
    if not all(excerpt.is_whole for excerpt in excerpts):
        full["group"] = pc.coalesce(full["group"], text_array(_recordings(paths, folder)))
    return pa.table({**full, **{name: table[name] for name in table.column_names if name not in full}})


def _recordings(paths: Sequence[str], folder: Path) -> list[str]:
    """Names of files that stay the same where the table is copied together with them."""
    names = {path: path if not path or "://" in path else os.path.relpath(path, folder) for path in paths}
    return [names[path] for path in paths]


def default_id(excerpt: Excerpt) -> str:
    """The clip_id of a clip whose table has none.

    >>> default_id(Excerpt("/audio/a.wav")), default_id(Excerpt("/audio/a.wav", 2, 4))
    ('a', 'a-00002000-00004000')
    """
    return _stem(excerpt.path if excerpt.is_whole else excerpt_name(excerpt.path, excerpt.start, excerpt.stop))


def _values(table: pa.Table, name: str) -> list[Any]:
    values: list[Any] = table[name].to_pylist() if name in table.column_names else [None] * table.num_rows
    return values


def resolve_path(name: str | None, folder: str) -> str:
    """The absolute path or URL of an audio file, "" where there is none.

    >>> resolve_path("a.wav", "/data"), resolve_path("s3://bucket/a.wav", "/data"), resolve_path(None, "/data")
    ('/data/a.wav', 's3://bucket/a.wav', '')
    """
    if not name or "://" in name:
        return name or ""
    return os.path.join(folder, os.path.expanduser(name) if name.startswith("~/") else name)  # noqa: PTH111, PTH118  # a Path for each of 200 000 takes seconds


def _stem(path: str) -> str:
    """
    >>> _stem("/audio/clip.v1.wav"), _stem("s3://bucket/.wav"), _stem("")
    ('clip.v1', '.wav', '')
    """
    return os.path.splitext(path.rpartition("/")[2])[0]  # noqa: PTH122  # a Path for each of 200 000 takes seconds


def _problems_without_decoding(table: pa.Table, needed: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with single clips, for a report about a table that will not be built."""
    checks: dict[str, Callable[[str], str | None]] = {"clip_id": id_problem, "path": _missing_file}
    target, times = target_of(table), [name for name in SECONDS_COLUMNS if name in table.column_names]
    for row, clip in enumerate(table.select(list(dict.fromkeys(("clip_id", "path", *needed, *times)))).to_pylist(), start=1):
        messages = [empty_cell(name) for name in dict.fromkeys(needed) if clip[name] in (None, "")]
        if target is not None and target in needed and clip[target] is not None and (problem := value_problem(target, clip[target])):
            messages.append(problem)
        messages += [problem for name, check in checks.items() if clip[name] and (problem := check(clip[name]))]
        messages += [problem for problem in [Excerpt.of(clip).error] if problem]
        for message in messages:
            yield Problem(row=row, clip_id=clip["clip_id"] or "", path=clip["path"], severity="error", message=message)


def _missing_file(path: str) -> str | None:
    return None if "://" in path or os.path.exists(path) else "missing; correct its path or remove it from the table"  # noqa: PTH110  # a Path for each of 200 000 takes seconds


def empty_cell(column: str) -> str:
    """The message about a clip without a value that it needs."""
    return EMPTY_LABELS if column == "labels" else f"an empty cell, or NaN, in the column '{column}'; fill it in"


def id_problem(clip_id: str | None) -> str | None:
    """What is wrong with a clip_id, or None.

    >>> id_problem("clip.v1")
    "a dot in its id, where webdataset would split it; write another id into the column 'clip_id'"
    """
    if clip_id and "." in clip_id:
        return "a dot in its id, where webdataset would split it; write another id into the column 'clip_id'"
    if not clip_id or "/" in clip_id or "\\" in clip_id or has_controls(clip_id):
        return "an id that is empty or contains '/', '\\', control or direction characters; write another id into the column 'clip_id'"
    if len(clip_id.encode()) > MAX_ID_BYTES:
        return f"an id longer than {MAX_ID_BYTES} bytes; write a shorter one into the column 'clip_id'"
    return None


def near_name_warnings(table: pa.Table) -> list[str]:
    """One line per pair of labels, splits or groups that somebody probably meant to be the same.

    Args:
        table: Clips as `read_table` returns them.
    """
    lines = []
    for column in ("label", "split", "group"):
        counts = Counter(label_values(table) if column == "label" else table[column].drop_null().to_pylist())
        near: list[tuple[tuple[str, ...], str]] = [
            (names, "differ only in blanks or case") for names in same_but_for_blanks_and_case(counts)
        ]
        if column == "split" and len(counts) <= _MOST_SPLITS:
            near += [(names, "differ only by a letter") for names in misspelt(counts)]
        for names, what in near:
            shown = " and ".join(f"'{name}' ({counts[name]} clip{'s' if counts[name] > 1 else ''})" for name in names)
            lines.append(f"warning: {column}s {shown} {what}; write them in the same way if they mean the same")
    return lines
