"""Which clips of a table match a text and values of columns."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.errors import StoreError

Operator = Literal["is", "is not", "contains", "at least", "at most"]
OPERATORS: tuple[str, ...] = get_args(Operator)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A choice of clips by one column.

    Args:
        column: The column.
        operator: How a clip's value is compared.
        values: What with: the value of a clip `is` one of them. The other operators than `is` and
            `is not` take one value.
    """

    column: str
    operator: Operator
    values: tuple[str, ...]

    @classmethod
    def of(cls, plain: Any) -> "Filter":
        """A filter from JSON that anybody may have written.

        Args:
            plain: A list: column, operator, values.

        Raises:
            StoreError: It is not a filter.

        >>> Filter.of(["fold", "is", "1", "2"])
        Filter(column='fold', operator='is', values=('1', '2'))
        """
        if not isinstance(plain, list) or len(plain) < 3 or not all(isinstance(part, str) for part in plain):
            raise StoreError(f"filter {plain!r}: write a column, an operator and a value")
        column, operator, *values = plain
        if operator not in OPERATORS:
            raise StoreError(f"filter on '{column}': no operator '{operator}'; choose from {', '.join(OPERATORS)}")
        return cls(column=column, operator=operator, values=tuple(values))


@dataclass(frozen=True, kw_only=True)
class Query:
    """What a user looks for.

    Args:
        text: Part of a clip's name or of a column of text, whatever the case. Default: any.
        filters: All of them must hold.
    """

    text: str = ""
    filters: tuple[Filter, ...] = ()


def has_text(kind: pa.DataType) -> bool:
    """Whether values of a type have a text to look for: not bytes and records.

    >>> has_text(pa.int64()), has_text(pa.list_(pa.string())), has_text(pa.binary(32))
    (True, True, False)
    """
    if pa.types.is_list(kind):
        return bool(pa.types.is_string(kind.value_type))
    return not (pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_fixed_size_binary(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of a type is searched for the text of a query."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind) or pa.types.is_list(kind))


def matches(batch: pa.Table | pa.RecordBatch, query: Query, searched: Iterable[str]) -> np.ndarray:
    """Which rows match a query, bool of shape (rows,).

    Args:
        batch: Rows of a clips table, with the columns that the query needs.
        query: What to look for.
        searched: The columns that are searched for the query's text.

    Raises:
        StoreError: A number is expected and not given.

    >>> batch = pa.record_batch({"clip_id": ["Dog1", "cat2"], "fold": [1, 2]})
    >>> matches(batch, Query(text="DOG"), ["clip_id"]).tolist()
    [True, False]
    >>> matches(batch, Query(filters=(Filter(column="fold", operator="at least", values=("2",)),)), []).tolist()
    [False, True]
    """
    result = np.ones(batch.num_rows, bool)
    if query.text:
        in_text = np.zeros(batch.num_rows, bool)
        for name in searched:
            in_text |= _by_value(batch[name], lambda values: pc.match_substring(values, query.text, ignore_case=True))
        result &= in_text
    for each in query.filters:
        result &= _passes(batch[each.column], each)
    return result


def _passes(column: Any, each: Filter) -> np.ndarray:
    """Which values hold a filter; a missing value is the empty text, and no number."""
    if each.operator in ("at least", "at most"):
        limit = _number(each)
        compare = pc.greater_equal if each.operator == "at least" else pc.less_equal
        return _by_value(column, lambda values: compare(_numbers(values, each.column), limit))
    if each.operator == "contains":
        return _by_value(column, lambda values: pc.match_substring(values, each.values[0], ignore_case=True))
    wanted = pa.array(each.values, pa.string())
    held = _by_value(column, lambda values: pc.is_in(values, wanted), empty="" in each.values)
    return held if each.operator == "is" else ~held


def _by_value(column: Any, test: Any, *, empty: bool = False) -> np.ndarray:
    """Which rows of a column pass a test of texts. Of a dictionary its values are tested once; of a
    list any item counts.

    Args:
        column: An array, or one in chunks.
        test: From texts to booleans.
        empty: What a missing value or an empty list gives.
    """
    if isinstance(column, pa.ChunkedArray):
        parts = [_by_value(chunk, test, empty=empty) for chunk in column.chunks]
        return np.concatenate(parts) if parts else np.zeros(0, bool)
    if pa.types.is_dictionary(column.type):
        passed = pc.take(test(column.dictionary.cast(pa.string())), column.indices)
    elif pa.types.is_list(column.type):
        items = _flags(test(column.flatten().cast(pa.string())), empty=False)
        rows = np.asarray(pc.list_parent_indices(column))
        held = np.bincount(rows[items], minlength=len(column)) > 0
        lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
        return np.asarray(held | (empty & (lengths == 0)))
    else:
        passed = test(column.cast(pa.string()))
    return _flags(passed, empty=empty)


def _flags(passed: Any, *, empty: bool) -> np.ndarray:
    """Booleans of an array; `empty` for a missing one."""
    return np.asarray(pc.fill_null(passed, empty)).astype(bool)


def _number(each: Filter) -> float:
    try:
        return float(each.values[0])
    except ValueError:
        raise StoreError(f"filter on '{each.column}': '{each.values[0]}' is not a number") from None


def _numbers(texts: Any, column: str) -> Any:
    try:
        return texts.cast(pa.float64())
    except pa.ArrowException:
        raise StoreError(f"filter on '{column}': its values are not numbers; choose another operator") from None
