"""Change Parquet files: columns, types, values, rows and what the footer says."""

import io
import json
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streamaug.store.parquet import read_here
from tests.fuzz.edits import NUMBERS, TEXTS, edit_tree

_KINDS = (
    pa.null(), pa.bool_(), pa.int8(), pa.uint8(), pa.int16(), pa.int32(), pa.uint32(), pa.int64(), pa.uint64(), pa.float16(),
    pa.float32(), pa.float64(), pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary(32),
    pa.binary(3), pa.date32(), pa.date64(), pa.time32("s"), pa.time64("ns"), pa.timestamp("ns"), pa.timestamp("us", "UTC"),
    pa.duration("ns"), pa.decimal128(38, 10), pa.decimal256(76, 0), pa.list_(pa.string()), pa.large_list(pa.int64()),
    pa.list_(pa.float32(), 2), pa.list_(pa.list_(pa.string())), pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    pa.struct([("a", pa.int8())]), pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.int64()),
)  # fmt: skip

_OBJECTS = (
    None, b"", b"\xff\xfe", bytes(32), [], [None], ["a", None], ["a", "a"], [[None]], [("a", 1)], [1.5, None], {"a": 1},
    {"bytes": b"RIFF", "path": "../x"}, {"bytes": None, "path": "/etc/passwd"}, {"bytes": None, "path": None},
)  # fmt: skip


def _values(kind: pa.DataType, count: int, random: Random) -> pa.Array | None:
    """Some values of a type, with gaps; None if twenty tries give none."""
    for _ in range(20):
        values = [random.choice(random.choice((NUMBERS, TEXTS, _OBJECTS))) for _ in range(random.choice((1, 2)))]
        try:
            return pa.array([random.choice(values) for _ in range(count)], kind)
        except (pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError):
            continue
    return None


def _edit_column(table: pa.Table, random: Random) -> pa.Table:
    number = random.randrange(table.num_columns)
    name, column = table.column_names[number], table.column(number)
    match random.randrange(8):
        case 0:
            return table.remove_column(number)
        case 1:
            names = table.column_names
            names[number] = random.choice((*[text for text in TEXTS if text.isprintable()], *names))
            return table.rename_columns(names)
        case 2:
            return table.add_column(random.randrange(table.num_columns + 1), name, column)
        case 3:
            return table.set_column(number, pa.field(name, column.type), pa.nulls(len(table), column.type))
        case 4:
            values = _values(column.type, len(table), random)
            return table if values is None else table.set_column(number, name, values)
        case 5:
            values = _values(column.type, len(table), random)
            keep = pa.array([random.random() < 0.7 for _ in range(len(table))])
            if values is None or pa.types.is_nested(column.type):
                return table
            return table.set_column(number, name, pa.compute.if_else(keep, column, values))
        case 6:
            try:
                return table.set_column(number, name, column.cast(random.choice(_KINDS), safe=False))
            except (pa.ArrowException, ValueError):
                return table
        case _:
            values = _values(random.choice(_KINDS), len(table), random)
            return table if values is None else table.set_column(number, name, values)


def _edit_rows(table: pa.Table, random: Random) -> pa.Table:
    if not len(table):
        return table
    rows = [random.randrange(len(table)) for _ in range(random.choice((0, 1, len(table), 2 * len(table))))]
    return table.take(pa.array(rows, pa.int64()))


def _edit_metadata(table: pa.Table, random: Random) -> pa.Table:
    metadata: dict[Any, Any] = dict(table.schema.metadata or {})
    for key, value in metadata.items():
        if random.randrange(4) == 0:
            metadata[key] = random.choice(TEXTS).encode("utf-8", "surrogatepass")
        else:
            metadata[key] = json.dumps(edit_tree(json.loads(value), random)).encode()
    return table.replace_schema_metadata(metadata if random.randrange(8) else None)


def edit_table(data: bytes, random: Random) -> bytes:
    """Change a Parquet file; the result is one, too, where pyarrow can write it."""
    table = read_here(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        edit = random.choice((_edit_column, _edit_column, _edit_column, _edit_rows, _edit_metadata))
        try:
            table = edit(table, random) if table.num_columns else table
        except (pa.ArrowException, ValueError):
            continue
    sink = io.BytesIO()
    try:
        compression = random.choice(("none", "zstd", "snappy", "gzip"))
        pq.write_table(
            table, sink, compression=compression, use_dictionary=bool(random.randrange(2)), row_group_size=random.choice((1, 3, 64_000))
        )
    except (pa.ArrowException, ValueError):
        return data
    return sink.getvalue()
