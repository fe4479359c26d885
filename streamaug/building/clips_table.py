"""Make a store's clips table: what the sources hold, the order of labels, each clip's shard."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.building.checks import SourceInfo
from streamaug.building.existing import ExistingStore
from streamaug.building.job import Job
from streamaug.building.targets import label_values, target_of
from streamaug.store.format import clips_schema

SMALLEST = 16
"""Clips that a shard has at least, if there are as many with the same `shard_by` value."""

SHARDS = 8
"""Shards per `shard_by` value, at least: enough for the workers of a small machine."""

_FLAC_SHARE = 0.6
"""Size of FLAC against PCM, as an estimate."""


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
    return table.take(pc.sort_indices(table["clip_id"]))  # not sort_by, which imports pandas


def ordered_labels(clips: pa.Table, existing: ExistingStore | None) -> tuple[str, ...]:
    """All labels in the order of their class numbers.

    They are alphabetical, but labels that come with later clips follow the existing ones, so that
    class numbers never change.
    """
    old = existing.manifest.labels if existing else ()
    return (*old, *sorted(set(label_values(clips)) - set(old)))


def stored_columns(clips: pa.Table) -> pa.Table:
    """The clips as the store keeps them: without paths, the store's columns first.

    Args:
        clips: Clips with all columns of `clips_schema`, a path, and the data set's own columns.
    """
    schema = clips_schema(target_of(clips))
    own = [name for name in clips.column_names if name not in schema.names and name != "path"]
    table = clips.select([*schema.names, *own])
    return table.cast(pa.schema([*schema, *(table.schema.field(name) for name in own)]))


def add_shard_column(clips: pa.Table, job: Job, channels: int, existing: ExistingStore | None) -> pa.Table:
    """A clips table with the column shard.

    Clips of the existing store keep their shard; new clips go to new shards after the last.

    Args:
        clips: The clips, with the columns samples and depth.
        job: What to shard by, and how large the shards are to be.
        channels: Channels of the store.
        existing: The store; None if there is none yet.
    """
    shards = np.full(clips.num_rows, -1, np.int32)
    if existing:
        rows = pc.index_in(existing.clips["clip_id"], clips["clip_id"]).to_numpy()
        shards[rows] = existing.clips["shard"].to_numpy()
    new = np.flatnonzero(shards < 0)
    ids, values = clips["clip_id"].take(new).to_pylist(), pc.cast(clips[job.shard_by], pa.string()).take(new).to_pylist()
    largest = job.clips_per_shard
    if largest is None and len(new):
        size = (clips["samples"].to_numpy() * (clips["depth"].to_numpy() // 8))[new].mean() * channels * _FLAC_SHARE
        largest = max(1, int(job.shard_mb * 1e6 / size))
    shards[new] = assign_shards(ids, values, largest or 1, int(shards.max(initial=-1)) + 1, fixed=job.clips_per_shard is not None)
    return clips.append_column("shard", pa.array(shards))


def assign_shards(ids: Sequence[str], values: Sequence[str], largest: int, first: int = 0, *, fixed: bool = False) -> np.ndarray:
    """The shard of each clip: the same in every condition, whatever the number of workers.

    Clips with the same value are ordered by a hash of their id, so that each shard holds all
    labels, and divided into shards whose sizes differ by at most one clip.

    >>> assign_shards(["a", "b", "c", "d"], ["train", "evaluate", "train", "train"], 2).tolist()
    [2, 0, 1, 1]

    Args:
        ids: clip_id of each clip.
        values: Value of the column to shard by, for each clip.
        largest: Largest number of clips in a shard.
        first: Number of the first shard.
        fixed: Fill shards up to `largest`, instead of dividing the clips with the same value into
            eight shards at least if these have sixteen clips each.

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
        size = largest if fixed else min(largest, max(SMALLEST, -(-clips // SHARDS)))
        count = -(-clips // size)
        shards[order[start:stop]] = first + np.arange(clips) * count // clips
        first += count
        start = stop
    return shards
