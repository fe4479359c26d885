"""Join the clips tables of several stores into one."""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from streamaug.errors import StoreError
from streamaug.splits import text_column

STORE_COLUMN = "store"
"""Column of a joined table with the name of each clip's store."""


def join_clips(tables: Mapping[str, tuple[pa.Table, Mapping[str, str]]]) -> pa.Table:
    """One table with the clips of several stores, one store after the other.

    Args:
        tables: For each store its clips table, and other names for some of its labels.

    Raises:
        StoreError: A table has a column `store`, or values that differ in type and are not text.
    """
    parts, shards = [], 0
    for name, (clips, labels) in tables.items():
        if STORE_COLUMN in clips.column_names:
            raise StoreError(
                f"store '{name}': its clips table has a column '{STORE_COLUMN}', which several stores need for their names; "
                "rename it in the table that the store was built from, and build the store again"
            )
        shard = pc.add(clips["shard"], pa.scalar(shards, pa.int32()))
        shards = 1 + pc.max(shard).as_py()
        clips = clips.set_column(clips.column_names.index("shard"), "shard", shard)
        for number, column in enumerate(clips.column_names):
            if column in ("label", "labels") and labels:
                rename = _renamed_column if column == "label" else _renamed_lists
                clips = clips.set_column(number, column, rename(clips[column], labels))
        parts.append(clips.append_column(STORE_COLUMN, pa.repeat(name, len(clips))))
    names = dict.fromkeys(column for part in parts for column in part.column_names)
    return pa.table({column: _joined_column(column, parts) for column in names})


def renamed(labels: Iterable[str], names: Mapping[str, str]) -> tuple[str, ...]:
    """Labels with other names for some of them.

    >>> renamed(["cat", "dog_bark"], {"dog_bark": "dog"})
    ('cat', 'dog')
    """
    return tuple(names.get(label, label) for label in labels)


def _renamed_column(labels: pa.ChunkedArray, names: Mapping[str, str]) -> pa.ChunkedArray:
    values = pc.unique(labels)
    return pa.array(renamed(values.to_pylist(), names), pa.string()).take(pc.index_in(labels, value_set=values))


def _renamed_lists(lists: pa.ChunkedArray, names: Mapping[str, str]) -> pa.Array:
    """Two labels of a clip that get one name are one label of it."""
    return pa.array([sorted(set(renamed(labels, names))) for labels in lists.to_pylist()], lists.type)


def _joined_column(name: str, parts: Sequence[pa.Table]) -> pa.ChunkedArray:
    """A column of several tables: nothing where a table lacks it, and text where types do not go
    together."""
    fields = [part.schema.field(name).with_nullable(True) for part in parts if name in part.column_names]
    try:
        kind = pa.unify_schemas([pa.schema([field]) for field in fields], promote_options="permissive").field(name).type
    except pa.ArrowException:
        kind = pa.string()
    columns = [_cast_column(part, name, kind) for part in parts]
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks], kind)


def _cast_column(part: pa.Table, name: str, kind: pa.DataType) -> pa.ChunkedArray:
    if name not in part.column_names:
        return pa.chunked_array([pa.nulls(len(part), kind)])
    if part[name].type == kind:
        return part[name]
    return text_column(part, name) if kind == pa.string() else part[name].cast(kind)
