"""Unpack audio from WebDataset tars and from Hugging Face data sets into files and clips."""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streamaug.building.listing import AUDIO_EXTENSIONS, Row, clip_ids
from streamaug.building.member_json import member_json
from streamaug.building.table_files import is_text
from streamaug.building.tar_clips import Clip
from streamaug.errors import ClipsError

_SPLIT_FILE = re.compile(r"(?P<split>.+?)-\d{5}-of-\d{5}.*")
_SIGNS = {b"RIFF": "wav", b"fLaC": "flac", b"OggS": "ogg", b"ID3": "mp3", b"\xff\xfb": "mp3", b"\xff\xf3": "mp3", b"FORM": "aiff"}
"""First bytes of audio whose data set has not kept a file name."""

_OF_FILES = ("path", "start", "stop")
"""Columns of a table of clips that would be about the file from which the audio was taken."""

_ROWS_PER_BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """Clips whose audio is in files.

    Args:
        rows: Columns path (absolute), clip_id, and the clips' own, as text.
        origins: Where the audio of each file comes from, by its path.
        set_aside: Columns of the clips that are about another file, and so have `source_` before
            their names now.
    """

    rows: list[Row]
    origins: dict[str, str]
    set_aside: list[str]


def unpack(clips: Iterator[Clip], folder: Path) -> Unpacked:
    """Write the audio of clips into files, one at a time.

    Args:
        clips: From `tar_clips` or `arrow_clips`.
        folder: A new folder for the files.

    Raises:
        ClipsError: The folder exists, cannot be written to, or there are no clips.
    """
    if folder.exists():
        raise ClipsError(f"{folder} already exists; remove it, or give the table another name")
    rows: list[Row] = []
    names: list[str] = []
    origins: dict[str, str] = {}
    set_aside: dict[str, None] = {}
    try:
        for number, (name, audio, columns, origin) in enumerate(clips):
            path = audio
            if isinstance(audio, bytes):
                folder.mkdir(parents=True, exist_ok=True)
                path = str(folder / f"{number:07d}.{_extension(name, audio)}")
                Path(path).write_bytes(audio)
            names.append(name)
            origins[str(path)] = origin
            set_aside |= {key: None for key in _OF_FILES if key in columns}
            own = {f"source_{key}" if key in _OF_FILES else key: as_text(value) for key, value in columns.items()}
            rows.append({"path": str(path), **own})
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise ClipsError(f"{folder}: cannot be written: {reason}; make room, or give the table another name") from error
        raise
    if not rows:
        raise ClipsError("no clips with audio there; name tars with audio members, or a data set with an audio column")
    counts = Counter(names)
    unique = [name if counts[name] == 1 else f"{number:07d}-{name.rpartition('/')[2]}" for number, name in enumerate(names)]
    named = [{"path": row["path"], "clip_id": id_, **row} for row, id_ in zip(rows, clip_ids(unique), strict=True)]
    return Unpacked(rows=named, origins=origins, set_aside=list(set_aside))


def _extension(name: str, audio: bytes) -> str:
    own = os.path.splitext(name)[1][1:].lower()  # noqa: PTH122  a member's name is no path
    return own if own in AUDIO_EXTENSIONS else next((kind for sign, kind in _SIGNS.items() if audio.startswith(sign)), "audio")


def as_text(value: Any) -> str | None:
    """A value as a cell of a table: text as it is, lists and records as JSON, no value for a gap."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, (list, tuple, dict, bytes)):
        plain = json.loads(member_json({"value": value}))["value"]
        return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    return str(value)


def is_arrow_dataset(folder: Path) -> bool:
    """Whether a folder is a Hugging Face data set: saved to disk, or Parquet files of the hub."""
    return any((folder / name).exists() for name in ("dataset_dict.json", "state.json")) or any(folder.rglob("*.parquet"))


def arrow_clips(folder: Path, audio_column: str | None = None) -> Iterator[Clip]:
    """The clips of a Hugging Face data set on disk, Arrow or Parquet, one batch in memory.

    Args:
        folder: The data set, or one of its files.
        audio_column: Column of records with bytes and path. Default: the only one.

    Raises:
        ClipsError: A file is damaged, it is not clear where the audio is, or the data set names files
            outside its folder.
    """
    root = folder if folder.is_dir() else folder.parent
    for split, path in _arrow_files(folder):
        try:
            with pa.memory_map(str(path)) as file:
                schema, batches = _batches(path, file)
                column, convert = _audio_column(schema, audio_column, path), _class_names(schema, path)
                number = 0
                for batch in batches:
                    for row in batch.to_pylist():
                        audio = row.pop(column) or {}
                        if "split" not in row and split:
                            row["split"] = split
                        name = audio.get("path") or f"{number:07d}"
                        content = audio.get("bytes")
                        if content is None and not audio.get("path"):
                            raise ClipsError(f"{path}: row {number} has neither audio nor the path of a file; save the data set again")
                        columns = {key: convert[key](value) if key in convert else value for key, value in row.items()}
                        own = str(_inside(root, name, path, os.path.realpath)) if content is None else content
                        yield Clip(f"{split or path.stem}/{name.rpartition('/')[2]}", own, columns, f"{path}: row {number}")
                        number += 1
        except (pa.ArrowException, OSError, OverflowError, UnicodeDecodeError) as error:
            raise ClipsError(f"{path}: not readable: {error}; save or download the data set again") from error


def _arrow_files(folder: Path) -> Iterator[tuple[str | None, Path]]:
    """The files of a data set with the split of each."""
    if folder.is_file():
        match = _SPLIT_FILE.fullmatch(folder.name)
        yield (match["split"] if match else None), folder
    elif (folder / "dataset_dict.json").exists():
        for split in _listed(folder / "dataset_dict.json", "splits"):
            if not isinstance(split, str):
                raise _damaged(folder / "dataset_dict.json", f"the split {split!r}, which is not a name")
            for _, path in _arrow_files(_inside(folder, split, folder / "dataset_dict.json", os.path.abspath)):
                yield split, path
    elif (folder / "state.json").exists():
        for data in _listed(folder / "state.json", "_data_files"):
            name = data.get("filename") if isinstance(data, dict) else None
            if not isinstance(name, str):
                raise _damaged(folder / "state.json", f"the data file {data!r}, which has no name")
            yield None, _inside(folder, name, folder / "state.json", os.path.abspath)
    else:
        for path in sorted(folder.rglob("*.parquet")):
            match = _SPLIT_FILE.fullmatch(path.name)
            yield (match["split"] if match else path.parent.name if path.stem.isdigit() else path.stem), path


def _listed(path: Path, key: str) -> list[Any]:
    """A list in a JSON file of a data set."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    listed = content.get(key) if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise _damaged(path, f"no list '{key}'")
    return listed


def _inside(folder: Path, name: str, source: Path, resolve: Callable[[str], str]) -> Path:
    """A file that a data set names, which must be in its folder: the data set may be of somebody who
    wants to have private files in a store.

    Args:
        folder: The data set's.
        name: The file's path in it.
        source: The file that names it.
        resolve: `abspath`, or `realpath` to follow links, too.
    """
    try:
        is_inside = Path(resolve(str(folder))) in Path(resolve(str(folder / name))).parents
    except (OSError, ValueError) as error:
        raise _damaged(source, f"the file name {name!r}: {error}") from error
    if not is_inside:
        raise ClipsError(
            f"{source} names the file '{name}', which is not in the data set's folder {folder}; copy it there and correct its name, or "
            "save the data set with the audio in it"
        )
    return folder / name


def _damaged(path: Path, what: str) -> ClipsError:
    return ClipsError(f"{path}: not readable: {what}; save or download the data set again")


def _batches(path: Path, file: pa.MemoryMappedFile) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    if path.suffix == ".parquet":
        parquet = pq.ParquetFile(file)
        return parquet.schema_arrow, parquet.iter_batches(_ROWS_PER_BATCH)
    stream = pa.ipc.open_stream(file)
    slices = (batch.slice(start, _ROWS_PER_BATCH) for batch in stream for start in range(0, batch.num_rows, _ROWS_PER_BATCH))
    return stream.schema, slices


def _audio_column(schema: pa.Schema, wanted: str | None, path: Path) -> str:
    if twice := next((name for name in schema.names if schema.names.count(name) > 1), None):
        raise _damaged(path, f"it has two columns '{twice}'")
    known = [field.name for field in schema if _is_audio(field.type)]
    if wanted in known or (wanted is None and len(known) == 1):
        return wanted or known[0]
    raise ClipsError(
        f"{path}: {f'no audio column {wanted!r}' if wanted else 'no or several audio columns'}; "
        f"it has {', '.join(known) or 'none with bytes and path'}; name one with --audio-column"
    )


def _is_audio(kind: pa.DataType) -> bool:
    """Whether a column of this type has records with bytes and path."""
    inner = {field.name: field.type for field in kind} if pa.types.is_struct(kind) else {}
    data, path = inner.get("bytes"), inner.get("path")
    if data is None or path is None:
        return False
    is_data = pa.types.is_binary(data) or pa.types.is_large_binary(data) or pa.types.is_null(data)
    return bool(is_data and (is_text(path) or pa.types.is_null(path)))


def _class_names(schema: pa.Schema, path: Path) -> dict[str, Callable[[Any], Any]]:
    """For each column of class numbers, or of lists of them, what gives their names."""
    try:
        features = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"its features: {error}") from error
    for key in ("info", "features"):
        features = features.get(key, {}) if isinstance(features, dict) else {}
    if not isinstance(features, dict):
        raise _damaged(path, "its features are not a record")
    namers: dict[str, Callable[[Any], Any]] = {}
    for column, feature in features.items():
        inner = feature[0] if isinstance(feature, list) and feature else feature.get("feature") if isinstance(feature, dict) else None
        if names := _names(feature, path):
            namers[column] = partial(_name_of, names, path)
        elif names := _names(inner, path):
            namers[column] = partial(_names_of, names, path)
    return namers


def _names(feature: Any, path: Path) -> list[str]:
    """The names of a feature of class numbers; none for another one."""
    if not isinstance(feature, dict) or feature.get("_type") != "ClassLabel":
        return []
    names = feature.get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _damaged(path, "its features have classes without names")
    return names


def _name_of(names: Sequence[str], path: Path, number: Any) -> str | None:
    if number is None:
        return None
    if not isinstance(number, int) or number >= len(names):
        raise _damaged(path, f"the class {number!r}, but its features name {len(names)}")
    return None if number < 0 else names[number]


def _names_of(names: Sequence[str], path: Path, numbers: Any) -> list[str] | None:
    if numbers is None:
        return None
    if not isinstance(numbers, list):
        raise _damaged(path, f"{numbers!r} in place of a list of classes")
    named = [_name_of(names, path, number) for number in numbers]
    return [name for name in named if name is not None]
