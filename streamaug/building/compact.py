"""Join small shards of a store to larger ones, without decoding anything.

Clips that were added a few at a time lie in many small shards, which are slow to read. The joined
shards have new numbers and names; the clips table and the indexes that name them are a new snapshot.
"""

import hashlib
import io
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from streamaug.building.job import SHARD_MB
from streamaug.building.publish import Changes, concat_indexes, publish
from streamaug.building.shard import part_name
from streamaug.building.shard_file import ShardFile
from streamaug.building.staging import Staging, staging
from streamaug.errors import CorruptError, StoreError
from streamaug.executors import pool, results
from streamaug.progress import Progress, Silent
from streamaug.store import Store
from streamaug.store.folder import Folder
from streamaug.store.index import Index
from streamaug.store.tars import members
from streamaug.store.writing import Tables


@dataclass(frozen=True, kw_only=True)
class Compacted:
    """What was joined.

    Args:
        before: Shards of each condition before, by condition.
        after: Shards of each condition now.
    """

    before: Mapping[str, int]
    after: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class JoinTask:
    """Shards of one condition that become one shard.

    Args:
        folder: The store.
        staging: Path of the build's folder in it.
        parts: The index of each shard, in the order of their numbers.
        number: Number of the new shard.
    """

    folder: Folder
    staging: str
    parts: tuple[Index, ...]
    number: int


def compact(
    store: Store,
    *,
    shard_mb: float = SHARD_MB,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Compacted:
    """Join the small shards of a store, and publish the result as a new snapshot.

    Args:
        store: The store; its current snapshot is compacted.
        shard_mb: Size of a shard of `original` in MB. Default: 64.
        workers: Number of processes. Default: one per core.
        executor: Who does the work instead of processes on this machine.
        progress: Shows progress. Default: none.

    Raises:
        StoreError: The size is not one of shards, or a build changed the store in the meantime.
        CorruptError: A shard is damaged; nothing is published.
        FetchError: The store cannot be read or written.
    """
    if not (math.isfinite(shard_mb) and shard_mb > 0):
        raise StoreError(f"shard_mb {shard_mb:g} is not a size of shards; choose one above 0 MB")
    progress, store = progress or Silent(), store.reopen()
    indexes = {name: store.index(name) for name in store.conditions}
    renumbered = joined_numbers(store, indexes, shard_mb)
    before = {name: len(index.meta.shards) for name, index in indexes.items()}
    if not renumbered:
        return Compacted(before=before, after=before)
    tables = Tables()
    with staging(store.folder) as staged, pool(executor, workers) as opened:
        tasks = [task for index in indexes.values() for task in _tasks(index, renumbered, staged)]
        progress.begin("joining shards", len(tasks))
        joined: dict[str, list[Index]] = defaultdict(list)
        for _, part in results(opened, [(join, (task,)) for task in tasks]):
            joined[part.meta.condition].append(part)
            progress.advance(1)
        conditions, after = {}, {}
        for name, index in indexes.items():
            kept = [index.shard(row) for row, shard in enumerate(index.meta.shards) if shard.number not in renumbered]
            parts = sorted([*kept, *joined[name]], key=lambda part: part.meta.shards[0].number)
            conditions[name] = tables.add_index(concat_indexes(parts))
            after[name] = len(parts)
        numbers = store.clips["shard"].to_pylist()
        column = pa.array([renumbered.get(number, number) for number in numbers], pa.int32())
        field = store.clips.schema.get_field_index("shard")
        clips = store.clips.set_column(field, store.clips.schema.field("shard"), column)
        manifest = store.manifest
        changes = Changes(
            base=manifest,
            name=manifest.name,
            target=manifest.target,
            labels=manifest.labels,
            rate=manifest.rate,
            channels=manifest.channels,
            samples=manifest.samples,
            shard_by=manifest.shard_by,
            clips=tables.add_clips(clips),
            conditions=conditions,
            keeps_shards=False,
        )
        staged.supersede(publish(store.folder, changes, tables))
    return Compacted(before=before, after=after)


def joined_numbers(store: Store, indexes: Mapping[str, Index], shard_mb: float) -> dict[int, int]:
    """The new number of each shard that is joined with others.

    Shards are joined with those of the same `shard_by` value, in the order of their numbers, as
    long as their originals fit into the size.

    Args:
        store: The store.
        indexes: Its indexes by condition.
        shard_mb: Size of a shard of `original` in MB.
    """
    # Of `original`, which comes last here, or of a condition that holds clips of that shard.
    sizes = {shard.number: shard.bytes for index in reversed(list(indexes.values())) for shard in index.meta.shards}
    values = dict(zip(store.clips["shard"].to_pylist(), store.clips[store.manifest.shard_by].to_pylist(), strict=True))
    by_value: dict[object, list[int]] = defaultdict(list)
    for number in sorted(sizes):
        by_value[values.get(number)].append(number)
    groups: list[list[int]] = []
    for numbers in by_value.values():
        filled = float("inf")
        for number in numbers:
            if filled + sizes[number] > shard_mb * 1e6:
                groups.append([])
                filled = 0
            groups[-1].append(number)
            filled += sizes[number]
    first = max(sizes) + 1
    groups = [group for group in groups if len(group) > 1]
    return {number: first + place for place, group in enumerate(groups) for number in group}


def _tasks(index: Index, renumbered: Mapping[int, int], staged: Staging) -> list[JoinTask]:
    parts: dict[int, list[Index]] = defaultdict(list)
    for row, shard in enumerate(index.meta.shards):
        if shard.number in renumbered:
            parts[renumbered[shard.number]].append(index.shard(row))
    return [
        JoinTask(folder=staged.folder, staging=staged.name, parts=tuple(group), number=number) for number, group in sorted(parts.items())
    ]


def join(task: JoinTask) -> Index:
    """Write one shard with the clips of several; runs in a worker.

    Raises:
        CorruptError: A shard is missing, or is not what its index says.
        FetchError: The store cannot be read or written.
    """
    meta = task.parts[0].meta
    clips = {clip: content for part in task.parts for clip, content in _clips(task.folder, part)}
    file: ShardFile | None = None
    with task.folder.staged(lambda: f"{meta.condition}/{file.name if file else ''}") as path:
        file = ShardFile(meta, task.number, path)
        for clip in sorted(clips):
            file.add(*clips[clip])
        file.close()
    part = file.index()
    task.folder.write(f"{task.staging}/{part_name(meta.condition, f'joined-{task.number}')}", part.to_bytes())
    return part


def _clips(folder: Folder, part: Index) -> Iterator[tuple[str, tuple[Mapping[str, Any], bytes, bytes]]]:
    """The clips of a shard: for each its row, bitstream and JSON, by clip_id."""
    (shard,) = part.meta.shards
    where = f"{folder.url}/{part.meta.condition}/{shard.name}"
    try:
        data = folder.read(f"{part.meta.condition}/{shard.name}")
    except FileNotFoundError:
        raise CorruptError(f"{where} is missing; run the build again, which builds it again") from None
    if hashlib.sha256(data).hexdigest() != shard.sha256:
        raise CorruptError(f"{where}: does not match its sha256 in the index; remove it and run the build again, which builds it again")
    found = members(io.BytesIO(data).read, len(data))
    for row, payload, description in zip(part.table.to_pylist(), found, found, strict=True):
        yield row["clip_id"], (row, payload.data, description.data)
