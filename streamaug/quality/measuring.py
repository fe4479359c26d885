"""Grade the conditions of a store on any executor, and resume a stopped run.

Each shard's grades are saved as a part until all parts of its condition exist; then they become
`<condition>/quality.parquet` in one step, and the parts are removed. Parts and table contain the
digests of the indexes that they were measured with: a condition that is rebuilt is measured again.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from importlib.metadata import version

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import soxr

from streamaug.errors import StoreError
from streamaug.executors import pool, results
from streamaug.progress import Progress, Silent
from streamaug.quality.grading import Task, grade
from streamaug.quality.table import QUALITY_FILE, Quality, QualityMeta, meta_of, read_current
from streamaug.store import Index, Store

PARTS = "quality-parts"
"""Folder of a condition with the grades of single shards until all are measured."""


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A condition to measure. rows: numbers of the index rows of each shard. parts: grades by
    shard, filled as they arrive.
    """

    index: Index
    original: Index
    meta: QualityMeta
    rows: dict[int, np.ndarray]
    parts: dict[int, pa.Table] = field(default_factory=dict)

    def part_name(self, shard: int) -> str:
        return f"{self.meta.condition}/{PARTS}/{self.meta.key}-{shard:06d}.parquet"

    def task(self, store: Store, shard: int) -> Task:
        return _task(store, self.index, self.original, self.rows[shard])

    def whole(self) -> Quality:
        return Quality(meta=self.meta, table=pa.concat_tables(self.parts[shard] for shard in self.rows))


def measure(
    store: Store,
    conditions: Sequence[str],
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> dict[str, Quality]:
    """Grades of every clip of some conditions: existing ones are read, the others are measured and
    saved in the store.

    Args:
        store: The opened store.
        conditions: Conditions to grade.
        workers: Number of processes on this machine. Default: one per core.
        executor: Where to run instead, such as a cluster.
        progress: Gets the number of clips that are done.

    Returns:
        Grades by condition, in the order of `conditions`.

    Raises:
        StoreError: A condition is missing, or is rebuilt at the same time.
        CorruptError: A clip is damaged; grades measured until then are saved.
        FetchError: The store cannot be reached; grades measured until then are saved.
    """
    progress = progress or Silent()
    original = store.index("original")
    indexes = {condition: store.index(condition) for condition in conditions}
    progress.begin("grading", sum(map(len, indexes.values())))
    measured: dict[str, Quality | None] = {}
    plans: dict[str, _Plan] = {}
    for condition, index in indexes.items():
        meta = meta_of(index, original, _software())
        measured[condition] = current = read_current(store.folder, f"{condition}/{QUALITY_FILE}", meta)
        if current is None:
            shards = index.column("shard")
            rows = {shard: np.flatnonzero(shards == shard) for shard in np.unique(shards).tolist()}
            plan = plans[condition] = _Plan(index=index, original=original, meta=meta, rows=rows)
            parts = {shard: read_current(store.folder, plan.part_name(shard), meta) for shard in rows}
            plan.parts.update({shard: part.table for shard, part in parts.items() if part is not None})
            progress.advance(sum(part.num_rows for part in plan.parts.values()))
        else:
            progress.advance(len(current))

    def publish(condition: str) -> None:
        plan = plans[condition]
        if len(plan.parts) == len(plan.rows):
            measured[condition] = quality = plan.whole()
            store.folder.write(f"{condition}/{QUALITY_FILE}", quality.to_bytes())
            store.folder.remove(f"{condition}/{PARTS}")

    missing = [(condition, shard) for condition, plan in plans.items() for shard in plan.rows if shard not in plan.parts]
    for condition in plans:
        publish(condition)
    with pool(executor, workers) as processes:
        tasks = [plans[condition].task(store, shard) for condition, shard in missing]
        for number, table in results(processes, [(grade, (task,)) for task in tasks]):
            condition, shard = missing[number]
            plan = plans[condition]
            store.folder.write(plan.part_name(shard), Quality(meta=plan.meta, table=table).to_bytes())
            plan.parts[shard] = table
            publish(condition)
            progress.advance(table.num_rows)
    return {condition: quality for condition, quality in measured.items() if quality is not None}


def measure_sample(
    store: Store,
    conditions: Sequence[str],
    clips: int,
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> dict[str, Quality]:
    """Grades of some clips of each condition; nothing is saved.

    All conditions use the same clips if they have them, and a larger sample contains the smaller
    ones.

    Args:
        store: The opened store.
        conditions: Conditions to grade.
        clips: Number of clips per condition.
        workers: Number of processes on this machine. Default: one per core.
        executor: Where to run instead, such as a cluster.
        progress: Gets the number of clips that are done.

    Raises:
        StoreError: A condition is missing, or is rebuilt at the same time.
        CorruptError: A clip is damaged.
        FetchError: The store cannot be reached.
    """
    original = store.index("original")
    indexes = [store.index(condition) for condition in conditions]
    samples = [(number, row) for number, index in enumerate(indexes) for row in _sampled(index, clips)]
    tasks = [_task(store, indexes[number], original, np.array([row])) for number, row in samples]
    progress = progress or Silent()
    progress.begin("grading", len(tasks))
    tables: list[list[pa.Table]] = [[] for _ in indexes]
    with pool(executor, workers) as processes:
        for task, table in results(processes, [(grade, (task,)) for task in tasks]):
            tables[samples[task][0]].append(table)
            progress.advance(1)
    return {
        index.meta.condition: Quality(meta=meta_of(index, original, _software()), table=_by_clip(parts))
        for index, parts in zip(indexes, tables, strict=True)
    }


def _by_clip(parts: Sequence[pa.Table]) -> pa.Table:
    table = pa.concat_tables(parts)
    return table.take(pc.sort_indices(table["clip_id"]))


def _sampled(index: Index, clips: int) -> list[int]:
    ids = index.table["clip_id"].to_pylist()
    return sorted(range(len(ids)), key=lambda row: hashlib.sha256(ids[row].encode()).digest())[:clips]


def _task(store: Store, index: Index, original: Index, rows: np.ndarray) -> Task:
    clip_ids = index.table["clip_id"].take(pa.array(rows))
    rows_of_originals = pc.index_in(clip_ids, original.table["clip_id"])
    if rows_of_originals.null_count:
        lost = clip_ids.filter(pc.is_null(rows_of_originals))[0].as_py()
        raise StoreError(f"{store.url}: clip '{lost}' of '{index.meta.condition}' has no original; rebuild 'original' with --replace")
    return Task(
        folder=store.folder,
        rate=store.manifest.rate,
        references=tuple(original.locations(rows_of_originals.to_numpy())),
        tests=tuple(index.locations(rows)),
    )


def _software() -> str:
    return f"av {version('av')}, soxr {soxr.__version__}, numpy {np.__version__}"
