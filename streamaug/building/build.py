"""Build a store: check every source, encode every shard, publish every condition last.

Any `concurrent.futures.Executor` does the work; by default processes on this machine.
"""

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from streamaug.building.chains import Chain
from streamaug.building.checks import SourceInfo, find_problems, split_warnings, summarize_changes
from streamaug.building.clips_table import add_shard_column, add_source_columns, ordered_labels, stored_columns
from streamaug.building.excerpts import excerpts_of
from streamaug.building.existing import (
    check_clips,
    check_effects,
    check_table,
    existing_index,
    lost_conditions,
    read_existing,
    row_change,
)
from streamaug.building.facts import FACTS_FILE
from streamaug.building.job import SHARD_MB, Job
from streamaug.building.options import check_options, clip_length, kept_channels
from streamaug.building.overlapping import overlap_warnings
from streamaug.building.prepare import check_lengths, fit_chain, have_effects, prepare_conditions
from streamaug.building.problems import BrokenSourcesError, Problem, report, traced
from streamaug.building.publish import Changes, publish
from streamaug.building.reading import LONGEST_S, Channel, Channels, Reading
from streamaug.building.recordings import Originals, Recording, Recordings
from streamaug.building.rejected import write_rejected
from streamaug.building.shard import ShardTask, build_shard
from streamaug.building.shard_plan import ShardPlan, plan_shards
from streamaug.building.source_check import SourceCheck
from streamaug.building.sources import common_rate
from streamaug.building.staging import staging
from streamaug.building.table_reading import check_any_file_exists, near_name_warnings, read_table, renamed
from streamaug.building.targets import target_of, target_warnings, with_targets
from streamaug.codecs import Settings, load_settings
from streamaug.conditions import Condition, Step
from streamaug.effects import Effect
from streamaug.executors import pool, results, worker_count
from streamaug.files import absolute_path, disk_errors
from streamaug.progress import Progress, Silent
from streamaug.store.folder import Folder
from streamaug.store.parquet import to_parquet
from streamaug.store.writing import Tables
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
            and conditions whose effects apply to none of the clips; each with the reason.
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
    optional: Collection[Condition] = (),
    name: str | None = None,
    rate: int | None = None,
    seconds: float | None = None,
    channel: Channel = "mix",
    channels: Channels | None = None,
    longest: float = LONGEST_S,
    shard_by: str = "split",
    shard_mb: float = SHARD_MB,
    clips_per_shard: int | None = None,
    settings: Settings | None = None,
    effects: Mapping[str, Effect] | None = None,
    replace: bool = False,
    skip_bad: bool = False,
    recheck: bool = False,
    workers: int | None = None,
    executor: Executor | None = None,
    storage_options: Mapping[str, Any] | None = None,
    columns: Mapping[str, str] | None = None,
    known_problems: Mapping[str, str] | None = None,
    origins: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Built:
    """Build a store, or add what an existing one lacks.

    This is the public door to `run_job`; the keywords are spelled out so that editors list them.

    Args:
        clips: CSV or Parquet table with the columns path and `shard_by`, and label, labels or
            target, or none of these; optionally clip_id, split, group, start and stop of an excerpt
            in seconds, and any others.
        store: Path or fsspec URL of the store.
        conditions: Conditions to build; `original` is always among them. Default: those of
            `settings`, without the ones that no encoder on this machine can make.
        optional: Those of `conditions` that are left out, with a warning, if this machine cannot
            build them.
        name: Name of the data set. Default: that of the existing store, else the table's stem.
        rate: Sample rate of the store in Hz. Default: that of the existing store, else the most
            common rate of the sources.
        seconds: Clip length; longer clips are cut, shorter ones padded. Default: that of the
            existing store, else each clip has its own.
        channel: What becomes the store's one channel: "mix" for the mean of a source's channels,
            "left" for the first, "right" for the second. Default: "mix".
        channels: "mono" for a store of one channel, "keep" for one with the channels of its
            sources, one or two, which must be as many in all of them. Default: those of the
            existing store, else "mono".
        longest: Length in seconds beyond which a source is refused. Default: one hour.
        shard_by: Column to shard by: each shard holds clips of one value.
        shard_mb: Size of a shard of `original` in MB, by estimate; at least eight shards per value
            of `shard_by` if there are clips enough. Default: 64.
        clips_per_shard: Largest number of clips in a shard. Default: as many as `shard_mb` takes.
        settings: Encoder settings. Default: shards/paper.yaml.
        effects: Effects by name, besides the installed ones.
        replace: Rebuild conditions whose stored settings differ.
        skip_bad: Build without the clips that have errors, and list them in STORE/rejected.csv.
        recheck: Decode all sources again, also those that an earlier build has checked and that
            have the same size and time of modification.
        workers: Number of processes. Default: one per core.
        executor: Who does the work instead of processes on this machine; it stays open.
        storage_options: Arguments for the store's fsspec file system.
        columns: The table's own names of path, label, labels, target, split, group, clip_id, start
            and stop, where they differ.
        known_problems: Errors of clips that the table's maker knows, by path.
        origins: Where the audio of files comes from that were unpacked for this build, by path;
            errors name it in place of the file.
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
        optional=optional,
        name=name,
        rate=rate,
        seconds=seconds,
        channel=channel,
        channels=channels,
        longest=longest,
        shard_by=shard_by,
        shard_mb=shard_mb,
        clips_per_shard=clips_per_shard,
        settings=settings or load_settings(),
        effects=effects or {},
        replace=replace,
        skip_bad=skip_bad,
        recheck=recheck,
        storage_options=storage_options or {},
        columns=columns or {},
        known_problems=known_problems or {},
        origins=origins or {},
    )
    with pool(executor, workers) as opened:
        return run_job(job, opened, progress or Silent())


def run_job(job: Job, executor: Executor, progress: Progress) -> Built:
    """Do what a job describes; raises what `build` does.

    Nothing is encoded before all sources and settings have been checked, and nobody sees anything
    before all of it is written.
    """
    check_options(job)
    sweep()
    folder = Folder.at(job.store, job.storage_options)
    existing = read_existing(folder)
    job = dataclasses.replace(job, shard_by=renamed(job.shard_by, job.columns))
    table = _read_clips(job, progress)
    excerpts = excerpts_of(table)
    paths = table["path"].to_pylist()
    rate = job.rate if job.rate is not None else (existing.manifest.rate if existing else common_rate(paths, job.origins))
    name = job.name or (existing.manifest.name if existing else job.clips.stem)
    if existing:
        check_table(existing, name=name, shard_by=job.shard_by, clips=table)
    kept = kept_channels(job, paths, existing)
    channels = kept or 1
    reading = job.reading(rate, clip_length(job, rate, existing), kept)

    with disk_errors(folder.url), staging(folder) as staged:
        check = SourceCheck(excerpts, reading, staged, recheck=job.recheck)
        with check.started(executor) as inspected:
            # While this process calibrates the encoders, the workers start.
            prepared, skipped_conditions = prepare_conditions(job, rate, channels, progress, existing.store.conditions if existing else ())
            sources = check.finish(inspected, progress)
        clips, errors = _usable_clips(job, table, sources, reading, progress)
        check_lengths(prepared, clips)
        if existing:
            check_clips(existing, shard_by=job.shard_by, clips=clips)
        change = row_change(existing, clips) if existing else None
        if existing:
            check_effects(existing, change, [str(condition) for condition in prepared] if job.replace else ())
        labels = ordered_labels(clips, existing)
        clips = add_shard_column(clips, job, channels, existing)
        originals = Originals.staged(folder, staged.name, clips, reading) if have_effects(prepared) else None
        chains = [fit_chain(condition, steps, clips, rate, channels, originals, job.effects) for condition, steps in prepared.items()]
        indexes = {  # raises if settings differ
            chain.name: existing_index(existing, chain, replace=job.replace, is_outdated=change is not None) for chain in chains
        }

        table_of_clips, recordings = stored_columns(clips), Recordings(clips)
        all_clips = hashlib.sha256(to_parquet(table_of_clips)).digest() if originals else b""
        plans = [plan_shards(chain, indexes[chain.name], recordings, labels, all_clips, staged) for chain in chains]
        task = partial(ShardTask, folder=staged.folder, staging=staged.name, reading=reading, originals=originals, labels=labels)
        built = _build_shards(list(_shard_tasks(task, recordings, plans, worker_count(executor))), executor, progress)
        for plan in plans:
            for message in plan.finish(staged):
                progress.say(message)
        tables = Tables()
        changes = Changes(
            base=existing.manifest if existing else None,
            name=name,
            target=target_of(clips),
            labels=labels,
            rate=rate,
            channels=channels,
            samples=reading.samples,
            shard_by=job.shard_by,
            clips=tables.add_clips(table_of_clips),
            conditions={plan.chain.name: tables.add_index(plan.index) for plan in plans if plan.index is not None},
            removed=lost_conditions(existing),
        )
        staged.supersede(publish(staged.folder, changes, tables))
        facts = check.facts()
        if facts is not None:
            staged.folder.write(FACTS_FILE, facts)
        write_rejected(folder, errors)
    empty = {plan.chain.name: "its effects apply to none of the clips" for plan in plans if plan.index is None}
    for condition, reason in empty.items():
        progress.say(f"warning: {condition} is not in the store: {reason}")
    return Built(
        conditions=tuple(chain.name for chain in chains if chain.name not in empty),
        shards_built=built,
        shards_reused=sum(len(plan.keys) for plan in plans) - built,
        clips=clips.num_rows,
        rejected=table.num_rows - clips.num_rows,
        skipped_conditions={**skipped_conditions, **empty},
    )


def _read_clips(job: Job, progress: Progress) -> pa.Table:
    """The table of clips; names in it that somebody probably meant to be the same are logged."""
    try:
        table = read_table(job.clips, job.shard_by, job.columns)
        check_any_file_exists(table, job.shard_by)
    except BrokenSourcesError as error:
        problems = traced(error.problems, job.origins)
        if len(problems) > 1:
            report(problems, progress, _problems_file(job))
        raise BrokenSourcesError(problems) from None
    for message in (*target_warnings(table), *near_name_warnings(table)):
        progress.say(message)
    return table


def _problems_file(job: Job) -> Path:
    """Where the problems are listed if they are too many to print: next to a local store. For a URL
    there is no such folder, and `report` takes a temporary file."""
    return absolute_path(f"{str(job.store).rstrip('/')}-problems.csv")


def _usable_clips(
    job: Job, table: pa.Table, facts: Sequence[SourceInfo], reading: Reading, progress: Progress
) -> tuple[pa.Table, list[Problem]]:
    """The clips without errors, with what the check found out about them, and all errors."""
    problems = traced(find_problems(table, facts, job.shard_by, job.known_problems), job.origins)
    report(problems, progress, _problems_file(job))
    errors = [problem for problem in problems if problem.severity == "error"]
    bad_rows = {problem.row - 1 for problem in errors}
    if errors and (not job.skip_bad or len(bad_rows) == table.num_rows):
        raise BrokenSourcesError(problems)
    good_rows = [row for row in range(table.num_rows) if row not in bad_rows]
    good = with_targets(table.take(np.array(good_rows)))
    ids, groups, splits = (good[name].to_pylist() for name in ("clip_id", "group", "split"))
    warnings = [*split_warnings(good), *overlap_warnings(excerpts_of(good), ids, groups, splits)]
    for message in (*warnings, *summarize_changes(facts, reading.rate, reading.channels or 1)):
        progress.say(message)
    return add_source_columns(good, [facts[row] for row in good_rows]), errors


def _shard_tasks(
    task: Callable[..., ShardTask], recordings: Mapping[int, tuple[Recording, ...]], plans: Sequence[ShardPlan], workers: int
) -> Iterator[ShardTask]:
    """One task per shard that any condition lacks. The last shards, half as many as there are
    workers, are split by condition, so that no worker waits long for the others; not all are, since
    each of these tasks reads the shard's clips again."""
    numbers = sorted(set().union(*(plan.missing for plan in plans)))
    for left, number in zip(range(len(numbers), 0, -1), numbers, strict=True):
        clips = [recording.clip for recording in recordings[number]]
        parts = defaultdict[tuple[Step, ...], list[tuple[Chain, str]]](list)
        for plan in plans:
            if number in plan.missing:
                # What two conditions have in common at their start is encoded once, in one task.
                first = plan.chain.condition.steps[:1] if left <= workers // 2 else ()
                parts[first].append((plan.chain.select(clips), plan.keys[number]))
        for chains in parts.values():
            yield task(number=number, recordings=recordings[number], chains=tuple(chains))


def _build_shards(tasks: Sequence[ShardTask], executor: Executor, progress: Progress) -> int:
    """Run the tasks; returns how many shards were built."""
    progress.begin("encoding clips into shards", sum(len(task.chains) * len(task.recordings) for task in tasks))
    built = 0
    for number, count in results(executor, [(build_shard, (task,)) for task in tasks]):
        built += count
        progress.advance(count * len(tasks[number].recordings))
    return built
