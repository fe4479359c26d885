"""Check every source before anything is written, and report all problems together."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.building.problems import Problem
from streamaug.building.sources import load
from streamaug.building.table_reading import empty_cell, id_problem
from streamaug.codecs.pcm import depth_of, digest
from streamaug.errors import ClipsError
from streamaug.executors import results
from streamaug.progress import Progress

_CLIPS_PER_TASK = 16
"""Clips that one task of the check decodes."""

_CLIPPED = 0.001
"""Share of samples at full scale above which a clip is called clipped."""


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """What the check found out about a source.

    Args:
        error: Why it cannot be read, or None; the other fields mean nothing if it is set.
        samples: Length in samples at the store's rate.
        depth: Bits per sample of `original`.
        sha256: Hash of the PCM as `original` holds it.
        rate: Sample rate of the file in Hz.
        channels: Channels of the file.
        padding: Samples at the store's rate that were added at the end; negative: that were cut.
        silent: Whether all samples are zero.
        clipped: Whether more than 0.1% of the samples are at full scale.
    """

    error: str | None = None
    samples: int = 0
    depth: int = 16
    sha256: bytes = b""
    rate: int = 0
    channels: int = 1
    padding: int = 0
    silent: bool = False
    clipped: bool = False


def inspect_sources(workers: Executor, paths: Sequence[str], rate: int, samples: int | None, progress: Progress) -> list[SourceInfo]:
    """Decode every source on the workers.

    Args:
        workers: Who does the work.
        paths: Audio files.
        rate: Sample rate of the store in Hz.
        samples: Length that sources are cut or padded to, or None.
        progress: Advances by one step per clip.

    Raises:
        FetchError: A remote file cannot be read at the moment.
    """
    progress.begin("checking sources", len(paths))
    tasks = [paths[start : start + _CLIPS_PER_TASK] for start in range(0, len(paths), _CLIPS_PER_TASK)]
    inspected: list[list[SourceInfo]] = [[] for _ in tasks]
    for number, sources in results(workers, [(inspect, (task, rate, samples)) for task in tasks]):
        inspected[number] = sources
        progress.advance(len(sources))
    return [source for sources in inspected for source in sources]


def inspect(paths: Sequence[str], rate: int, samples: int | None) -> list[SourceInfo]:
    """Decode some sources; this runs in a worker."""
    return [_inspect(path, rate, samples) for path in paths]


def _inspect(path: str, rate: int, samples: int | None) -> SourceInfo:
    try:
        source = load(path, rate, samples)
    except ClipsError as error:
        return SourceInfo(error=str(error))
    depth = depth_of(source.pcm)
    peak = np.abs(source.pcm, dtype=np.int64)
    full_scale = (1 << 15) - 1 if depth == 16 else ((1 << 23) - 1) << 8
    return SourceInfo(
        samples=len(source.pcm),
        depth=depth,
        sha256=digest(source.pcm),
        rate=source.rate,
        channels=source.channels,
        padding=source.padding,
        silent=not peak.any(),
        clipped=bool((peak >= full_scale).mean() > _CLIPPED),
    )


def find_problems(
    table: pa.Table, sources: Sequence[SourceInfo], shard_by: str, samples: int | None = None, known: Mapping[str, str] | None = None
) -> list[Problem]:
    """Everything that is wrong with the clips of a table, errors first.

    Args:
        table: Clips as `table_reading.read_table` returns them.
        sources: One per row of the table.
        shard_by: Column to shard by.
        samples: Length that all clips must have. Default: the most common one.
        known: Errors that the table's maker knows, by path.
    """
    ids, paths, labels, shard_values = (table[name].to_pylist() for name in ("clip_id", "path", "label", shard_by))
    problems: list[Problem] = []

    def add(rows: Iterable[int], severity: Literal["error", "warning"], message: str) -> None:
        problems.extend(Problem(row=row + 1, clip_id=ids[row] or "", path=paths[row], severity=severity, message=message) for row in rows)

    by_id: dict[str | None, list[int]] = defaultdict(list)
    by_audio: dict[bytes, list[int]] = defaultdict(list)
    lengths: Counter[int] = Counter()
    for row, source in enumerate(sources):
        values = {"path": paths[row], "label": labels[row], shard_by: shard_values[row]}
        empty = [name for name, value in values.items() if value in (None, "")]
        for name in empty:
            add([row], "error", empty_cell(name))
        if "path" in empty:
            continue
        by_id[ids[row]].append(row)
        wrong_id = id_problem(ids[row])
        if wrong_id:
            add([row], "error", wrong_id)
        if known and paths[row] in known:
            add([row], "error", known[paths[row]])
        if source.error:
            add([row], "error", source.error)
            continue
        lengths[source.samples] += 1
        if source.silent:
            add([row], "warning", "silence")
        elif not empty:
            by_audio[source.sha256].append(row)
        if source.clipped:
            add([row], "warning", f"clipping: more than {_CLIPPED:.1%} of its samples are at full scale")
    for clip_id, rows in by_id.items():
        if len(rows) > 1:
            add(rows[1:], "error", f"its id '{clip_id}' is in rows {_row_numbers(rows)}; write a unique id into the column 'clip_id'")
    for rows in by_audio.values():
        if len({labels[row] for row in rows}) > 1:
            add(rows, "error", f"the same audio has several labels: {_clip_values(rows, ids, labels)}; keep one")
        elif len({shard_values[row] for row in rows}) > 1:
            add(rows, "error", f"the same audio has several values of '{shard_by}': {_clip_values(rows, ids, shard_values)}; keep one")
        elif len(rows) > 1:
            add(rows[1:], "warning", f"the same audio as clip '{ids[rows[0]]}'")
    if lengths:
        usual = samples or lengths.most_common(1)[0][0]
        for row, source in enumerate(sources):
            if not source.error and source.samples != usual:
                add(
                    [row], "error", f"has {source.samples} samples, not {usual} like the others; cut or pad it, or all clips with --seconds"
                )
    return sorted(problems, key=lambda problem: (problem.severity, problem.row))


def split_warnings(clips: pa.Table) -> list[str]:
    """One line if groups are in several splits, where training on one of them would be refused.

    Args:
        clips: Clips with the columns split and group; clips without either do not count.
    """
    known = clips.select(["group", "split"]).drop_null()
    counts = known.group_by("group").aggregate([("split", "count_distinct")])
    mixed = counts.filter(pc.greater(counts["split_count_distinct"], 1))["group"]
    if not len(mixed):
        return []
    example = pc.min(mixed).as_py()
    splits = sorted(known.filter(pc.equal(known["group"], example))["split"].unique().to_pylist())
    groups = f"{len(mixed)} group{'s are' if len(mixed) > 1 else ' is'}"
    return [
        f"warning: {groups} in several splits, for example '{example}' in {', '.join(splits)}; "
        "training on one of these splits will be refused until each group is in one split, or the recipe has 'allow_leakage: true'"
    ]


def summarize_changes(sources: Sequence[SourceInfo], rate: int) -> list[str]:
    """One line per way in which sources were changed for the store, with the number of clips."""
    changes = Counter[str]()
    for source in sources:
        if source.rate and source.rate != rate:
            changes[f"resampled from {source.rate} to {rate} Hz"] += 1
        if source.channels > 1:
            changes[f"mixed down from {source.channels} channels"] += 1
        if source.padding:
            changes[f"{'padded' if source.padding > 0 else 'cut'} to {source.samples / rate:g} s"] += 1
    return [f"{count} clips {change}" for change, count in sorted(changes.items())]


def _row_numbers(rows: Sequence[int]) -> str:
    shown = ", ".join(str(row + 1) for row in rows[:5])
    return shown if len(rows) <= 5 else f"{shown}, …"


def _clip_values(rows: Sequence[int], ids: Sequence[str], values: Sequence[str]) -> str:
    shown = ", ".join(f"'{ids[row]}' is {values[row]}" for row in rows[:5])
    return shown if len(rows) <= 5 else f"{shown}, …"
