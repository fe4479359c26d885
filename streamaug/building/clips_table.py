"""Make a store's clips table: what the sources hold, the order of labels, each clip's shard."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.building.checks import SourceInfo
from streamaug.building.existing import ExistingStore

SMALLEST, LARGEST = 16, 128
"""Clips per shard by default: 1/8 of the clips with the same `shard_by` value, within these."""


def add_source_columns(table: pa.Table, sources: Sequence[SourceInfo]) -> pa.Table:
    """A table of clips with the columns samples, depth and sha256, ordered by clip_id.

    Args:
        table: Clips without errors.
        sources: One per row of the table.
    """
    columns = {
        "samples": pa.array([source.samples for source in sources], pa.int64()),
        "depth": pa.array([source.depth for source in sources], pa.int8()),
        "sha256": pa.array([source.sha256 for source in sources], pa.binary(32)),
    }
    for name, column in columns.items():
        table = table.append_column(name, column)
    return table.sort_by("clip_id")


def ordered_labels(clips: pa.Table, existing: ExistingStore | None) -> tuple[str, ...]:
    """All labels in the order of their class numbers.

    They are alphabetical, but labels that come with later clips follow the existing ones, so that
    class numbers never change.
    """
    old = existing.meta.labels if existing else ()
    return (*old, *sorted(set(clips["label"].to_pylist()) - set(old)))


def add_shard_column(clips: pa.Table, shard_by: str, clips_per_shard: int | None, existing: ExistingStore | None) -> pa.Table:
    """A clips table with the column shard.

    Clips of the existing store keep their shard; new clips go to new shards after the last.
    """
    shards = np.full(clips.num_rows, -1, np.int32)
    if existing and existing.clips is not None:
        rows = pc.index_in(existing.clips["clip_id"], clips["clip_id"]).to_numpy()
        shards[rows] = existing.clips["shard"].to_numpy()
    new = np.flatnonzero(shards < 0)
    ids, values = clips["clip_id"].take(new).to_pylist(), pc.cast(clips[shard_by], pa.string()).take(new).to_pylist()
    shards[new] = assign_shards(ids, values, clips_per_shard, int(shards.max(initial=-1)) + 1)
    return clips.append_column("shard", pa.array(shards))


def assign_shards(ids: Sequence[str], values: Sequence[str], clips_per_shard: int | None = None, first: int = 0) -> np.ndarray:
    """The shard of each clip: the same in every condition, whatever the number of workers.

    Clips with the same value are ordered by a hash of their id, so that each shard holds all
    labels, and divided into shards whose sizes differ by at most one clip.

    >>> assign_shards(["a", "b", "c", "d"], ["train", "evaluate", "train", "train"], clips_per_shard=2).tolist()
    [2, 0, 1, 1]

    Args:
        ids: clip_id of each clip.
        values: Value of the column to shard by, for each clip.
        clips_per_shard: Largest number of clips in a shard. Default: 1/8 of the clips with the same
            value, between 16 and 128.
        first: Number of the first shard.

    Returns:
        Shard numbers, int32 of shape (clips,).
    """
    shards = np.zeros(len(ids), np.int32)
    order = sorted(range(len(ids)), key=lambda row: (values[row], hashlib.sha256(ids[row].encode()).digest()))
    start = 0
    while start < len(order):
        stop = start
        while stop < len(order) and values[order[stop]] == values[order[start]]:
            stop += 1
        clips = stop - start
        size = clips_per_shard or min(LARGEST, max(SMALLEST, -(-clips // 8)))
        count = -(-clips // size)
        shards[order[start:stop]] = first + np.arange(clips) * count // clips
        first += count
        start = stop
    return shards
