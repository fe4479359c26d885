"""Check the clips table of a store, which somebody else may have written."""

import pyarrow as pa

from streamaug.errors import CorruptError
from streamaug.store.format import Target, clips_schema

_REMEDY = "rebuild the store"


def check_columns(schema: pa.Schema, target: Target | None, where: str) -> None:
    """Refuse a table that lacks a column, has one twice, or has one of which Arrow takes no rows.

    Args:
        schema: The table's columns.
        target: The column with what a model learns; None if there is none.
        where: Names the file in errors.

    Raises:
        CorruptError: No build has written such a table.
    """
    for field in schema:
        if schema.names.count(field.name) > 1:
            raise CorruptError(f"{where}: has two columns '{field.name}'; {_REMEDY}")
        if pa.types.is_string_view(field.type) or pa.types.is_binary_view(field.type):
            raise CorruptError(f"{where}: the column '{field.name}' has the type {field.type}, of which Arrow takes no rows; {_REMEDY}")
    for field in clips_schema(target):
        if field.name not in schema.names or schema.field(field.name).type != field.type:
            raise CorruptError(f"{where}: no column '{field.name}' of type {field.type}; {_REMEDY}")


def check_gaps(table: pa.Table, target: Target | None, where: str) -> None:
    """Refuse a table in which a clip lacks what every clip has.

    Args:
        table: Some or all columns and rows of the table.
        target: The column with what a model learns; None if there is none.
        where: Names the file in errors.

    Raises:
        CorruptError: A value is missing.
    """
    for field in clips_schema(target):
        if not field.nullable and field.name in table.column_names and table[field.name].null_count:
            raise CorruptError(f"{where}: a clip has no '{field.name}'; {_REMEDY}")
