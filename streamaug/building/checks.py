"""Check every source before anything is written, and report all problems together."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from streamaug.building.excerpts import Excerpt
from streamaug.building.problems import Problem
from streamaug.building.reading import Reading
from streamaug.building.source_file import SourceFile
from streamaug.building.sources import load_excerpt
from streamaug.building.table_reading import empty_cell, id_problem
from streamaug.building.targets import comparable, target_of, value_problem
from streamaug.codecs.pcm import depth_of, digest
from streamaug.errors import ClipsError
from streamaug.store.targets import target_columns

_CLIPPED = 0.001
"""Share of samples at full scale above which a clip is called clipped."""

_PADDED = 0.1
"""Share of a clip above which silence at its end is worth a warning."""

_LOST_DB = 6.0
"""Loss of the mean of channels above which they are said to cancel."""


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
        lost_db: What the mean of the channels lost because they cancel, in dB.
        dead_channels: Names of channels that were taken and hold no sound, or "".
        unread: Bytes after the sound that belong to nothing that the header names.
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
    lost_db: float = 0.0
    dead_channels: str = ""
    unread: int = 0

    @property
    def padded_share(self) -> float:
        """Share of the clip that is silence added at its end."""
        return max(0, self.padding) / max(1, self.samples)


def inspect(excerpts: Sequence[Excerpt], reading: Reading) -> list[SourceInfo]:
    """Decode some sources; this runs in a worker."""
    with SourceFile() as file:
        return [_inspect(excerpt, reading, file) for excerpt in excerpts]


def _inspect(excerpt: Excerpt, reading: Reading, file: SourceFile) -> SourceInfo:
    try:
        source = load_excerpt(excerpt, reading, file)
    except ClipsError as error:
        return SourceInfo(error=str(error))
    depth = depth_of(source.pcm)
    peak = np.abs(source.pcm, dtype=np.int64)
    full_scale = (1 << 15) - 1 if depth == 16 else ((1 << 23) - 1) << 8
    return SourceInfo(
        samples=source.pcm.shape[-1],
        depth=depth,
        sha256=digest(source.pcm),
        rate=source.rate,
        channels=source.channels,
        padding=source.padding,
        silent=not peak.any(),
        clipped=bool((peak >= full_scale).mean() > _CLIPPED),
        lost_db=source.lost_db,
        dead_channels=source.dead_channels,
        unread=source.unread,
    )


def find_problems(table: pa.Table, sources: Sequence[SourceInfo], shard_by: str, known: Mapping[str, str] | None = None) -> list[Problem]:
    """Everything that is wrong with the clips of a table, errors first.

    Args:
        table: Clips as `table_reading.read_table` returns them.
        sources: One per row of the table.
        shard_by: Column to shard by.
        known: Errors that the table's maker knows, by path.
    """
    ids, paths, shard_values = (table[name].to_pylist() for name in ("clip_id", "path", shard_by))
    target = target_of(table)
    targets = table[target].to_pylist() if target else [None] * table.num_rows
    problems: list[Problem] = []

    def add(rows: Iterable[int], severity: Literal["error", "warning"], message: str) -> None:
        problems.extend(Problem(row=row + 1, clip_id=ids[row] or "", path=paths[row], severity=severity, message=message) for row in rows)

    by_id: dict[str | None, list[int]] = defaultdict(list)
    by_audio: dict[bytes, list[int]] = defaultdict(list)
    for row, source in enumerate(sources):
        values = {"path": paths[row], **dict.fromkeys(target_columns(target), targets[row]), shard_by: shard_values[row]}
        empty = [name for name, value in values.items() if value in (None, "")]
        for name in empty:
            add([row], "error", empty_cell(name))
        wrong_target = value_problem(target, targets[row]) if target and target not in empty else None
        if wrong_target:
            add([row], "error", wrong_target)
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
        if not source.silent and not empty and not wrong_target:
            by_audio[source.sha256].append(row)
        for warning in _warnings(source):
            add([row], "warning", warning)
    for clip_id, rows in by_id.items():
        if len(rows) > 1:
            add(rows[1:], "error", f"its id '{clip_id}' is in rows {_row_numbers(rows)}; write a unique id into the column 'clip_id'")
    for rows in by_audio.values():
        learned = {row: comparable(target, targets[row]) for row in rows} if target else {}
        if len(set(learned.values())) > 1:
            kind = "several targets" if target == "target" else "several labels" if target == "label" else "other labels"
            add(rows, "error", f"the same audio has {kind}: {_clip_values(rows, ids, learned)}; keep one")
        elif len({shard_values[row] for row in rows}) > 1:
            add(rows, "error", f"the same audio has several values of '{shard_by}': {_clip_values(rows, ids, shard_values)}; keep one")
        elif len(rows) > 1:
            add(rows[1:], "warning", f"the same audio as clip '{ids[rows[0]]}'")
    return sorted(problems, key=lambda problem: (problem.severity, problem.row))


def _warnings(source: SourceInfo) -> Iterator[str]:
    """What may be wrong with a source that can be used."""
    if source.lost_db > _LOST_DB:
        loss = "all of its sound is lost" if source.silent else f"{source.lost_db:.0f} dB are lost"
        yield f"its channels cancel in the mix, {loss}: one has the opposite polarity; use --channel left or --channel right"
    elif source.silent:
        yield "silence"
    if source.dead_channels:
        yield f"dead channel: {source.dead_channels}, at least 60 dB below the loudest; choose a live one with --channel"
    if source.clipped:
        yield f"clipping: more than {_CLIPPED:.1%} of its samples are at full scale"
    if source.padded_share > _PADDED:
        yield (
            f"padding: {source.padded_share:.0%} of the clip is silence that was added at its end; "
            "check that the file is whole, or use a smaller --seconds"
        )
    if source.unread:
        yield f"{source.unread} bytes after its sound are not read; if they are sound, its header was never finished"


def split_warnings(clips: pa.Table) -> list[str]:
    """One line if groups are in several splits, where training on one of them would be refused.

    Args:
        clips: Clips with the columns split and group; clips without either do not count.
    """
    known = clips.select(["group", "split"]).drop_null()
    splits_of: dict[str, set[str]] = defaultdict(set)
    for group, split in zip(known["group"].to_pylist(), known["split"].to_pylist(), strict=True):
        splits_of[group].add(split)
    mixed = [group for group, splits in splits_of.items() if len(splits) > 1]
    if not mixed:
        return []
    example = min(mixed)
    splits = sorted(splits_of[example])
    groups = f"{len(mixed)} group{'s are' if len(mixed) > 1 else ' is'}"
    return [
        f"warning: {groups} in several splits, for example '{example}' in {', '.join(splits)}; "
        "training on one of these splits will be refused until each group is in one split, or the recipe has 'allow_leakage: true'"
    ]


def summarize_changes(sources: Sequence[SourceInfo], rate: int, channels: int) -> list[str]:
    """One line per way in which sources were changed for the store, with the number of clips; and
    one about their lengths, if these differ."""
    changes = Counter[str]()
    for source in sources:
        if source.rate and source.rate != rate:
            changes[f"resampled from {source.rate} to {rate} Hz"] += 1
        if source.channels > channels:
            changes[f"mixed down from {source.channels} channels"] += 1
        if source.padding:
            changes[f"{'padded' if source.padding > 0 else 'cut'} to {source.samples / rate:g} s"] += 1
    lines = [f"{count} clips {change}" for change, count in sorted(changes.items())]
    lengths = [source.samples / rate for source in sources if not source.error]
    if lengths and min(lengths) < max(lengths):
        lines.append(f"clips of {min(lengths):.2f} to {max(lengths):.2f} s, each with its own length; --seconds would give all the same")
    return lines


def _row_numbers(rows: Sequence[int]) -> str:
    shown = ", ".join(str(row + 1) for row in rows[:5])
    return shown if len(rows) <= 5 else f"{shown}, …"


def _clip_values(rows: Sequence[int], ids: Sequence[str], values: Mapping[int, Any] | Sequence[Any]) -> str:
    shown = ", ".join(f"'{ids[row]}' is {values[row]}" for row in rows[:5])
    return shown if len(rows) <= 5 else f"{shown}, …"
