"""Where the bitstreams of a condition are, for all clips of a store, in a few bytes per clip."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamaug.digests import DIGEST
from streamaug.store.format import IndexMeta
from streamaug.store.index import Index


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
        store: Name of the store among several. Default: empty, there is only one.
        link: Name of the link that loses packets whenever a clip is read. Default: none.
    """

    meta: IndexMeta
    digest: str
    names: np.ndarray
    shard: np.ndarray
    offset: np.ndarray
    size: np.ndarray
    delay: np.ndarray
    sha256: np.ndarray
    store: str = ""
    link: str = ""

    @classmethod
    def of(cls, index: Index, rows: np.ndarray) -> "BitstreamLocations":
        """Bring a condition's index into the order of the clips table.

        Args:
            index: The index.
            rows: For each clip its row in the index, -1 if the condition does not have the clip.
        """
        columns: dict[str, Any] = {
            name: compact(_taken(compact(index.column(name)), rows)) for name in ("shard", "offset", "size", "delay")
        }
        return cls(
            meta=index.meta.model_copy(update={"shards": ()}),  # which take a hundred times the memory of their names
            digest=index.digest,
            names=np.array([info.name.encode() for info in index.meta.shards]),
            sha256=_digests(index, rows),
            **columns,
        )

    @property
    def has_clip(self) -> np.ndarray:
        """Whether the condition has each clip, bool of shape (clips,)."""
        return np.asarray(self.size > 0)

    @property
    def condition(self) -> str:
        return self.meta.condition

    @property
    def name(self) -> str:
        """Name of the condition in recipes: with its store, if there are several, and its link."""
        name = f"{self.store}:{self.condition}" if self.store else self.condition
        return f"{name}~{self.link}" if self.link else name

    @property
    def encoder(self) -> str:
        """Name of what made the bitstreams."""
        return self.meta.steps[-1].encoder if self.meta.steps else ""

    def among(self, store: str, first: int, clips: int) -> "BitstreamLocations":
        """The same in a clips table that joins those of several stores.

        Args:
            store: Name of this condition's store.
            first: Row of the joined table where this store's clips begin.
            clips: Rows of the joined table.
        """
        columns: dict[str, Any] = {name: _widened(getattr(self, name), first, clips) for name in ("shard", "offset", "delay", "sha256")}
        size = np.zeros(clips, self.size.dtype)
        size[first : first + len(self.size)] = self.size
        return replace(self, store=store, size=size, **columns)

    def path(self, clip: int) -> str:
        """Path of a clip's shard in the store.

        Args:
            clip: Row number of the clip.
        """
        return f"{self.condition}/{self.names[self.shard[clip]].decode()}"

    def paths(self) -> list[str]:
        """Paths of all shards in the store."""
        return [f"{self.condition}/{name.decode()}" for name in self.names.tolist()]


def _digests(index: Index, rows: np.ndarray) -> np.ndarray:
    """The first bytes of each clip's hash, uint8 of shape (clips, DIGEST); zeros for a clip without
    a row."""
    column = index.table["sha256"].combine_chunks()
    width = column.type.byte_width
    # One item per hash, which is gathered four times as fast as a row of bytes.
    items = np.ndarray(len(column), f"V{DIGEST}", column.buffers()[1], offset=column.offset * width, strides=(width,))
    return _taken(items, rows).view(np.uint8).reshape(-1, DIGEST)


def compact(values: np.ndarray) -> np.ndarray:
    """The same values in the smallest type that fits them; if all are equal, they take no memory
    per value.

    Args:
        values: Whole numbers, at least 0, shape (n,).

    >>> compact(np.array([3, 300])).dtype, compact(np.array([7, 7, 7])).strides
    (dtype('uint16'), (0,))
    """
    small = values.astype(np.min_scalar_type(int(values.max(initial=0))), copy=False)
    if len(small) and (small == small[0]).all():
        return np.broadcast_to(small[0].copy(), small.shape)
    return small


def _taken(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Values of the rows of an index by clip, 0 for a clip without a row."""
    if rows.min(initial=0) >= 0:
        return np.asarray(values[rows])
    taken = np.zeros(len(rows), values.dtype)
    taken[rows >= 0] = values[rows[rows >= 0]]
    return taken


def _widened(values: np.ndarray, first: int, clips: int) -> np.ndarray:
    """Values of some clips as values of more clips; what the others get does not matter."""
    if len(values) and not any(values.strides):
        return np.broadcast_to(values[0], (clips, *values.shape[1:]))
    # The system gives pages of zeros when they are first written to, so the others take no memory.
    wide = np.zeros((clips, *values.shape[1:]), values.dtype)
    wide[first : first + len(values)] = values
    return wide
