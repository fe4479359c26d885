"""Where the bitstreams of a condition lie, for every clip of a store, in few bytes a clip."""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from streamaug.store import Index, Store
from streamaug.store.format import IndexMeta

DIGEST = 16
"""Bytes kept of each bitstream's sha256: enough to tell bitstreams apart and to notice damage."""


@dataclass(frozen=True, kw_only=True)
class BitstreamLocations:
    """One condition of a store, a row a clip in the order of its clips table.

    meta: of the index, without its shards. digest: of the index. names: of the shards, bytes. shard: number among them. offset,
    size: bytes in it; size is 0 where the condition lacks the clip. delay: the delay to cut in decoding. sha256: its first bytes,
    uint8 of shape (clips, DIGEST).
    """

    meta: IndexMeta
    digest: str
    names: np.ndarray
    shard: np.ndarray
    offset: np.ndarray
    size: np.ndarray
    delay: np.ndarray
    sha256: np.ndarray

    @classmethod
    def read(cls, store: Store, condition: str) -> "BitstreamLocations":
        """Read a condition's index and bring it into the order of the clips table. Raises StoreError, CorruptError."""
        index = store.index(condition)
        # A clip that is in the index and not in the table was added after the table was read: no plan names it.
        rows = np.asarray(pc.index_in(store.clips["clip_id"], value_set=index.table["clip_id"]).fill_null(-1))
        digests = _digests(index)[rows]
        digests[rows < 0] = 0
        return cls(
            meta=index.meta.model_copy(update={"shards": ()}),  # which take a hundred times what their names do
            digest=index.digest,
            names=np.array([info.name.encode() for info in index.meta.shards]),
            sha256=digests,
            **{name: _compact(_ordered(index, name, rows)) for name in ("shard", "offset", "size", "delay")},
        )

    @property
    def condition(self) -> str:
        return self.meta.condition

    def path(self, clip: int) -> str:
        """The clip's shard, as a path in the store."""
        return f"{self.condition}/{self.names[self.shard[clip]].decode()}"

    def paths(self) -> list[str]:
        """All shards, as paths in the store."""
        return [f"{self.condition}/{name.decode()}" for name in self.names.tolist()]


def _digests(index: Index) -> np.ndarray:
    column = index.table["sha256"].combine_chunks()
    width = column.type.byte_width
    whole = np.frombuffer(column.buffers()[1], np.uint8).reshape(-1, width)[column.offset : column.offset + len(column)]
    return np.ascontiguousarray(whole[:, :DIGEST])


def _ordered(index: Index, name: str, rows: np.ndarray) -> np.ndarray:
    values: np.ndarray = index.column(name)[rows]
    values[rows < 0] = 0
    return values


def _compact(values: np.ndarray) -> np.ndarray:
    """The same values in the smallest type that holds them; one value for all takes no memory a row."""
    if len(values) and (values == values[0]).all():
        return np.broadcast_to(values[0].copy(), values.shape)
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))
