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
        StoreError: A table has a column `store`, or the tables have a column of types that do not go
            together and are not names, such as lists and numbers.
    """
    parts, shards = {}, 0
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
        parts[name] = clips.append_column(STORE_COLUMN, pa.repeat(name, len(clips)))
    names = dict.fromkeys(column for part in parts.values() for column in part.column_names)
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


def _joined_column(name: str, parts: Mapping[str, pa.Table]) -> pa.ChunkedArray:
    """A column of several tables: nothing where a table lacks it, and text where no type holds all
    values exactly."""
    kind = _common_type([part.schema.field(name).type for part in parts.values() if name in part.column_names])
    try:
        columns = [part[name].cast(kind) if name in part.column_names else _nulls(part, kind) for part in parts.values()]
    except pa.ArrowException:  # a number that the type would round or cannot hold
        kind = pa.string()
        columns = _text_columns(name, parts)
    return pa.chunked_array([chunk for column in columns for chunk in column.chunks], kind)


def _common_type(kinds: Sequence[pa.DataType]) -> pa.DataType:
    """The type to which Arrow promotes all of some, or text."""
    schemas = [pa.schema([pa.field("column", kind)]) for kind in kinds]
    try:
        common = pa.unify_schemas(schemas, promote_options="permissive").field("column").type
    except pa.ArrowException:
        return pa.string()
    rounds = pa.types.is_floating(_of_values(common)) and any(pa.types.is_decimal(_of_values(kind)) for kind in kinds)
    return pa.string() if rounds else common  # a cast rounds decimals without an error


def _of_values(kind: pa.DataType) -> pa.DataType:
    """The type of the values in lists, or of a column's own."""
    return kind.value_type if pa.types.is_list(kind) else kind


def _text_columns(name: str, parts: Mapping[str, pa.Table]) -> list[pa.ChunkedArray]:
    try:
        return [text_column(part, name) if name in part.column_names else _nulls(part, pa.string()) for part in parts.values()]
    except StoreError:
        kinds = " and ".join(f"{part[name].type} in store '{store}'" for store, part in parts.items() if name in part.column_names)
        raise StoreError(
            f"the column '{name}' of the clips tables is {kinds}, and no type holds the values of all; give it the same type in the tables "
            "that the stores were built from, or another name in one of them, and build again"
        ) from None


def _nulls(part: pa.Table, kind: pa.DataType) -> pa.ChunkedArray:
    return pa.chunked_array([pa.nulls(len(part), kind)])
