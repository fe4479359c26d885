"""Where the bitstreams of a condition are, for all clips of a store, in a few bytes per clip."""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from streamaug.reading.local import DIGEST
from streamaug.store import Index, Store
from streamaug.store.format import IndexMeta


@dataclass(frozen=True, kw_only=True)
class BitstreamLocations:
    """The locations of one condition as arrays, one row per clip in the order of the clips table.

    Args:
        meta: Footer of the index, without its shards.
        digest: Digest of the index.
        names: Names of the shards, as bytes, of shape (shards,).
        shard: Number of each clip's shard in `names`, of shape (clips,), as all that follow.
        offset: First byte of the bitstream in the shard.
        size: Bytes of the bitstream; 0 if the condition does not have the clip.
        delay: Samples at the store's rate that the codec adds at the start.
        sha256: First bytes of the bitstream's hash, uint8 of shape (clips, DIGEST).
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
        """Bring a condition's index into the order of the clips table.

        Args:
            store: The store.
            condition: Name of the condition.

        Raises:
            StoreError: The store does not have the condition.
            CorruptError: The index is damaged.
            FetchError: The index could not be read.
        """
        index = store.index(condition)
        # A clip in the index that is not in the table was added after the table was read: no plan
        # names it.
        rows = np.asarray(pc.index_in(store.clips["clip_id"], value_set=index.table["clip_id"]).fill_null(-1))
        digests = _digests(index)[rows]
        digests[rows < 0] = 0
        return cls(
            meta=index.meta.model_copy(update={"shards": ()}),  # which take a hundred times the memory of their names
            digest=index.digest,
            names=np.array([info.name.encode() for info in index.meta.shards]),
            sha256=digests,
            **{name: _compact(_ordered(index, name, rows)) for name in ("shard", "offset", "size", "delay")},
        )

    @property
    def condition(self) -> str:
        return self.meta.condition

    def path(self, clip: int) -> str:
        """Path of a clip's shard in the store.

        Args:
            clip: Row number of the clip.
        """
        return f"{self.condition}/{self.names[self.shard[clip]].decode()}"

    def paths(self) -> list[str]:
        """Paths of all shards in the store."""
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
    """The same values in the smallest type that fits them; if all are equal, they take no memory
    per row."""
    if len(values) and (values == values[0]).all():
        return np.broadcast_to(values[0].copy(), values.shape)
    return values.astype(np.min_scalar_type(int(values.max(initial=0))))
