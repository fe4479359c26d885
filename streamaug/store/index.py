"""The index of one condition: where each clip's bitstream lies, and what it must be."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.errors import CorruptError
from streamaug.store.format import INDEX_SCHEMA, MAX_PAYLOAD, IndexMeta
from streamaug.store.parquet import from_parquet, to_parquet

_FOOTER = b"streamaug"
_REMEDY = "build the condition again with 'streamaug build --replace'"


@dataclass(frozen=True, kw_only=True)
class Index:
    """One condition of a store.

    meta: the footer. table: INDEX_SCHEMA, a row a clip, ordered by shard and inside the shard by offset.
    """

    meta: IndexMeta
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def digest(self) -> str:
        """Hash of the condition's whole content (the footer names every shard's sha256); changes when any clip does."""
        return hashlib.sha256(self.meta.model_dump_json().encode()).hexdigest()

    def column(self, name: str) -> np.ndarray:
        """A numeric column as an array of shape (clips,)."""
        values: np.ndarray = self.table[name].to_numpy()
        return values

    def to_bytes(self) -> bytes:
        """The Parquet file; the same index gives the same bytes."""
        footer = {_FOOTER: self.meta.model_dump_json().encode()}
        return to_parquet(self.table.cast(INDEX_SCHEMA).replace_schema_metadata(footer))

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> "Index":
        """Read and check an index that may be damaged or hostile; `where` names it in errors. Raises CorruptError."""
        table = from_parquet(data, where, _REMEDY)
        footer = (table.schema.metadata or {}).get(_FOOTER)
        if footer is None:
            raise CorruptError(f"{where}: no index of streamaug; {_REMEDY}")
        try:
            meta = IndexMeta.model_validate_json(footer)
            table = table.replace_schema_metadata(None).cast(INDEX_SCHEMA)
        except (pa.ArrowException, ValueError) as error:
            raise CorruptError(f"{where}: not readable as an index: {error}; {_REMEDY}") from error
        index = cls(meta=meta, table=table)
        index._check(where)
        return index

    def _check(self, where: str) -> None:
        def refuse(wrong: np.ndarray, what: str) -> None:
            if wrong.any():
                row = int(np.argmax(wrong))
                clip = self.table["clip_id"][row].as_py()
                raise CorruptError(f"{where}: row {row} (clip '{clip}') {what}; {_REMEDY}")

        shard, offset, size = self.column("shard"), self.column("offset"), self.column("size")
        refuse((shard < 0) | (shard >= len(self.meta.shards)), "names a shard that the footer has not")
        refuse((size <= 0) | (size > MAX_PAYLOAD), f"has a size outside 1 to {MAX_PAYLOAD} bytes")
        ends = np.array([info.bytes for info in self.meta.shards], np.int64)
        refuse((offset < 0) | (offset > ends[shard] - size), "lies outside its shard")
        refuse((self.column("delay") < 0) | (self.column("samples") <= 0), "has a negative delay or no samples")
        refuse(np.diff(shard, prepend=0) < 0, "is out of the order of shards")
        if pc.count_distinct(self.table["clip_id"]).as_py() != len(self):
            raise CorruptError(f"{where}: a clip stands in it twice; {_REMEDY}")
