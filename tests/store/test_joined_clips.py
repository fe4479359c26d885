"""Columns of several clips tables become one without losing a digit."""

import re
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from streamaug.errors import StoreError
from streamaug.store.joined_clips import join_clips

BIG = 2**53 + 1


def joined(one: pa.Array, other: pa.Array) -> pa.ChunkedArray:
    tables = {}
    for name, values in (("tau", one), ("esc", other)):
        tables[name] = (pa.table({"shard": pa.array([0] * len(values), pa.int32()), "code": values}), {})
    return join_clips(tables)["code"]


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        (pa.array([1, 2**53]), pa.array([0.5]), pa.float64()),
        (pa.array([7], pa.uint64()), pa.array([-1]), pa.int64()),
        (pa.array([1], pa.int8()), pa.array([BIG]), pa.int64()),
        (pa.array([2**24 + 1], pa.int32()), pa.array([0.5], pa.float32()), pa.float64()),
        (pa.array([None, None]), pa.array([["a"]]), pa.list_(pa.string())),
    ],
)
def test_numbers_keep_being_numbers_if_one_type_holds_them_exactly(one: pa.Array, other: pa.Array, kind: pa.DataType) -> None:
    column = joined(one, other)
    assert column.type == kind
    assert column.to_pylist() == one.to_pylist() + other.to_pylist()


@pytest.mark.parametrize(
    ("one", "other", "texts"),
    [
        (pa.array([BIG, None]), pa.array([0.5]), [str(BIG), None, "0.5"]),
        (pa.array([2**64 - 1], pa.uint64()), pa.array([-1]), [str(2**64 - 1), "-1"]),
        (pa.array([Decimal("0.12345678901234567890")]), pa.array([0.5]), ["0.12345678901234567890", "0.5"]),
        (pa.array([2**62]), pa.array([Decimal("1.25")]), [str(2**62), "1.25"]),
        (pa.array([True]), pa.array([3]), ["true", "3"]),
    ],
)
def test_numbers_become_text_if_a_digit_would_be_lost(one: pa.Array, other: pa.Array, texts: list[Any]) -> None:
    assert joined(one, other).to_pylist() == texts


@pytest.mark.parametrize("lists", [pa.array([[1]]), pa.array([[BIG]]), pa.array([[Decimal("0.12345678901234567890")]])])
def test_types_that_no_text_joins_are_refused_with_the_column_and_the_stores(lists: pa.Array) -> None:
    other = pa.array([0.5]) if lists.to_pylist() == [[1]] else pa.array([[0.5]])
    message = f"column 'code' of the clips tables is {lists.type} in store 'tau' and {other.type} in store 'esc', and no type holds"
    with pytest.raises(StoreError, match=re.escape(message)):
        joined(lists, other)
