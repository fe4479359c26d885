"""Grade the conditions of a store on any executor, and resume a stopped run.

Each shard's grades are saved as a part until all parts of its condition exist; then they become the
condition's table in one step, and the parts are removed. Parts and table contain the digests of the
indexes and of the link that they were measured with: a condition that is rebuilt is measured again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import soxr

from streamaug.codecs.lossy import lossy_opener
from streamaug.condition_names import split_link
from streamaug.errors import StoreError
from streamaug.executors import pool, results
from streamaug.links import Link, find_link, open_links
from streamaug.progress import Progress, Silent
from streamaug.quality.grading import Lossy, Task, grade
from streamaug.quality.measures import Measure, open_measure
from streamaug.quality.table import Quality, QualityMeta, meta_of, quality_file, read_current
from streamaug.store import Index, Store


@dataclass(frozen=True, kw_only=True)
class _Graded:
    """A condition to grade.

    Args:
        index: Index of the stored condition.
        original: Index of the originals.
        lossy: The condition's link.
        meta: Footer of its grades.
    """

    index: Index
    original: Index
    lossy: Lossy | None
    meta: QualityMeta

    @classmethod
    def of(cls, store: Store, condition: str, measure: Measure, links: Mapping[str, Link]) -> "_Graded":
        """Raises StoreError if the store lacks the condition, LinkError if its link is not defined
        or cannot lose its packets."""
        stored, name = split_link(condition)
        index, original, lossy = store.index(stored), store.index("original"), None
        if name:
            encoder = index.meta.steps[-1].encoder
            lossy = Lossy(condition=condition, link=find_link(name, links), encoder=encoder)
            lossy_opener(index.meta.decoding, encoder)  # refuses what takes no link
        link = None if lossy is None else lossy.link
        return cls(index=index, original=original, lossy=lossy, meta=meta_of(condition, index, original, measure, link, _software(measure)))

    def task(self, store: Store, rows: np.ndarray) -> Task:
        clip_ids = self.index.table["clip_id"].take(pa.array(rows))
        rows_of_originals = pc.index_in(clip_ids, self.original.table["clip_id"])
        if rows_of_originals.null_count:
            lost = clip_ids.filter(pc.is_null(rows_of_originals))[0].as_py()
            condition = self.index.meta.condition
            raise StoreError(f"{store.url}: clip '{lost}' of '{condition}' has no original; rebuild 'original' with --replace")
        return Task(
            folder=store.folder,
            rate=store.manifest.rate,
            measure=self.meta.measure,
            lossy=self.lossy,
            references=tuple(self.original.locations(rows_of_originals.to_numpy())),
            tests=tuple(self.index.locations(rows)),
        )


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """A condition to measure. rows: numbers of the index rows of each shard. parts: grades by
    shard, filled as they arrive.
    """

    graded: _Graded
    rows: dict[int, np.ndarray]
    parts: dict[int, pa.Table] = field(default_factory=dict)

    @property
    def meta(self) -> QualityMeta:
        return self.graded.meta

    @property
    def file(self) -> str:
        """Path of the table of grades in the store."""
        return quality_file(self.meta.condition, self.meta.measure)

    @property
    def parts_folder(self) -> str:
        """Folder with the grades of single shards until all are measured."""
        return f"{self.file.removesuffix('.parquet')}-parts"

    def part_name(self, shard: int) -> str:
        return f"{self.parts_folder}/{self.meta.key}-{shard:06d}.parquet"

    def task(self, store: Store, shard: int) -> Task:
        return self.graded.task(store, self.rows[shard])

    def whole(self) -> Quality:
        return Quality(meta=self.meta, table=pa.concat_tables(self.parts[shard] for shard in self.rows))


def measure(
    store: Store,
    conditions: Sequence[str],
    *,
    measure: str = "peaq",
    links: Mapping[str, Any] | None = None,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> dict[str, Quality]:
    """Grades of every clip of some conditions: existing ones are read, the others are measured and
    saved in the store.

    Args:
        store: The opened store.
        conditions: Conditions to grade. On a link, a clip loses the packets that it loses in every
            evaluation.
        measure: Name of the measure, one of `MEASURES`.
        links: The links that conditions may name, as a recipe has them: `{"loss10": {"loss": 0.1}}`.
            Default: presets alone.
        workers: Number of processes on this machine. Default: one per core.
        executor: Where to run instead, such as a cluster.
        progress: Gets the number of clips that are done.

    Returns:
        Grades by condition, in the order of `conditions`.

    Raises:
        StoreError: A condition is missing, or is rebuilt at the same time.
        LinkError: A condition's link is not defined, or cannot lose its packets.
        QualityError: There is no such measure.
        MissingPackageError: The measure's package is not installed.
        CorruptError: A clip is damaged; grades measured until then are saved.
        FetchError: The store cannot be reached; grades measured until then are saved.
    """
    progress = progress or Silent()
    opened, known = open_measure(measure), open_links(links)
    all_graded = {condition: _Graded.of(store, condition, opened, known) for condition in conditions}
    progress.begin("grading", sum(len(graded.index) for graded in all_graded.values()))
    measured: dict[str, Quality | None] = {}
    plans: dict[str, _Plan] = {}
    for condition, graded in all_graded.items():
        measured[condition] = current = read_current(store.folder, quality_file(condition, measure), graded.meta)
        if current is None:
            shards = graded.index.column("shard")
            rows = {shard: np.flatnonzero(shards == shard) for shard in np.unique(shards).tolist()}
            plan = plans[condition] = _Plan(graded=graded, rows=rows)
            parts = {shard: read_current(store.folder, plan.part_name(shard), plan.meta) for shard in rows}
            plan.parts.update({shard: part.table for shard, part in parts.items() if part is not None})
            progress.advance(sum(part.num_rows for part in plan.parts.values()))
        else:
            progress.advance(len(current))

    def publish(condition: str) -> None:
        plan = plans[condition]
        if len(plan.parts) == len(plan.rows):
            measured[condition] = quality = plan.whole()
            store.folder.write(plan.file, quality.to_bytes())
            store.folder.remove(plan.parts_folder)

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
    measure: str = "peaq",
    links: Mapping[str, Any] | None = None,
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
        measure: Name of the measure, one of `MEASURES`.
        links: The links that conditions may name, as for `measure`.
        workers: Number of processes on this machine. Default: one per core.
        executor: Where to run instead, such as a cluster.
        progress: Gets the number of clips that are done.

    Raises:
        StoreError: A condition is missing, or is rebuilt at the same time.
        LinkError: A condition's link is not defined, or cannot lose its packets.
        QualityError: There is no such measure.
        MissingPackageError: The measure's package is not installed.
        CorruptError: A clip is damaged.
        FetchError: The store cannot be reached.
    """
    opened, known = open_measure(measure), open_links(links)
    all_graded = [_Graded.of(store, condition, opened, known) for condition in conditions]
    samples = [(number, row) for number, graded in enumerate(all_graded) for row in _sampled(graded.index, clips)]
    tasks = [all_graded[number].task(store, np.array([row])) for number, row in samples]
    progress = progress or Silent()
    progress.begin("grading", len(tasks))
    tables: list[list[pa.Table]] = [[] for _ in all_graded]
    with pool(executor, workers) as processes:
        for task, table in results(processes, [(grade, (task,)) for task in tasks]):
            tables[samples[task][0]].append(table)
            progress.advance(1)
    return {
        graded.meta.condition: Quality(meta=graded.meta, table=_by_clip(parts)) for graded, parts in zip(all_graded, tables, strict=True)
    }


def _by_clip(parts: Sequence[pa.Table]) -> pa.Table:
    table = pa.concat_tables(parts)
    return table.take(pc.sort_indices(table["clip_id"]))


def _sampled(index: Index, clips: int) -> list[int]:
    ids = index.table["clip_id"].to_pylist()
    return sorted(range(len(ids)), key=lambda row: hashlib.sha256(ids[row].encode()).digest())[:clips]


def _software(measure: Measure) -> str:
    versions = {"av": version("av"), "soxr": soxr.__version__, **{name: version(name) for name in measure.versions}}
    return ", ".join(f"{name} {number}" for name, number in versions.items())
