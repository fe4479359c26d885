"""The clips table that a store is built from, and the audio files that it names."""

import io
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import soundfile

from streamaug.codecs.decoding import resample
from streamaug.codecs.pcm import to_pcm
from streamaug.errors import ClipsError, FetchError, StoreError
from streamaug.store.folder import Folder
from streamaug.store.format import CLIPS_SCHEMA

MAX_ID_BYTES = 90
"""Bytes of a clip_id in UTF-8, so that it fits a tar header with its extension."""

_ID = re.compile(r"[^./\\\x00-\x1f]+")
_DEPTHS = {"PCM_24": 24, "PCM_32": 24, "FLOAT": 24, "DOUBLE": 24, "ALAC_24": 24, "ALAC_32": 24}
"""Bits that `original` keeps of a source's sample format; any other keeps 16."""

_PROBED = 256


def read_table(path: Path, shard_by: str) -> pa.Table:
    """Read a CSV or Parquet table of clips: columns clip_id, path (absolute), label, split, group, then its own.

    `clip_id` defaults to the file's stem; `split` and `group` to null. Raises ClipsError.
    """
    try:
        if path.suffix.lower() == ".parquet":
            table = pq.read_table(path)
        else:
            # Labels, ids and groups are names even where they look like numbers.
            names = {name: pa.string() for name in ("path", "label", "split", "group", "clip_id")}
            # Only an empty field is no value: a label may well be called "NA" or "null".
            read = pacsv.ConvertOptions(column_types=names, strings_can_be_null=True, null_values=[""])
            table = pacsv.read_csv(path, convert_options=read)
    except FileNotFoundError:
        raise ClipsError(f"clips table {path} does not exist") from None
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise ClipsError(f"clips table {path}: {error}; it must be CSV or Parquet with columns path, label and split") from error
    for needed in ("path", "label", shard_by):
        if needed not in table.column_names:
            raise ClipsError(f"clips table {path} has no column '{needed}'; it has {', '.join(table.column_names)}")
        if table[needed].null_count:
            raise ClipsError(f"clips table {path}: column '{needed}' is empty in row {_first_null(table[needed]) + 1}; fill it in")
    taken = {field.name for field in CLIPS_SCHEMA} - {"clip_id", "label", "split", "group"}
    clash = taken & set(table.column_names)
    if clash:
        raise ClipsError(f"clips table {path}: column '{min(clash)}' is one the store writes itself; rename it")
    if not table.num_rows:
        raise ClipsError(f"clips table {path} lists no clip")
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
    return name if "://" in name else str((folder / name).absolute())


def id_problem(clip_id: str | None) -> str | None:
    """What is wrong with a clip_id, or None.

    >>> id_problem("clip.v1")
    "a dot in its id; webdataset splits names at the first dot, so write another id into the column 'clip_id'"
    """
    if clip_id and "." in clip_id:
        return "a dot in its id; webdataset splits names at the first dot, so write another id into the column 'clip_id'"
    if not clip_id or _ID.fullmatch(clip_id) is None:
        return "an id that is empty or holds '/', '\\' or control characters; write another into the column 'clip_id'"
    if len(clip_id.encode()) > MAX_ID_BYTES:
        return f"an id longer than {MAX_ID_BYTES} bytes; write a shorter one into the column 'clip_id'"
    return None


@dataclass(frozen=True, kw_only=True)
class Source:
    """A decoded source.

    pcm: mono at the store's rate, of shape (samples,). rate, channels: the file's own. fitted: samples at the store's
    rate that were padded (positive) or cut (negative).
    """

    pcm: np.ndarray
    rate: int
    channels: int
    fitted: int = 0


def _read(path: str) -> bytes:
    parent, _, name = path.rpartition("/")
    try:
        folder = Folder.at(parent or "/")
        return folder.read(name)
    except FileNotFoundError:
        raise ClipsError("missing; correct its path or take it out of the table") from None
    except StoreError as error:
        raise ClipsError(f"unreadable: {error}") from error
    except FetchError as error:
        if folder.is_local or isinstance(error.__cause__, PermissionError):
            raise ClipsError(f"unreadable: {error.__cause__}; restore it or take it out of the table") from error
        raise  # a server's bad moment says nothing about the file


def load(path: str, rate: int, samples: int | None = None) -> Source:
    """Read a WAV, FLAC, Ogg or MP3 file of any rate, depth and channel count, mix it down and bring it to `rate`.

    samples: at that rate to which it is cut or padded with silence; None leaves its length.
    Raises ClipsError that says what is wrong with the file, without naming it; FetchError where a remote file cannot be had now.
    """
    data = _read(path)
    if not data:
        raise ClipsError("empty, 0 bytes; restore it or take it out of the table")
    if data[:4] == b"RIFF" and len(data) >= 8:
        promised = int.from_bytes(data[4:8], "little") + 8
        # Programs that write into a pipe leave the size open: 0 or all ones.
        if len(data) < promised and promised not in (8, 0xFFFFFFFF + 8):
            raise ClipsError(f"truncated: {len(data)} bytes of {promised}; restore it or take it out of the table")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            own_rate, channels, depth, promised = file.samplerate, file.channels, _DEPTHS.get(file.subtype, 16), file.frames
            exact = file.subtype in ("PCM_16", "PCM_24") and channels == 1 and own_rate == rate
            dtype = "float64" if not exact else "int16" if depth == 16 else "int32"
            signal = file.read(dtype=dtype, always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
        # The exception's own text names the buffer it was read from, by an address that differs from run to run.
        reason = error.error_string if isinstance(error, soundfile.LibsndfileError) else error
        raise ClipsError(f"unreadable as audio: {reason}; convert it to WAV or FLAC, or take it out of the table") from error
    if not len(signal):
        raise ClipsError("no samples in it; restore it or take it out of the table")
    if len(signal) < promised:
        raise ClipsError(f"truncated: {len(signal)} samples of {promised}; restore it or take it out of the table")
    if not np.isfinite(signal).all():
        raise ClipsError("NaN or infinite samples; repair it or take it out of the table")
    pcm = signal[:, 0] if exact else to_pcm(resample(signal.mean(1), own_rate, rate), depth)
    fitted = 0 if samples is None else samples - len(pcm)
    pcm = np.pad(pcm, (0, fitted)) if fitted > 0 else pcm[:samples]
    return Source(pcm=pcm, rate=own_rate, channels=channels, fitted=fitted)


def common_rate(paths: list[str]) -> int:
    """The most common sample rate of up to 256 files spread over the list; files that cannot be read do not count.

    Raises ClipsError where none can.
    """
    rates: Counter[int] = Counter()
    for path in paths[:: max(1, len(paths) // _PROBED)]:
        try:
            rates[soundfile.info(io.BytesIO(_read(path))).samplerate] += 1
        except (ClipsError, soundfile.SoundFileError, RuntimeError):
            continue
    if not rates:
        raise ClipsError(
            f"none of the audio files could be read to learn the sample rate, '{paths[0]}' among them; check the column 'path'"
        )
    return rates.most_common(1)[0][0]
