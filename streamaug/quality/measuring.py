"""Grading the conditions of a store on any executor, going on where a killed run stopped.

A shard's grades are kept as a part until all of its condition's are there; then they become `<condition>/quality.parquet`
in one step, and the parts go. Parts and table carry the digests of the indexes that they were measured by: a condition
that was built again is measured again.
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
"""Folder of a condition that holds the grades of single shards until all are through."""


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A condition to be measured. rows: numbers of the index rows of each shard. parts: grades by shard, filled as they come."""

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
    """Grades of every clip of the conditions, in their order; what was measured before is read, the rest computed and kept.

    Processes on this machine do it unless an executor is given. Raises StoreError, CorruptError, FetchError; what was
    graded until then is kept.
    """
    progress = progress or Silent()
    original = store.index("original")
    indexes = {condition: store.index(condition) for condition in conditions}
    progress.begin("grading", sum(map(len, indexes.values())))
    done: dict[str, Quality | None] = {}
    plans: dict[str, _Plan] = {}
    for condition, index in indexes.items():
        meta = meta_of(index, original, _software())
        done[condition] = current = read_current(store.folder, f"{condition}/{QUALITY_FILE}", meta)
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
            done[condition] = quality = plan.whole()
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
    return {condition: quality for condition, quality in done.items() if quality is not None}


def measure_sample(
    store: Store,
    conditions: Sequence[str],
    clips: int,
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> dict[str, Quality]:
    """Grades of some clips of each condition, the same ones in all that hold them; nothing is kept.

    A larger sample contains the smaller ones. Raises StoreError, CorruptError, FetchError.
    """
    original = store.index("original")
    indexes = [store.index(condition) for condition in conditions]
    chosen = [(number, row) for number, index in enumerate(indexes) for row in _sampled(index, clips)]
    tasks = [_task(store, indexes[number], original, np.array([row])) for number, row in chosen]
    progress = progress or Silent()
    progress.begin("grading", len(tasks))
    tables: list[list[pa.Table]] = [[] for _ in indexes]
    with pool(executor, workers) as processes:
        for task, table in results(processes, [(grade, (task,)) for task in tasks]):
            tables[chosen[task][0]].append(table)
            progress.advance(1)
    return {
        index.meta.condition: Quality(meta=meta_of(index, original, _software()), table=pa.concat_tables(found).sort_by("clip_id"))
        for index, found in zip(indexes, tables, strict=True)
    }


def _sampled(index: Index, clips: int) -> list[int]:
    ids = index.table["clip_id"].to_pylist()
    return sorted(range(len(ids)), key=lambda row: hashlib.sha256(ids[row].encode()).digest())[:clips]


def _task(store: Store, index: Index, original: Index, rows: np.ndarray) -> Task:
    clip_ids = index.table["clip_id"].take(pa.array(rows))
    where = pc.index_in(clip_ids, original.table["clip_id"])
    if where.null_count:
        lost = clip_ids.filter(pc.is_null(where))[0].as_py()
        raise StoreError(f"{store.url}: clip '{lost}' of '{index.meta.condition}' has no original; build 'original' again")
    return Task(
        folder=store.folder,
        rate=store.meta.rate,
        references=tuple(original.locations(where.to_numpy())),
        tests=tuple(index.locations(rows)),
    )


def _software() -> str:
    return f"av {version('av')}, soxr {soxr.__version__}, numpy {np.__version__}"
