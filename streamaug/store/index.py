"""The index of one condition: where each clip's bitstream is, and its hash."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from streamaug.errors import CorruptError
from streamaug.store.format import INDEX_SCHEMA, MAX_PAYLOAD, IndexMeta, first_problem
from streamaug.store.location import Location
from streamaug.store.parquet import from_parquet, to_parquet

_FOOTER = b"streamaug"
_REMEDY = "rebuild the condition with 'streamaug build --replace'"
_LOCATION_COLUMNS = ("clip_id", "shard", "offset", "size", "sha256", "delay", "samples")


@dataclass(frozen=True, kw_only=True)
class Index:
    """One condition of a store.

    Args:
        meta: The footer.
        table: INDEX_SCHEMA, one row per clip, ordered by shard and within a shard by offset.
    """

    meta: IndexMeta
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def digest(self) -> str:
        """Hash of the condition's whole content, in hex; it changes with any clip, since the footer
        has every shard's sha256."""
        return hashlib.sha256(self.meta.to_json().encode()).hexdigest()

    def column(self, name: str) -> np.ndarray:
        """A numeric column as a read-only array of shape (clips,)."""
        # Not by `to_numpy`, which imports pandas where it is installed: a third of a second.
        values: np.ndarray = np.from_dlpack(self.table[name].combine_chunks())
        return values

    def locations(self, rows: Sequence[int] | np.ndarray | None = None) -> list[Location]:
        """Where the bitstreams of some rows are.

        Args:
            rows: Row numbers. Default: all rows.
        """
        columns = self.table.select(_LOCATION_COLUMNS)
        if rows is not None:
            columns = columns.take(pa.array(rows, pa.int64()))
        meta = self.meta
        paths = [f"{meta.condition}/{info.name}" for info in meta.shards]
        return [Location(**{**row, "shard": paths[row["shard"]]}, decoding=meta.decoding) for row in columns.to_pylist()]

    def location(self, clip_id: str) -> Location | None:
        """Where the bitstream of a clip is; None if the condition does not have the clip."""
        row = pc.index(self.table["clip_id"], clip_id).as_py()
        return None if row < 0 else self.locations([row])[0]

    @cached_property
    def _shard_starts(self) -> np.ndarray:
        """First row of each shard, and the number of rows."""
        return np.searchsorted(self.column("shard"), np.arange(len(self.meta.shards) + 1))

    def shard(self, number: int) -> "Index":
        """The index of one shard alone.

        Args:
            number: The shard's position in the footer.
        """
        first, last = self._shard_starts[number : number + 2]
        # Taken, not sliced: a slice would carry the whole table to another process.
        table = self.table.take(pa.array(np.arange(first, last)))
        column = table.schema.get_field_index("shard")
        table = table.set_column(column, INDEX_SCHEMA.field("shard"), pa.array(np.zeros(len(table), np.int32)))
        return Index(meta=self.meta.model_copy(update={"shards": (self.meta.shards[number],)}), table=table)

    def to_bytes(self) -> bytes:
        """The Parquet file; the same index gives the same bytes."""
        footer = {_FOOTER: self.meta.to_json().encode()}
        return to_parquet(self.table.cast(INDEX_SCHEMA).replace_schema_metadata(footer))

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> "Index":
        """Read and check an index that may be damaged or hostile.

        Args:
            data: The Parquet file.
            where: Names the file in errors.

        Raises:
            CorruptError: The file is not an index, or contradicts itself.
        """
        return cls.from_table(from_parquet(data, where, _REMEDY), where)

    @classmethod
    def from_table(cls, table: pa.Table, where: str, distinct: Iterable[pa.ChunkedArray] = ()) -> "Index":
        """Check the table of an index that may be damaged or hostile.

        Args:
            table: The content of its Parquet file.
            where: Names the file in errors.
            distinct: Names of clips in some orders, each name once. An index with one of these
                orders is not searched for duplicates, which would take most of the time.

        Raises:
            CorruptError: The table is not an index, or contradicts itself.
        """
        footer = (table.schema.metadata or {}).get(_FOOTER)
        if footer is None:
            raise CorruptError(f"{where}: is not an index of streamaug; {_REMEDY}")
        try:
            meta = IndexMeta.model_validate_json(footer)
            table = table.replace_schema_metadata(None).cast(INDEX_SCHEMA)
        except ValidationError as error:
            raise CorruptError(f"{where}: not readable as an index: {first_problem(error)}; {_REMEDY}") from error
        except (pa.ArrowException, ValueError) as error:
            raise CorruptError(f"{where}: not readable as an index: {error}; {_REMEDY}") from error
        index = cls(meta=meta, table=table)
        index.check(where, distinct)
        return index

    def check(self, where: str, distinct: Iterable[pa.ChunkedArray] = ()) -> None:
        """Refuse rows that contradict the footer or each other.

        Args:
            where: Names the file in errors.
            distinct: As for `from_table`.

        Raises:
            CorruptError: A row is wrong, or a clip is there twice.
        """

        def refuse(wrong: np.ndarray, problem: str) -> None:
            if wrong.any():
                row = int(np.argmax(wrong))
                clip = self.table["clip_id"][row].as_py()
                raise CorruptError(f"{where}: row {row} (clip '{clip}') {problem}; {_REMEDY}")

        shard, offset, size = self.column("shard"), self.column("offset"), self.column("size")
        refuse((shard < 0) | (shard >= len(self.meta.shards)), "names a shard that is not in the footer")
        refuse((size <= 0) | (size > MAX_PAYLOAD), f"has a size outside 1 to {MAX_PAYLOAD} bytes")
        ends = np.array([info.bytes for info in self.meta.shards], np.int64)
        refuse((offset < 0) | (offset > ends[shard] - size), "points outside its shard")
        refuse((self.column("delay") < 0) | (self.column("samples") <= 0), "has a negative delay or no samples")
        refuse(np.diff(shard, prepend=0) < 0, "is not in the order of the shards")
        clip_ids = self.table["clip_id"]
        if not any(clip_ids.equals(each) for each in distinct) and pc.count_distinct(clip_ids).as_py() != len(self):
            raise CorruptError(f"{where}: has two rows of the same clip; {_REMEDY}")
