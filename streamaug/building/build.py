"""From a table of clips to a store: check every source, code every shard, publish every condition last.

Any `concurrent.futures.Executor` carries the work: processes on this machine unless another is given.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.building.chains import Chain, EffectStep
from streamaug.building.checks import Problem, SourceInfo, find_problems, inspect
from streamaug.building.cut import cut
from streamaug.building.publish import (
    ExistingStore,
    check_compatible,
    existing_index,
    existing_shards,
    locked,
    publish,
    read_existing,
    write_clips,
)
from streamaug.building.shard import Recording, ShardTask, build_shard
from streamaug.building.sources import common_rate, load, read_table
from streamaug.codecs import CalibratedEncoder, Settings, calibrate, load_settings, pcm
from streamaug.conditions import Condition, Step
from streamaug.effects import Effect, LoadClip, find_effect
from streamaug.errors import ClipsError, StreamaugError
from streamaug.executors import pool, results
from streamaug.progress import Progress, Silent
from streamaug.store.folder import Folder
from streamaug.store.format import FORMAT, StoreMeta

_INSPECTED = 16
"""Clips that one task of the check decodes."""


class BrokenSourcesError(ClipsError):
    """Sources that cannot be built from; `problems` lists them all, warnings too."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        errors = [problem for problem in problems if problem.severity == "error"]
        first = errors[0]
        more = f" and {len(errors) - 1} more problems" if len(errors) > 1 else ""
        super().__init__(
            f"clip '{first.clip_id}' ({first.path}): {first.message}{more}; nothing was written; "
            "mend the table, or build the rest with --skip-bad"
        )


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a build did. skipped_conditions: conditions of the default list that no encoder here can make, with the reason."""

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
    """Build a store, or add what is missing to a standing one.

    clips: CSV or Parquet table with columns path, label, the column `shard_by`, and where wanted clip_id, split, group and
    any others. store: path or fsspec URL. conditions: those of `settings` where none are given; of these, ones that no
    encoder here can make are left out. name: of the data set, default the table's. rate: samples a second of the
    store, default the most common among the sources. seconds: cut or pad every clip to them; default: all must be equally
    long. replace: build conditions again whose settings differ from those
    that stand. skip_bad: build without the clips that have errors and list them in <store>/rejected.csv.

    Raises BrokenSourcesError with every problem of the sources, ClipsError for a table that cannot be used, ConditionError,
    EncoderError, StoreError where the standing store contradicts, FetchError.
    """
    progress = progress or Silent()
    settings = settings or load_settings()
    folder = Folder.at(store, storage_options)
    standing = read_existing(folder)
    table = read_table(clips, shard_by)
    rate = rate or (standing.meta.rate if standing else common_rate(table["path"].to_pylist()))
    codings, skipped_conditions = _ready(conditions, settings, effects, rate, progress)
    with pool(executor, workers) as workforce:
        fitted = round(seconds * rate) if seconds else None
        facts = _inspected(workforce, table, rate, fitted, progress)
        problems = find_problems(table, facts, shard_by, standing.samples if standing else None)
        errors = [problem for problem in problems if problem.severity == "error"]
        for problem in problems:
            progress.say(f"{problem.severity}: clip '{problem.clip_id}' ({problem.path}): {problem.message}")
        bad = {problem.row - 1 for problem in errors}
        if errors and (not skip_bad or len(bad) == table.num_rows):
            raise BrokenSourcesError(problems)
        _tell_changes(facts, rate, progress)
        good = np.array([row for row in range(table.num_rows) if row not in bad])
        chosen = _with_facts(table.take(good), [facts[row] for row in good])
        meta = StoreMeta(
            format=FORMAT,
            name=name or (standing.meta.name if standing else clips.stem),
            labels=_labels(chosen, standing),
            rate=rate,
            shard_by=shard_by,
        )
        if standing:
            check_compatible(standing, meta, chosen)
        chosen = _with_shards(chosen, shard_by, clips_per_shard, standing)
        chains = [_chain(condition, codings, chosen, rate, effects) for condition in codings]
        for chain in chains:
            existing_index(folder, chain, replace=replace)  # a contradiction stops the build before it writes
        with locked(folder):
            write_clips(folder, meta, chosen, errors)
            done = _code(workforce, folder, chosen, chains, progress, replace=replace)
            for chain in chains:
                publish(folder, chain, sorted(_shards_of(chain, chosen)))
    return Built(
        conditions=tuple(chain.name for chain in chains),
        shards_built=done[0],
        shards_reused=done[1],
        clips=chosen.num_rows,
        rejected=len(bad),
        skipped_conditions=skipped_conditions,
    )


Codings = dict[Condition, tuple[CalibratedEncoder | Step, ...]]


def _ready(
    conditions: Sequence[Condition] | None, settings: Settings, effects: Mapping[str, Effect] | None, rate: int, progress: Progress
) -> tuple[Codings, dict[str, str]]:
    """The codec steps of every condition, calibrated; effects stay steps until the clips are known, but must exist."""
    wanted = conditions if conditions is not None else [Condition.parse(name) for name in settings.conditions]

    @cache
    def ready(step: Step) -> CalibratedEncoder | Step:
        if step.is_codec:
            return calibrate(step, settings, rate)
        find_effect(step, effects)
        return step

    codings: Codings = {}
    skipped_conditions: dict[str, str] = {}
    for condition in dict.fromkeys((Condition(), *wanted)):
        try:
            codings[condition] = tuple(map(ready, condition.steps))
        except StreamaugError as error:
            if conditions is not None:
                raise
            skipped_conditions[str(condition)] = str(error)
            progress.say(f"warning: going on without {condition}: {error}")
    return codings, skipped_conditions


def _inspected(workforce: Executor, table: pa.Table, rate: int, samples: int | None, progress: Progress) -> list[SourceInfo]:
    paths = table["path"].to_pylist()
    starts = range(0, len(paths), _INSPECTED)
    progress.begin("checking sources", len(paths))
    found: list[list[SourceInfo]] = [[] for _ in starts]
    for number, facts in results(workforce, [(inspect, (paths[start : start + _INSPECTED], rate, samples)) for start in starts]):
        found[number] = facts
        progress.advance(len(facts))
    return [fact for facts in found for fact in facts]


def _tell_changes(facts: Sequence[SourceInfo], rate: int, progress: Progress) -> None:
    changes = Counter[str]()
    for fact in facts:
        if fact.rate and fact.rate != rate:
            changes[f"resampled from {fact.rate} to {rate} Hz"] += 1
        if fact.channels > 1:
            changes[f"mixed down from {fact.channels} channels"] += 1
        if fact.fitted:
            changes[f"{'padded' if fact.fitted > 0 else 'cut'} to {fact.samples / rate:g} s"] += 1
    for change, count in sorted(changes.items()):
        progress.say(f"{count} clips {change}")


def _with_facts(table: pa.Table, facts: Sequence[SourceInfo]) -> pa.Table:
    columns = {
        "samples": pa.array([fact.samples for fact in facts], pa.int64()),
        "depth": pa.array([fact.depth for fact in facts], pa.int8()),
        "sha256": pa.array([fact.sha256 for fact in facts], pa.binary(32)),
    }
    for name, column in columns.items():
        table = table.append_column(name, column)
    return table.sort_by("clip_id")


def _labels(chosen: pa.Table, standing: ExistingStore | None) -> tuple[str, ...]:
    """Alphabetical; labels that later clips bring come behind, so that class numbers stay."""
    old = standing.meta.labels if standing else ()
    return (*old, *sorted(set(chosen["label"].to_pylist()) - set(old)))


def _with_shards(chosen: pa.Table, shard_by: str, clips_per_shard: int | None, standing: ExistingStore | None) -> pa.Table:
    """Clips that stand keep their shard; new ones are cut into shards behind the last."""
    numbers = np.full(chosen.num_rows, -1, np.int32)
    if standing and standing.clips is not None:
        where = pc.index_in(standing.clips["clip_id"], chosen["clip_id"]).to_numpy()
        numbers[where] = standing.clips["shard"].to_numpy()
    fresh = np.flatnonzero(numbers < 0)
    ids, values = chosen["clip_id"].take(fresh).to_pylist(), pc.cast(chosen[shard_by], pa.string()).take(fresh).to_pylist()
    numbers[fresh] = cut(ids, values, clips_per_shard, int(numbers.max(initial=-1)) + 1)
    return chosen.append_column("shard", pa.array(numbers))


def _chain(condition: Condition, codings: Codings, chosen: pa.Table, rate: int, effects: Mapping[str, Effect] | None) -> Chain:
    steps: list[CalibratedEncoder | EffectStep] = []
    paths = dict(zip(chosen["clip_id"].to_pylist(), chosen["path"].to_pylist(), strict=True))
    samples = int(chosen["samples"][0].as_py())

    def load_original(clip_id: str) -> np.ndarray:
        return pcm.to_float(load(paths[clip_id], rate, samples).pcm)

    given: LoadClip = load_original
    for step in codings[condition]:
        if isinstance(step, CalibratedEncoder):
            steps.append(step)
        else:
            effect = find_effect(step, effects).fit(chosen.drop_columns(["path"]), given, rate)
            steps.append(EffectStep(step=step, effect=effect, rate=rate))
    return Chain(condition=condition, steps=tuple(steps), rate=rate)


def _shards_of(chain: Chain, chosen: pa.Table) -> set[int]:
    """Numbers of the shards in which the condition holds any clip."""
    if not any(isinstance(step, EffectStep) for step in chain.steps):
        return set(chosen["shard"].to_pylist())
    return {int(clip["shard"]) for clip in chosen.to_pylist() if chain.holds(clip)}


def _code(
    workforce: Executor, folder: Folder, chosen: pa.Table, chains: Sequence[Chain], progress: Progress, *, replace: bool
) -> tuple[int, int]:
    """Build every shard that is missing; returns how many were built and how many stood."""
    missing: dict[int, list[Chain]] = defaultdict(list)
    standing = 0
    for chain in chains:
        numbers = _shards_of(chain, chosen)
        done = existing_shards(folder, chain, numbers, replace=replace)
        standing += len(done)
        for number in numbers - done:
            missing[number].append(chain)
    paths = dict(zip(chosen["clip_id"].to_pylist(), chosen["path"].to_pylist(), strict=True))
    listening = any(isinstance(step, EffectStep) for chain in chains for step in chain.steps)
    samples = int(chosen["samples"][0].as_py())
    by_shard: dict[int, list[Recording]] = defaultdict(list)
    for clip in chosen.to_pylist():
        shard, path, sha256 = clip.pop("shard"), clip.pop("path"), clip.pop("sha256")
        by_shard[shard].append(
            Recording(clip={key: clip[key] for key in clip if key not in ("samples", "depth")}, path=path, sha256=sha256)
        )
    tasks = [
        ShardTask(
            folder=folder,
            number=number,
            rate=chains[0].rate,
            samples=samples,
            recordings=tuple(by_shard[number]),
            chains=tuple(missing[number]),
            paths=paths if listening else {},
        )
        for number in sorted(missing)
    ]
    progress.begin("building shards", sum(len(task.chains) for task in tasks))
    built = 0
    for _, count in results(workforce, [(build_shard, (task,)) for task in tasks]):
        built += count
        progress.advance(count)
    return built, standing
