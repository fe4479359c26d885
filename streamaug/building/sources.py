"""Read the clips table that a store is built from, and the audio files that it names."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from streamaug.building.audio_files import open_audio
from streamaug.building.containers import examine
from streamaug.building.containers.base import truncated_error
from streamaug.building.mixdown import MixDown
from streamaug.building.reading import Reading
from streamaug.codecs.decoding import resample
from streamaug.codecs.pcm import to_float64, to_pcm
from streamaug.errors import ClipsError, FetchError, StoreError
from streamaug.files import absolute_path
from streamaug.store.folder import Folder
from streamaug.store.format import CLIPS_SCHEMA

MAX_ID_BYTES = 90
"""Largest size of a clip_id in UTF-8, so that it fits into a tar header with its extension."""

_ID = re.compile(r"[^./\\\x00-\x1f]+")

LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000
"""Sample rates in Hz that a header can be right about."""

_RATE_FILES = 256
"""Files that are opened to find the most common sample rate."""


def read_table(path: Path, shard_by: str) -> pa.Table:
    """Read a CSV or Parquet table of clips.

    Args:
        path: Local path of the table. Audio paths in it are relative to its folder.
        shard_by: A column that must have a value in each row.

    Returns:
        Columns clip_id (default: the file's stem), path (absolute), label, split and group
        (default: null), then the table's own.

    Raises:
        ClipsError: The table cannot be read, or lacks a column or a value.
    """
    path = absolute_path(path)
    try:
        if path.suffix.lower() == ".parquet":
            table = pq.read_table(path)
        else:
            # Labels, ids and groups are names even where they look like numbers.
            names = {name: pa.string() for name in ("path", "label", "split", "group", "clip_id")}
            # Only an empty field is a missing value: a label may well be called "NA" or "null".
            options = pacsv.ConvertOptions(column_types=names, strings_can_be_null=True, null_values=[""])
            table = pacsv.read_csv(path, convert_options=options)
    except FileNotFoundError:
        raise ClipsError(f"clips table {path} does not exist; check the path") from None
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise ClipsError(f"clips table {path}: {error}; it must be CSV or Parquet with columns path, label and split") from error
    for needed in ("path", "label", shard_by):
        if needed not in table.column_names:
            raise ClipsError(f"clips table {path} has no column '{needed}'; it has {', '.join(table.column_names)}; add or rename one")
        if table[needed].null_count:
            raise ClipsError(f"clips table {path}: column '{needed}' is empty in row {_first_null(table[needed]) + 1}; fill it in")
    reserved = {field.name for field in CLIPS_SCHEMA} - {"clip_id", "label", "split", "group"}
    clashes = reserved & set(table.column_names)
    if clashes:
        raise ClipsError(f"clips table {path}: the column name '{min(clashes)}' is reserved for the store; rename the column")
    if not table.num_rows:
        raise ClipsError(f"clips table {path} lists no clips; add one row per clip")
    paths = [_resolved(name, path.parent) for name in table["path"].to_pylist()]
    ids = table["clip_id"].to_pylist() if "clip_id" in table.column_names else [PurePosixPath(name).stem for name in paths]
    columns: dict[str, pa.Array | pa.ChunkedArray] = {"clip_id": pa.array(ids, pa.string()), "path": pa.array(paths, pa.string())}
    for name in ("label", "split", "group"):
        columns[name] = pc.cast(table[name], pa.string()) if name in table.column_names else pa.nulls(table.num_rows, pa.string())
    own = {name: table[name] for name in table.column_names if name not in columns}
    return pa.table({**columns, **own})


def _first_null(column: pa.ChunkedArray) -> int:
    return int(np.argmax(column.is_null().to_numpy()))


def _resolved(name: str, folder: Path) -> str:
    return name if "://" in name else str(absolute_path(name if name.startswith("~/") else folder / name))


def id_problem(clip_id: str | None) -> str | None:
    """What is wrong with a clip_id, or None.

    >>> id_problem("clip.v1")
    "a dot in its id, where webdataset would split it; write another id into the column 'clip_id'"
    """
    if clip_id and "." in clip_id:
        return "a dot in its id, where webdataset would split it; write another id into the column 'clip_id'"
    if not clip_id or _ID.fullmatch(clip_id) is None:
        return "an id that is empty or contains '/', '\\' or control characters; write another id into the column 'clip_id'"
    if len(clip_id.encode()) > MAX_ID_BYTES:
        return f"an id longer than {MAX_ID_BYTES} bytes; write a shorter one into the column 'clip_id'"
    return None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A decoded source.

    Args:
        pcm: Mono at the store's rate, integers of shape (samples,).
        rate: Sample rate of the file in Hz.
        channels: Channels of the file.
        padding: Samples at the store's rate that were added at the end; negative: that were cut.
        lost_db: What the mean of the channels lost because they cancel, in dB; see `MixDown`.
        dead_channels: Names of channels that were taken and hold no sound, or "".
        unread: Bytes after the sound that belong to nothing that the header names.
    """

    pcm: np.ndarray
    rate: int
    channels: int
    padding: int = 0
    lost_db: float = 0.0
    dead_channels: str = ""
    unread: int = 0


def _read(path: str) -> bytes:
    parent, _, name = path.rpartition("/")
    try:
        folder = Folder.at(parent or "/")
        return folder.read(name)
    except FileNotFoundError:
        raise ClipsError("missing; correct its path or remove it from the table") from None
    except StoreError as error:
        raise ClipsError(f"unreadable: {error}") from error
    except FetchError as error:
        if folder.is_local or isinstance(error.__cause__, PermissionError):
            raise ClipsError(f"unreadable: {error.__cause__}; restore it or remove it from the table") from error
        raise  # a failing server does not make the file a bad one


def load(path: str, reading: Reading) -> Source:
    """Read an audio file of any format, rate, depth and channel count as mono at one rate.

    Args:
        path: Local path or fsspec URL.
        reading: The rate and length to bring it to, and which channel to take.

    Raises:
        ClipsError: What is wrong with the file, without its name.
        FetchError: A remote file cannot be read at the moment.
    """
    data = _read(path)
    if not data:
        raise ClipsError("empty (0 bytes); restore it or remove it from the table")
    container = examine(data)
    with open_audio(container) as audio:
        _check_rate(audio.rate)
        _check_length(audio.length or 0, audio.rate, reading.longest)
        mix = MixDown(audio.channels, reading.channel)
        for block in audio.blocks:
            mix.add(block)
            _check_length(mix.samples, audio.rate, reading.longest)
    if not mix.samples:
        raise ClipsError("no samples; restore it or remove it from the table")
    if audio.length and mix.samples < audio.length:
        raise truncated_error(f"{mix.samples} samples of {audio.length} that its header promises")
    mono = mix.mono()
    if mono.dtype.kind == "f" or audio.rate != reading.rate:
        pcm = to_pcm(resample(to_float64(mono), audio.rate, reading.rate), audio.depth)
    else:
        pcm = mono
    if not len(pcm):
        raise ClipsError(f"no samples: {mix.samples} at {audio.rate} Hz are none at {reading.rate} Hz; remove it from the table")
    padding = 0 if reading.samples is None else reading.samples - len(pcm)
    return Source(
        pcm=np.pad(pcm, (0, padding)) if padding > 0 else pcm[: reading.samples],
        rate=audio.rate,
        channels=audio.channels,
        padding=padding,
        lost_db=mix.lost_db,
        dead_channels=mix.dead_channels,
        unread=container.unread,
    )


def _check_rate(rate: int) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ClipsError(
            f"its header says a sample rate of {rate} Hz, which no recording has (at least {LOWEST_RATE}, at most {HIGHEST_RATE}); "
            "correct the header or remove it from the table"
        )


def _check_length(samples: int, rate: int, longest: float) -> None:
    if samples > longest * rate:
        raise ClipsError(
            f"has {samples / rate:.1f} s of sound or more, and {longest:g} s is the longest that is read; "
            "cut it, or allow longer ones with --longest"
        )


def common_rate(paths: list[str]) -> int:
    """The most common sample rate in Hz of up to 256 files spread over the list.

    Raises:
        ClipsError: None of these files can be read.
    """
    rates: Counter[int] = Counter()
    problem = ""
    for path in paths[:: max(1, len(paths) // _RATE_FILES)]:
        try:
            with open_audio(examine(_read(path))) as audio:
                _check_rate(audio.rate)
                rates[audio.rate] += 1
        except ClipsError as error:
            problem = problem or f"'{path}': {error}"
    if not rates:
        raise ClipsError(f"none of the audio files could be read to find the sample rate; check the column 'path'; {problem}")
    return rates.most_common(1)[0][0]
