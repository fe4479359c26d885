"""Say which part of an audio file a clip is: all of it, or an excerpt from one second to another."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from streamaug.errors import ClipsError

SECONDS_COLUMNS = ("start", "stop")
"""Columns of a table of clips that say where an excerpt begins and ends, in seconds."""


@dataclass(frozen=True)
class Excerpt:
    """A part of an audio file, or all of it.

    Args:
        path: Local path or fsspec URL of the file.
        start: Where it begins, in seconds. Default: the beginning of the file.
        stop: Where it ends, in seconds. Default: the end of the file.
    """

    path: str
    start: float | None = None
    stop: float | None = None

    @classmethod
    def of(cls, clip: Mapping[str, Any]) -> "Excerpt":
        """What a row of a table of clips names."""
        return cls(clip["path"], clip.get("start"), clip.get("stop"))

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the file."""
        return self.start is None and self.stop is None

    @property
    def error(self) -> str | None:
        """What is wrong with start and stop whatever the file is, or None.

        >>> Excerpt("a.wav", 2.5, 1).error
        'its stop, 1 s, is not after its start, 2.5 s; correct one of them'
        """
        start, stop = self.start or 0.0, self.stop
        for name, value in (("start", start), ("stop", start if stop is None else stop)):
            if not math.isfinite(value):
                return f"its {name} is not a number of seconds; write it like 12.5, or rename the column if it means something else"
        if start < 0:
            return f"its start, {start:.12g} s, is before the beginning of the recording; correct it"
        if stop is not None and stop <= start:
            return f"its stop, {stop:.12g} s, is not after its start, {start:.12g} s; correct one of them"
        return None

    def samples(self, rate: int) -> tuple[int, int | None]:
        """The samples of the file that it consists of: from the first one to the one after the last,
        None for the end of the file. A time of t seconds is the sample `round(t * rate)`.

        Args:
            rate: Sample rate of the file in Hz.

        Raises:
            ClipsError: It has no samples.

        >>> Excerpt("a.wav", 0.5, 1.25).samples(8000), Excerpt("a.wav", 0.5).samples(8000)
        ((4000, 10000), (4000, None))
        """
        start, stop = round((self.start or 0.0) * rate), None if self.stop is None else round(self.stop * rate)
        if start == stop:
            raise ClipsError(f"it is shorter than one sample at {rate} Hz; correct its start or its stop")
        return start, stop

    def check_end(self, length: int, rate: int) -> None:
        """Check that it is inside its file.

        Args:
            length: Samples of the file.
            rate: Sample rate of the file in Hz.

        Raises:
            ClipsError: It is not.
        """
        start, stop = self.samples(rate)
        end = f"the end of the recording, {length / rate:.12g} s; correct it"
        if start >= length:
            raise ClipsError(f"its start, {self.start:.12g} s, is not before {end}")
        if stop is not None and stop > length:
            raise ClipsError(f"its stop, {self.stop:.12g} s, is after {end}")


def excerpts_of(table: pa.Table) -> list[Excerpt]:
    """What the rows of a table of clips name, as `table_reading.read_table` returns it."""
    names = [name for name in ("path", *SECONDS_COLUMNS) if name in table.column_names]
    return [Excerpt.of(clip) for clip in table.select(names).to_pylist()]


def excerpt_name(path: str, start: float | None, stop: float | None) -> str:
    """A name for an excerpt that sorts by time, like a file's: the recording, then where the
    excerpt begins and ends in milliseconds.

    >>> excerpt_name("street/rec.wav", 12.5, 22.5), excerpt_name("rec.v2.flac", 0.25, None), excerpt_name("rec", 1 / 3, 1)
    ('street/rec-00012500-00022500.wav', 'rec.v2-00000250-end.flac', 'rec-00000333_333333-00001000')
    """
    folder, slash, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    times = f"{_milliseconds(start or 0.0)}-{'end' if stop is None else _milliseconds(stop)}"
    return f"{folder}{slash}{stem or extension}-{times}{dot if stem else ''}{extension if stem else ''}"


def _milliseconds(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "unknown"
    whole, _, fraction = f"{seconds * 1000:.6f}".rstrip("0").partition(".")
    return f"{whole.zfill(8)}{'_' if fraction else ''}{fraction}"
