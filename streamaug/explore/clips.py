"""The clips of a store by pages: searched in passes over the Parquet file, never loaded whole."""

from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streamaug.errors import StoreError
from streamaug.explore.filters import Query, has_text, is_text, matches
from streamaug.explore.tables import may_contain, parquet
from streamaug.hints import nearest
from streamaug.store.clips_table import check_columns, check_gaps
from streamaug.store.manifest import Manifest
from streamaug.store.targets import target_columns

_REMEMBERED = 8
"""Queries whose rows are kept, so that turning a page does not search again; 4 bytes per clip each."""

_CODE_BYTES = 4
"""Bytes per clip up to which a column is taken for numbers of a few values; names have more."""

MOST_VALUES = 200
"""Values of a column that are offered to choose from, the most frequent ones."""


@dataclass(frozen=True, kw_only=True)
class Values:
    """What a column contains.

    Args:
        counts: The most frequent values and their clips, at most `MOST_VALUES`.
        is_complete: Whether these are all.
    """

    counts: tuple[tuple[str, int], ...]
    is_complete: bool


class Clips:
    """The clips table of a snapshot.

    Args:
        path: The Parquet file on a local disk, with the hash that the manifest names.
        where: Names the file in errors.
        manifest: The snapshot's manifest.

    Raises:
        CorruptError: The file is not a clips table.
    """

    def __init__(self, path: Path, where: str, manifest: Manifest) -> None:
        self._path, self._where = path, where
        with parquet(path, where) as file:
            self.schema = file.schema_arrow
        check_columns(self.schema, manifest.target, where)
        self.target = manifest.target
        self._rows: OrderedDict[Query, np.ndarray] = OrderedDict()
        self._values: dict[str, Values] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        with parquet(self._path, self._where) as file:
            return int(file.metadata.num_rows)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns that clips can be chosen by, in the order of the table."""
        return tuple(field.name for field in self.schema if has_text(field.type))

    @cached_property
    def searched(self) -> tuple[str, ...]:
        """Columns that a query's text is looked for in."""
        return tuple(field.name for field in self.schema if is_text(field.type))

    @property
    def listed(self) -> tuple[str, ...]:
        """Columns of the list of clips."""
        return ("clip_id", *target_columns(self.target), "split", "samples")

    def rows(self, query: Query) -> np.ndarray:
        """Row numbers of the clips that match, ascending, which is the order of their names.

        Args:
            query: What to look for.

        Raises:
            StoreError: The query does not fit the table.
        """
        with self._lock:
            if query in self._rows:
                self._rows.move_to_end(query)
                return self._rows[query]
        rows = self._search(query)
        with self._lock:
            self._rows[query] = rows
            while len(self._rows) > _REMEMBERED:
                self._rows.popitem(last=False)
        return rows

    def _search(self, query: Query) -> np.ndarray:
        for each in query.filters:
            self._check(each.column)
        if not query.text and not query.filters:
            return np.arange(len(self), dtype=np.uint32)
        columns = {each.column for each in query.filters} | set(self.searched if query.text else ())
        start, parts = 0, [np.zeros(0, np.uint32)]
        for batch in self._batches(sorted(columns)):
            hits = np.flatnonzero(matches(batch, query, self.searched))
            parts.append((hits + start).astype(np.uint32))
            start += batch.num_rows
        return np.concatenate(parts)

    def _check(self, column: str) -> None:
        if column not in self.columns:
            raise StoreError(f"the clips table has no column '{column}' to choose by. {nearest(column, self.columns)}")

    @cached_property
    def _coded(self) -> frozenset[str]:
        """Columns of text with few values, which are searched by value and not by clip."""
        with parquet(self._path, self._where) as file:
            if not file.num_row_groups:
                return frozenset()
            group = file.metadata.row_group(0)
            columns = map(group.column, range(group.num_columns))
            small = {each.path_in_schema for each in columns if each.total_uncompressed_size < _CODE_BYTES * each.num_values}
        return frozenset(name for name in small & set(self.columns) if pa.types.is_string(self.schema.field(name).type))

    def _batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Some columns of all clips, one row group after the other."""
        with parquet(self._path, self._where, dictionaries=[name for name in columns if name in self._coded]) as file:
            for group in range(file.num_row_groups):
                yield self._read(file, group, columns)

    def _read(self, file: pq.ParquetFile, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Some columns, by default all, of a row group."""
        table = file.read_row_group(group, columns=columns and list(columns), use_threads=False)
        table.validate(full=True)  # texts may not be UTF-8
        check_gaps(table, self.target, self._where)
        return table

    def page(self, query: Query, start: int, count: int, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Some of the clips that match.

        Args:
            query: What to look for.
            start: The first of them.
            count: How many at most.
            columns: Columns of the answer. Default: those of the list.

        Raises:
            StoreError: The query does not fit the table.
        """
        return self.take(self.rows(query)[start : start + count], columns or self.listed)

    def take(self, rows: np.ndarray, columns: Sequence[str]) -> list[dict[str, Any]]:
        """Some rows of the table.

        Args:
            rows: Row numbers, ascending.
            columns: Names of columns.
        """
        chosen: list[dict[str, Any]] = []
        with parquet(self._path, self._where) as file:
            ends = np.cumsum([file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)])
            groups = np.searchsorted(ends, rows, side="right")
            for group in np.unique(groups).tolist():
                table = self._read(file, group, columns)
                first = int(ends[group]) - table.num_rows
                chosen += table.take(pa.array(rows[groups == group] - first, pa.int64())).select(list(columns)).to_pylist()
        return chosen

    def row(self, clip_id: str) -> pa.Table:
        """The row of a clip, a table with all columns.

        Args:
            clip_id: The clip.

        Raises:
            StoreError: There is no such clip.
        """
        with parquet(self._path, self._where) as file:
            for group in range(file.num_row_groups):
                if not may_contain(file, group, "clip_id", clip_id):
                    continue
                names = self._read(file, group, ["clip_id"])["clip_id"]
                row = pc.index(names, clip_id).as_py()
                if row >= 0:
                    return self._read(file, group).slice(row, 1)
        raise StoreError(f"no clip '{clip_id}' in the store; search for a part of its name")

    def values(self, column: str) -> Values:
        """The values of a column and how often each comes.

        Args:
            column: The column.

        Raises:
            StoreError: There is no such column.
        """
        self._check(column)
        if column not in self._values:
            self._values[column] = self._count(column)
        return self._values[column]

    def _count(self, column: str) -> Values:
        counts: Counter[str] = Counter()
        for batch in self._batches([column]):
            array = batch[column].combine_chunks()
            if pa.types.is_list(array.type):
                array = array.flatten()
            counted = pc.value_counts(array)
            for value, number in zip(counted.field(0).cast(pa.string()).to_pylist(), counted.field(1).to_pylist(), strict=True):
                counts[value or ""] += number
            if len(counts) > 50 * MOST_VALUES:  # names, or measured values, of which each is there once
                return Values(counts=(), is_complete=False)
        common = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_VALUES]
        return Values(counts=tuple(sorted(common)), is_complete=len(counts) <= MOST_VALUES)
