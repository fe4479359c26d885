"""Looking at every source before anything is written: one report of all that is wrong."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from streamaug.building.sources import id_problem, load
from streamaug.codecs.pcm import depth_of, digest
from streamaug.errors import ClipsError

_CLIPPED = 0.001
"""Share of samples at full scale from which on a clip is called clipped."""


@dataclass(frozen=True, kw_only=True)
class SourceInfo:
    """What a source turned out to be. error: why it cannot be read; then the other fields say nothing.

    samples: samples at the store's rate. rate, channels: the file's own. sha256: of the PCM as `original` holds it.
    fitted: samples padded (positive) or cut (negative).
    """

    error: str | None = None
    samples: int = 0
    depth: int = 16
    sha256: bytes = b""
    rate: int = 0
    channels: int = 1
    fitted: int = 0
    silent: bool = False
    clipped: bool = False


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something wrong with one clip; row counts the table's lines of clips from 1. Errors stop a build, warnings do not."""

    row: int
    clip_id: str
    path: str
    severity: Literal["error", "warning"]
    message: str


def inspect(paths: Sequence[str], rate: int, samples: int | None) -> list[SourceInfo]:
    """Decode sources and note what they are; runs in a worker."""
    return [_inspect(path, rate, samples) for path in paths]


def _inspect(path: str, rate: int, samples: int | None) -> SourceInfo:
    try:
        source = load(path, rate, samples)
    except ClipsError as error:
        return SourceInfo(error=str(error))
    depth = depth_of(source.pcm)
    peak = np.abs(source.pcm, dtype=np.int64)
    full = (1 << 15) - 1 if depth == 16 else ((1 << 23) - 1) << 8
    return SourceInfo(
        samples=len(source.pcm),
        depth=depth,
        sha256=digest(source.pcm),
        rate=source.rate,
        channels=source.channels,
        fitted=source.fitted,
        silent=not peak.any(),
        clipped=bool((peak >= full).mean() > _CLIPPED),
    )


def find_problems(table: pa.Table, facts: Sequence[SourceInfo], shard_by: str, samples: int | None = None) -> list[Problem]:
    """All that is wrong with the clips of a table, errors first.

    table: as `sources.read_table` gives it; facts: a row each. samples: the length that all must have, else the most common one's.
    """
    ids, paths, labels, cuts = (table[name].to_pylist() for name in ("clip_id", "path", "label", shard_by))
    found: list[Problem] = []

    def note(rows: Iterable[int], severity: Literal["error", "warning"], message: str) -> None:
        found.extend(Problem(row=row + 1, clip_id=ids[row] or "", path=paths[row], severity=severity, message=message) for row in rows)

    by_id: dict[str | None, list[int]] = defaultdict(list)
    by_audio: dict[bytes, list[int]] = defaultdict(list)
    lengths: Counter[int] = Counter()
    for row, fact in enumerate(facts):
        by_id[ids[row]].append(row)
        wrong = id_problem(ids[row])
        if wrong:
            note([row], "error", wrong)
        if fact.error:
            note([row], "error", fact.error)
            continue
        lengths[fact.samples] += 1
        if fact.silent:
            note([row], "warning", "silence")
        else:
            by_audio[fact.sha256].append(row)
        if fact.clipped:
            note([row], "warning", f"clipping: more than {_CLIPPED:.1%} of its samples at full scale")
    for clip_id, rows in by_id.items():
        if len(rows) > 1:
            told = f"its id '{clip_id}' stands in rows {_listed(rows)}; write ids of their own into the column 'clip_id'"
            note(rows[1:], "error", told)
    for rows in by_audio.values():
        if len({labels[row] for row in rows}) > 1:
            note(rows, "error", f"the same audio under two labels: {_named(rows, ids, labels)}; keep one")
        elif len({cuts[row] for row in rows}) > 1:
            note(rows, "error", f"the same audio in two values of '{shard_by}': {_named(rows, ids, cuts)}; keep one")
        elif len(rows) > 1:
            note(rows[1:], "warning", f"the same audio as clip '{ids[rows[0]]}'")
    if lengths:
        usual = samples or lengths.most_common(1)[0][0]
        odd = [row for row, fact in enumerate(facts) if not fact.error and fact.samples != usual]
        for row in odd:
            note(
                [row],
                "error",
                f"{facts[row].samples} samples long where the rest have {usual}; cut or pad it, or all of them with --seconds",
            )
    return sorted(found, key=lambda problem: (problem.severity, problem.row))


def _listed(rows: Sequence[int]) -> str:
    shown = ", ".join(str(row + 1) for row in rows[:5])
    return shown if len(rows) <= 5 else f"{shown}, …"


def _named(rows: Sequence[int], ids: Sequence[str], values: Sequence[str]) -> str:
    shown = ", ".join(f"'{ids[row]}' is {values[row]}" for row in rows[:5])
    return shown if len(rows) <= 5 else f"{shown}, …"
