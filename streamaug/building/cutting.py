"""Cut recordings into excerpts of equal length: the rows of a table of clips, no audio."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from streamaug.building.excerpts import excerpt_name
from streamaug.building.listing import Row, clip_ids
from streamaug.building.sources import sound_length
from streamaug.errors import ClipsError

_SHORTEST = Decimal("0.5")
"""Share of the length that the last excerpt of a recording must have; what is shorter is left out."""

SHORTEST_S = Decimal("0.01")
"""Length of the shortest excerpt, and of the shortest way to the next one, in seconds. What is shorter
has few samples or none, and there would be hundreds of thousands of them in an hour."""

_UNITS = {"": Decimal(1), "s": Decimal(1), "ms": Decimal("0.001"), "min": Decimal(60)}


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The excerpts of some recordings.

    Args:
        rows: One per excerpt, in the order of the recordings.
        ends: Recordings of which the end was left out, since it is shorter than half an excerpt.
        ends_s: Length of these ends together, in seconds.
        short: Recordings that are shorter than half an excerpt and left out.
    """

    rows: list[Row]
    ends: int
    ends_s: float
    short: int


def parse_seconds(text: str, option: str) -> Decimal:
    """A length as people write it: `10s`, `500ms`, `2min`, or `10` for seconds.

    Args:
        text: The length.
        option: Where it was written, for the error.

    Raises:
        ClipsError: It is none, or shorter than 10 ms.

    >>> [str(parse_seconds(text, "--every")) for text in ("10s", "500ms", "2.5")]
    ['10', '0.500', '2.5']
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+) ?(s|ms|min|)", text.strip())
    seconds = Decimal(match[1]) * _UNITS[match[2]] if match else Decimal(0)
    if not seconds:
        raise ClipsError(f"{option} '{text}' is not a length; write it like 10s, 2.5s, 500ms or 1min")
    if seconds < SHORTEST_S:
        raise ClipsError(f"{option} '{text}' is shorter than {SHORTEST_S * 1000:.0f} ms; write a greater length, like 10s, 2.5s or 500ms")
    return seconds


def pieces(length: Decimal, every: Decimal, hop: Decimal) -> tuple[list[tuple[Decimal, Decimal | None]], Decimal]:
    """Where the excerpts of a recording begin and end, and how much of its end is in none of them.

    The last one may be shorter, down to half of the others; it has no stop, which means the end of
    the recording. What is shorter is left out.

    >>> pieces(Decimal(26), Decimal(10), Decimal(10))
    ([(Decimal('0'), Decimal('10')), (Decimal('10'), Decimal('20')), (Decimal('20'), None)], Decimal('0'))
    >>> pieces(Decimal(24), Decimal(10), Decimal(10))
    ([(Decimal('0'), Decimal('10')), (Decimal('10'), Decimal('20'))], Decimal('4'))

    Args:
        length: Of the recording, in seconds.
        every: Of an excerpt.
        hop: From the beginning of an excerpt to that of the next one.
    """
    full = int((length - every) // hop) + 1 if length >= every else 0
    excerpts: list[tuple[Decimal, Decimal | None]] = [(number * hop, number * hop + every) for number in range(full)]
    covered = (full - 1) * hop + every if full else Decimal(0)
    start = full * hop
    rest = max(Decimal(0), length - max(start, covered))
    if covered < length and length - start >= every * _SHORTEST:
        return [*excerpts, (start, None)], Decimal(0)
    return excerpts, rest


def cut(rows: Sequence[Row], every: Decimal, hop: Decimal | None = None) -> Cut:
    """Cut recordings into excerpts of equal length.

    Args:
        rows: One per recording, with its path, and perhaps a clip_id.
        every: Length of an excerpt in seconds.
        hop: From the beginning of an excerpt to that of the next one, in seconds. Default: `every`,
            so that they do not overlap.

    Raises:
        ClipsError: Recordings cannot be read, are excerpts already, or none is long enough.
    """
    if any(row.get("start") or row.get("stop") for row in rows):
        raise ClipsError("the clips of this table are excerpts already; leave out --every, or remove its columns start and stop")
    paths = [row["path"] or "" for row in rows]
    lengths = _lengths(paths)
    root = os.path.commonpath([path.rpartition("/")[0] or "/" for path in paths]) if all(path.startswith("/") for path in paths) else ""
    excerpts: list[Row] = []
    names: list[str] = []
    left_out: list[Decimal] = []
    short = 0
    for row, length in zip(rows, lengths, strict=True):
        spans, rest = pieces(length, every, hop or every)
        short += not spans
        if spans and rest:
            left_out.append(rest)
        name = row.get("clip_id") or (row["path"] or "").removeprefix(root).lstrip("/")
        for start, stop in spans:
            excerpts.append({**row, "start": _text(start), "stop": None if stop is None else _text(stop)})
            names.append(excerpt_name(name, float(start), None if stop is None else float(stop)))
    if not excerpts:
        raise ClipsError(f"no recording is as long as {float(every * _SHORTEST):g} s, half of --every; choose a smaller one")
    return Cut(rows=_with_ids(excerpts, names), ends=len(left_out), ends_s=float(sum(left_out)), short=short)


def _lengths(paths: Sequence[str]) -> list[Decimal]:
    lengths: list[Decimal] = []
    problems: list[str] = []
    for path in paths:
        try:
            samples, rate = sound_length(path)
            lengths.append(Decimal(samples) / rate)
        except ClipsError as error:
            problems.append(f"{path}: {error}")
    if problems:
        raise ClipsError(f"{len(problems)} of {len(paths)} recordings cannot be read, such as {problems[0]}")
    return lengths


def _with_ids(excerpts: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Excerpts with a clip_id, unless a build finds the same ones by itself."""
    ids = clip_ids(names)
    paths = [excerpt_name(row["path"] or "", float(row["start"] or 0), float(row["stop"]) if row["stop"] else None) for row in excerpts]
    if ids == [Path(path).stem for path in paths]:
        return [{name: value for name, value in row.items() if name != "clip_id"} for row in excerpts]
    return [{"path": row["path"], **row, "clip_id": id_} for row, id_ in zip(excerpts, ids, strict=True)]


def _text(seconds: Decimal) -> str:
    """
    >>> _text(Decimal("20.0")), _text(Decimal("0.500"))
    ('20', '0.5')
    """
    return f"{seconds.normalize():f}"
