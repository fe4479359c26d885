"""One condition of a store, clip by clip: where a bitstream is and how it was made."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from streamaug.errors import CorruptError, StoreError
from streamaug.explore.tables import Tables, may_contain, parquet
from streamaug.store import Store
from streamaug.store.format import INDEX_SCHEMA, IndexMeta
from streamaug.store.index import Index
from streamaug.store.location import Location

_REMEMBERED = 256
"""Entries of clips that are kept per condition."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the index says of one clip.

    Args:
        row: Its row in the index.
        location: Where its bitstream is.
        kbps: Measured bitrate.
    """

    row: int
    location: Location
    kbps: float


class ConditionRows:
    """The index of a condition, of which only the rows that are asked for are read.

    The index is ordered by shard, and the clips table names the shard of each clip, so that one
    or two row groups are read for a clip.

    Args:
        store: The store.
        condition: Name of the condition.
        tables: The store's tables on a local disk.

    Raises:
        ConditionError: The name cannot be a condition's.
        StoreError: The store does not have the condition.
    """

    def __init__(self, store: Store, condition: str, tables: Tables) -> None:
        if condition not in store.conditions:
            raise StoreError(f"no condition '{condition}' in store {store.url}; it has {', '.join(store.conditions)}")
        self.name = condition
        self._file = store.manifest.conditions[condition]
        self._tables = tables
        self._path = f"{condition}/{self._file.file}"
        self._where = f"{store.url}/{self._path}"
        self.entry = lru_cache(_REMEMBERED)(self._entry)

    @cached_property
    def meta(self) -> IndexMeta:
        """The footer of the index.

        Raises:
            CorruptError: The file is not an index, or one of another condition.
            FetchError: It could not be read.
        """
        with parquet(self._tables.path(self._path, self._file.sha256), self._where) as file:
            empty = file.schema_arrow.empty_table()
        meta = Index.from_table(empty, self._where).meta
        if meta.condition != self.name:
            raise CorruptError(f"{self._where}: is the index of another condition, '{meta.condition}'; rebuild it with --replace")
        return meta

    @cached_property
    def digest(self) -> str:
        """Hash of the condition's whole content, which grades are bound to."""
        return Index(meta=self.meta, table=INDEX_SCHEMA.empty_table()).digest

    @cached_property
    def _positions(self) -> dict[int, list[int]]:
        """Positions in the footer by the number of the shard."""
        positions: dict[int, list[int]] = {}
        for position, shard in enumerate(self.meta.shards):
            positions.setdefault(shard.number, []).append(position)
        return positions

    def _entry(self, clip_id: str, shard: int) -> Entry | None:
        """Where a clip is; None if the condition does not have it.

        Args:
            clip_id: The clip.
            shard: Number of its shard in the clips table.

        Raises:
            CorruptError: The index is damaged.
            FetchError: It could not be read.
        """
        positions = self._positions.get(shard, [])
        with parquet(self._tables.path(self._path, self._file.sha256), self._where) as file:
            first = 0
            for group in range(file.num_row_groups):
                if any(may_contain(file, group, "shard", position) for position in positions):
                    table = file.read_row_group(group, use_threads=False)
                    row = pc.index(table["clip_id"], clip_id).as_py()
                    if row >= 0:
                        return self._checked(table.slice(row, 1), first + row)
                first += file.metadata.row_group(group).num_rows
        return None

    def _checked(self, row: pa.Table, number: int) -> Entry:
        index = Index(meta=self.meta, table=row.replace_schema_metadata(None).cast(INDEX_SCHEMA))
        index.check(self._where)
        return Entry(row=number, location=index.locations()[0], kbps=float(index.column("kbps")[0]))
