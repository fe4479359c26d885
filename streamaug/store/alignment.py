"""Find each clip's row in an index, once for all indexes that have the same clips in the same
order."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.store.index import Index


@dataclass(frozen=True, kw_only=True)
class _Alignment:
    """Args:
    clip_ids: Names in the order of some indexes, each once.
    rows: For each clip of the clips table, its row in these indexes; -1 if they do not have it.
    """

    clip_ids: pa.ChunkedArray
    rows: np.ndarray


class Alignments:
    """The rows of a clips table in the indexes of its store.

    To match a million names takes a quarter of a second, to see that they are the same as others
    a hundredth of that. A build writes all complete indexes in one order, so the names are matched
    only for the conditions that lack clips, and after shards were joined.

    Args:
        clips: The clips table.
    """

    def __init__(self, clips: pa.Table) -> None:
        self._clip_ids: pa.ChunkedArray = clips["clip_id"]
        self._known: list[_Alignment] = []
        # The table comes from outside: only names that ascend are each there once.
        if pc.all(pc.less(self._clip_ids[:-1], self._clip_ids[1:]), skip_nulls=False).as_py():
            self._known.append(self._by_shard(clips["shard"].to_numpy()))

    def _by_shard(self, shards: np.ndarray) -> _Alignment:
        """The order of a build: by shard, and in each shard as in the clips table."""
        small = shards.astype(np.min_scalar_type(int(shards.max(initial=0))))  # up to 16 bits, sorting takes linear time
        order = np.argsort(small, kind="stable")
        rows = np.empty(len(order), np.int64)
        rows[order] = np.arange(len(order))
        return _Alignment(clip_ids=self._clip_ids.take(pa.array(order)), rows=rows)

    @property
    def distinct(self) -> list[pa.ChunkedArray]:
        """Names that are known to be distinct, for `Index.from_bytes`."""
        return [each.clip_ids for each in self._known]

    def rows(self, index: Index) -> np.ndarray:
        """For each clip of the clips table, its row in an index; -1 if the index does not have it.

        A clip of the index that is not in the table was added after the table was read; no row
        leads to it.

        Args:
            index: A checked index, so that no clip has two rows.
        """
        clip_ids = index.table["clip_id"]
        for known in self._known:
            if known.clip_ids.equals(clip_ids):
                return known.rows
        rows = np.asarray(pc.index_in(self._clip_ids, value_set=clip_ids).fill_null(-1)).astype(np.int64)
        self._known.append(_Alignment(clip_ids=clip_ids, rows=rows))
        return rows
