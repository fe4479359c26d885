"""Build a store: check every source, encode every shard, publish every condition last.

Any `concurrent.futures.Executor` does the work; by default processes on this machine.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from streamaug.building.chains import Chain
from streamaug.building.checks import BrokenSourcesError, Problem, find_problems, inspect_sources, split_warnings, summarize_changes
from streamaug.building.clips_table import add_shard_column, add_source_columns, ordered_labels
from streamaug.building.existing import ExistingStore, check_compatible, existing_index, existing_shards, read_existing
from streamaug.building.job import Job
from streamaug.building.options import check_options, clip_length, own_lengths
from streamaug.building.prepare import check_lengths, fit_chain, has_effects, prepare_conditions
from streamaug.building.publish import locked, publish, write_clips
from streamaug.building.shard import ShardTask, build_shard
from streamaug.building.sources import Originals, Recording, common_rate, read_table
from streamaug.codecs import Settings, load_settings
from streamaug.conditions import Condition
from streamaug.effects import Effect
from streamaug.executors import pool, results
from streamaug.files import disk_errors
from streamaug.progress import Progress, Silent
from streamaug.store.folder import Folder
from streamaug.store.format import FORMAT, StoreMeta
from streamaug.temporary import sweep


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a build did.

    Args:
        conditions: Names of the conditions that were requested, all of them published now.
        shards_built: Shards that were written.
        shards_reused: Shards that were already present.
        clips: Clips in the store.
        rejected: Clips that were left out because of errors.
        skipped_conditions: Conditions of the default list that no encoder on this machine can make,
            and why.
    """

    conditions: tuple[str, ...]
    shards_built: int
    shards_reused: int
    clips: int
    rejected: int
    skipped_conditions: Mapping[str, str]


def build(
    clips: Path,
    store: str,
    *,
    conditions: Sequence[Condition] | None = None,
    name: str | None = None,
    rate: int | None = None,
    seconds: float | None = None,
    shard_by: str = "split",
    clips_per_shard: int | None = None,
    settings: Settings | None = None,
    effects: Mapping[str, Effect] | None = None,
    replace: bool = False,
    skip_bad: bool = False,
    workers: int | None = None,
    executor: Executor | None = None,
    storage_options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build a store, or add what an existing one lacks.

    This is the public door to `run_job`; the keywords are spelled out so that editors list them.

    Args:
        clips: CSV or Parquet table with the columns path, label and `shard_by`; optionally clip_id,
            split, group and any others.
        store: Path or fsspec URL of the store.
        conditions: Conditions to build; `original` is always among them. Default: those of
            `settings`, without the ones that no encoder on this machine can make.
        name: Name of the data set. Default: that of the existing store, else the table's stem.
        rate: Sample rate of the store in Hz. Default: that of the existing store, else the most
            common rate of the sources.
        seconds: Clip length; longer clips are cut, shorter ones padded. Default: all clips must
            have the same length.
        shard_by: Column to shard by: each shard holds clips of one value.
        clips_per_shard: Largest number of clips in a shard. Default: 1/8 of the clips with the same
            `shard_by` value, between 16 and 128.
        settings: Encoder settings. Default: shards/paper.yaml.
        effects: Effects by name, besides the installed ones.
        replace: Rebuild conditions whose stored settings differ.
        skip_bad: Build without the clips that have errors, and list them in STORE/rejected.csv.
        workers: Number of processes. Default: one per core.
        executor: Who does the work instead of processes on this machine; it stays open.
        storage_options: Arguments for the store's fsspec file system.
        progress: Who gets to see the progress.

    Raises:
        BrokenSourcesError: Sources have errors; lists every problem.
        ClipsError: The table cannot be used.
        ConditionError: A condition is not valid.
        EncoderError: An encoder is missing or fails.
        StoreError: The existing store contradicts the build.
        FetchError: The store or a source cannot be reached.
    """
    job = Job(
        clips=clips,
        store=store,
        conditions=conditions,
        name=name,
        rate=rate,
        seconds=seconds,
        shard_by=shard_by,
        clips_per_shard=clips_per_shard,
        settings=settings or load_settings(),
        effects=effects or {},
        replace=replace,
        skip_bad=skip_bad,
        storage_options=storage_options or {},
    )
    with pool(executor, workers) as opened:
        return run_job(job, opened, progress or Silent())


def run_job(job: Job, executor: Executor, progress: Progress) -> Built:
    """Do what a job describes; raises what `build` does.

    Nothing is written before all sources and settings have been checked.
    """
    check_options(job)
    sweep()
    folder = Folder.at(job.store, job.storage_options)
    existing = read_existing(folder)
    table = read_table(job.clips, job.shard_by)
    rate = job.rate if job.rate is not None else (existing.meta.rate if existing else common_rate(table["path"].to_pylist()))
    length = clip_length(job, rate, existing)
    prepared, skipped_conditions = prepare_conditions(job, rate, progress, existing.meta.conditions if existing else ())

    clips, errors = _check_sources(job, table, rate, length, existing, executor, progress)
    check_lengths(prepared, int(clips["samples"][0].as_py()), clips["clip_id"][0].as_py())
    meta = StoreMeta(
        format=FORMAT,
        name=job.name or (existing.meta.name if existing else job.clips.stem),
        labels=ordered_labels(clips, existing),
        rate=rate,
        shard_by=job.shard_by,
        conditions=existing.meta.conditions if existing else (),
    )
    if existing:
        check_compatible(existing, meta, clips)
    clips = add_shard_column(clips, job.shard_by, job.clips_per_shard, existing)
    originals = Originals(
        paths=dict(zip(clips["clip_id"].to_pylist(), clips["path"].to_pylist(), strict=True)),
        rate=rate,
        samples=int(clips["samples"][0].as_py()),
    )
    chains = [fit_chain(condition, steps, clips, originals, job.effects) for condition, steps in prepared.items()]
    for chain in chains:
        existing_index(folder, chain, replace=job.replace)  # raises if the settings differ

    with disk_errors(folder.url), locked(folder):
        write_clips(folder, meta, clips, errors)
        shards = {chain.name: _shard_numbers(chain, clips) for chain in chains}
        missing = {
            chain.name: shards[chain.name] - existing_shards(folder, chain, shards[chain.name], replace=job.replace) for chain in chains
        }
        built = _build_shards(_shard_tasks(folder, clips, originals, chains, missing), executor, progress)
        for chain in chains:
            publish(folder, chain, sorted(shards[chain.name]))
    return Built(
        conditions=tuple(chain.name for chain in chains),
        shards_built=built,
        shards_reused=sum(map(len, shards.values())) - sum(map(len, missing.values())),
        clips=clips.num_rows,
        rejected=table.num_rows - clips.num_rows,
        skipped_conditions=skipped_conditions,
    )


def _check_sources(
    job: Job, table: pa.Table, rate: int, length: int | None, existing: ExistingStore | None, executor: Executor, progress: Progress
) -> tuple[pa.Table, list[Problem]]:
    """The clips without errors, with what the check found out about them, and all errors."""
    sources = inspect_sources(executor, table["path"].to_pylist(), rate, length, progress)
    if existing and job.seconds is None:
        sources = own_lengths(table["clip_id"].to_pylist(), sources, existing)
    problems = find_problems(table, sources, job.shard_by, existing.samples if existing else None)
    for problem in problems:
        progress.say(f"{problem.severity}: clip '{problem.clip_id}' ({problem.path}): {problem.message}")
    errors = [problem for problem in problems if problem.severity == "error"]
    bad_rows = {problem.row - 1 for problem in errors}
    if errors and (not job.skip_bad or len(bad_rows) == table.num_rows):
        raise BrokenSourcesError(problems)
    good_rows = [row for row in range(table.num_rows) if row not in bad_rows]
    good = table.take(np.array(good_rows))
    for message in (*split_warnings(good), *summarize_changes(sources, rate)):
        progress.say(message)
    return add_source_columns(good, [sources[row] for row in good_rows]), errors


def _shard_numbers(chain: Chain, clips: pa.Table) -> set[int]:
    """The shards that hold any clip of a condition."""
    if not has_effects([chain]):
        return set(clips["shard"].to_pylist())
    return {int(clip["shard"]) for clip in clips.to_pylist() if chain.holds(clip)}


def _shard_tasks(
    folder: Folder, clips: pa.Table, originals: Originals, chains: Sequence[Chain], missing: Mapping[str, set[int]]
) -> list[ShardTask]:
    """One task per shard that any condition lacks; `missing` has their numbers by condition."""
    recordings: dict[int, list[Recording]] = defaultdict(list)
    for clip in clips.drop_columns(["path", "samples", "depth"]).to_pylist():
        shard, sha256 = clip.pop("shard"), clip.pop("sha256")
        recordings[shard].append(Recording(clip=clip, sha256=sha256))
    mixes_clips = has_effects(chains)
    return [
        ShardTask(
            folder=folder,
            number=number,
            recordings=tuple(recordings[number]),
            originals=originals if mixes_clips else originals.select([recording.clip_id for recording in recordings[number]]),
            chains=tuple(chain for chain in chains if number in missing[chain.name]),
        )
        for number in sorted(set().union(*missing.values()))
    ]


def _build_shards(tasks: Sequence[ShardTask], executor: Executor, progress: Progress) -> int:
    """Run the tasks; returns how many shards were built."""
    progress.begin("building shards", sum(len(task.chains) for task in tasks))
    built = 0
    for _, count in results(executor, [(build_shard, (task,)) for task in tasks]):
        built += count
        progress.advance(count)
    return built
