"""Columns of the clips table that a user wants in each batch: numbers as tensors, the rest as lists."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from streamaug.errors import StoreError
from streamaug.features.registry import BATCH_KEYS
from streamaug.hints import nearest
from streamaug.store.catalogue import Catalogue, StoreLike
from streamaug.store.joined_clips import STORE_COLUMN

_WHOLE_NUMBER = r"^(0|-?[1-9][0-9]{0,17})$"
_NUMBER = r"^-?(0|[1-9][0-9]{0,14})(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?$"
"""Numbers as programs write them, and which NumPy's types hold. `0012` is a name: as a number it
would be another one."""


@dataclass(frozen=True, kw_only=True)
class BatchColumn:
    """A column of the clips table, one value for each clip of the store.

    Args:
        values: int64, float32, float64 or bool as a NumPy array; an Arrow array of anything else.
    """

    values: np.ndarray | pa.Array

    def take(self, clips: np.ndarray, device: torch.device | None) -> Tensor | list[Any]:
        """The values of some clips, as a batch has them.

        Args:
            clips: Row numbers in the clips table, shape (n,).
            device: Where tensors go. Default: memory.
        """
        if isinstance(self.values, np.ndarray):
            return torch.from_numpy(self.values[clips]).to(device)
        values: list[Any] = self.values.take(pa.array(clips)).to_pylist()
        return values


def open_columns(store: StoreLike, names: Sequence[str], clips: np.ndarray) -> dict[str, BatchColumn]:
    """The columns of a clips table that batches get, by name.

    Args:
        store: The store.
        names: The columns.
        clips: Row numbers of the clips that may be served.

    Raises:
        StoreError: There is no such column, or one of these clips lacks a number.
    """
    return {name: BatchColumn(values=_values(store, name, clips)) for name in names}


def check_columns(names: Any, store: StoreLike) -> tuple[str, ...]:
    """The names of columns as a user gives them, each once.

    Args:
        names: The columns.
        store: The store; of several, batches have the key `store`.

    Raises:
        StoreError: They are not a list of names, a column does not exist, or a batch has its name
            for something else.
    """
    if isinstance(names, str) or not isinstance(names, Collection) or not all(isinstance(name, str) for name in names):
        raise StoreError(f"columns={names!r}: write a list of names, such as columns=['device', 'city']")
    taken = [key for key in BATCH_KEYS if key != STORE_COLUMN or isinstance(store, Catalogue)]
    known = store.clips.column_names
    for name in names:
        if name in taken:
            raise StoreError(f"columns: a batch has the key '{name}' already; leave it out, or build the store with another name for it")
        if name not in known:
            own = [each for each in known if each not in taken]
            raise StoreError(f"columns: the clips table has no column '{name}'. {nearest(name, own)}")
    return tuple(dict.fromkeys(names))


def check_distinct(columns: Collection[str], features: Collection[str]) -> None:
    """Raise StoreError if a batch would have a column and a feature under one key."""
    for name in columns:
        if name in features:
            raise StoreError(f"columns: a feature has the key '{name}', too; give it another one, such as features={{'feature': '{name}'}}")


def _values(store: StoreLike, name: str, clips: np.ndarray) -> np.ndarray | pa.Array:
    """A column in the form in which batches are made of it, complete for some clips."""
    column = store.clips[name]
    if pa.types.is_dictionary(column.type):
        column = pc.cast(column, column.type.value_type)
    column = _with_numbers(column)
    kind = column.type
    if pa.types.is_floating(kind):
        exact = kind if pa.types.is_float32(kind) else pa.float64()
        return pc.fill_null(pc.cast(column, exact), float("nan")).to_numpy()
    if not (pa.types.is_integer(kind) or pa.types.is_boolean(kind)):
        return column.combine_chunks()
    missing = np.asarray(pc.is_null(column))[clips]
    example, target = ("false", kind) if pa.types.is_boolean(kind) else ("-1", pa.int64())
    if missing.any():
        row = int(clips[missing.argmax()])
        clip = f"'{store.clips['clip_id'][row].as_py()}'"
        if isinstance(store, Catalogue):
            clip += f" of store '{store.clips[STORE_COLUMN][row].as_py()}'"
        raise StoreError(
            f"columns: '{name}' is empty for {missing.sum()} of {len(clips)} clips, for example {clip}, but a tensor of {target} has no "
            f"gaps; write a value such as {example} into the table and build again, or leave these clips out with 'where'"
        )
    try:
        return pc.cast(column.fill_null(pa.scalar(0).cast(kind)), target).to_numpy()
    except pa.ArrowInvalid:
        raise StoreError(f"columns: '{name}' has numbers above 2^63 - 1, which a tensor cannot hold; write them as text") from None


def _with_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as numbers if it is text and each of its values is a number, as all of a CSV are text."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)) or column.null_count == len(column):
        return column
    for pattern, kind in ((_WHOLE_NUMBER, pa.int64()), (_NUMBER, pa.float64())):
        if pc.all(pc.match_substring_regex(column, pattern)).as_py():
            return pc.cast(column, kind)
    return column
