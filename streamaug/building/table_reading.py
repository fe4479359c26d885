"""Read the table of clips that a store is built from."""

import re
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from streamaug.errors import ClipsError
from streamaug.files import absolute_path
from streamaug.store.format import CLIPS_SCHEMA

MAX_ID_BYTES = 90
"""Largest size of a clip_id in UTF-8, so that it fits into a tar header with its extension."""

_ID = re.compile(r"[^./\\\x00-\x1f]+")


def read_table(path: Path, shard_by: str) -> pa.Table:
    """Read a CSV or Parquet table of clips.

    Args:
        path: Local path of the table. Audio paths in it are relative to its folder.
        shard_by: A column that must have a value in each row.

    Returns:
        Columns clip_id (default: the file's stem), path (absolute), label, split and group
        (default: null), then the table's own.

    Raises:
        ClipsError: The table cannot be read, or lacks a column or a value.
    """
    path = absolute_path(path)
    try:
        if path.suffix.lower() == ".parquet":
            table = pq.read_table(path)
        else:
            # Labels, ids and groups are names even where they look like numbers.
            names = {name: pa.string() for name in ("path", "label", "split", "group", "clip_id")}
            # Only an empty field is a missing value: a label may well be called "NA" or "null".
            options = pacsv.ConvertOptions(column_types=names, strings_can_be_null=True, null_values=[""])
            table = pacsv.read_csv(path, convert_options=options)
    except FileNotFoundError:
        raise ClipsError(f"clips table {path} does not exist; check the path") from None
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise ClipsError(f"clips table {path}: {error}; it must be CSV or Parquet with columns path, label and split") from error
    for needed in ("path", "label", shard_by):
        if needed not in table.column_names:
            raise ClipsError(f"clips table {path} has no column '{needed}'; it has {', '.join(table.column_names)}; add or rename one")
        if table[needed].null_count:
            raise ClipsError(f"clips table {path}: column '{needed}' is empty in row {_first_null(table[needed]) + 1}; fill it in")
    reserved = {field.name for field in CLIPS_SCHEMA} - {"clip_id", "label", "split", "group"}
    clashes = reserved & set(table.column_names)
    if clashes:
        raise ClipsError(f"clips table {path}: the column name '{min(clashes)}' is reserved for the store; rename the column")
    if not table.num_rows:
        raise ClipsError(f"clips table {path} lists no clips; add one row per clip")
    paths = [_resolved(name, path.parent) for name in table["path"].to_pylist()]
    ids = table["clip_id"].to_pylist() if "clip_id" in table.column_names else [PurePosixPath(name).stem for name in paths]
    columns: dict[str, pa.Array | pa.ChunkedArray] = {"clip_id": pa.array(ids, pa.string()), "path": pa.array(paths, pa.string())}
    for name in ("label", "split", "group"):
        columns[name] = pc.cast(table[name], pa.string()) if name in table.column_names else pa.nulls(table.num_rows, pa.string())
    own = {name: table[name] for name in table.column_names if name not in columns}
    return pa.table({**columns, **own})


def _first_null(column: pa.ChunkedArray) -> int:
    return int(np.argmax(column.is_null().to_numpy()))


def _resolved(name: str, folder: Path) -> str:
    return name if "://" in name else str(absolute_path(name if name.startswith("~/") else folder / name))


def id_problem(clip_id: str | None) -> str | None:
    """What is wrong with a clip_id, or None.

    >>> id_problem("clip.v1")
    "a dot in its id, where webdataset would split it; write another id into the column 'clip_id'"
    """
    if clip_id and "." in clip_id:
        return "a dot in its id, where webdataset would split it; write another id into the column 'clip_id'"
    if not clip_id or _ID.fullmatch(clip_id) is None:
        return "an id that is empty or contains '/', '\\' or control characters; write another id into the column 'clip_id'"
    if len(clip_id.encode()) > MAX_ID_BYTES:
        return f"an id longer than {MAX_ID_BYTES} bytes; write a shorter one into the column 'clip_id'"
    return None
