"""Read what `streamaug table` makes a table of: files, tables, WebDataset tars, Hugging Face data sets."""

import glob
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from streamaug.errors import ClipsError

if TYPE_CHECKING:
    from streamaug.building.listing import Row
    from streamaug.building.unpacking import Unpacked

_TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq")


@contextmanager
def removed_after_errors(folder: Path) -> Iterator[None]:
    """Remove a folder that is new if the table is not written, so that the command can run again."""
    is_new = not folder.exists()
    try:
        yield
    except BaseException:
        if is_new:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def read_source(source: str, audio: Path, pattern: str | None, audio_column: str | None) -> tuple[list["Row"], dict[str, str], list[str]]:
    """The clips of a source, where unpacked files come from, and what to say about it.

    Args:
        source: What the user names: tars, a data set, a table, a folder or a glob.
        audio: A new folder for audio that has to be unpacked.
        pattern: Columns in the paths of files, or None.
        audio_column: Audio column of a Hugging Face data set, or None for the only one.

    Raises:
        ClipsError: The source is none of these, or cannot be read.
    """
    from streamaug.building.listing import list_audio
    from streamaug.building.tar_clips import tar_paths
    from streamaug.building.unpacking import arrow_clips, is_arrow_dataset, unpack

    path = Path(source)
    tars = tar_paths(source)
    is_arrow = path.suffix == ".arrow" or (path.suffix == ".parquet" and _has_audio(path)) or (path.is_dir() and is_arrow_dataset(path))
    if (tars or is_arrow) and pattern:
        raise ClipsError("--pattern reads columns from the paths of files; tars and data sets have their own columns")
    if tars or is_arrow:
        unpacked, notes = unpack_tars(tars, audio) if tars else _noted(unpack(arrow_clips(path, audio_column), audio), audio)
        return unpacked.rows, unpacked.origins, notes
    if path.suffix.lower() in _TABLES:
        return _read_table(path), {}, []
    if path.is_dir() or glob.has_magic(source):
        rows, skipped = list_audio(source, pattern)
        kinds = ", ".join(f"{count} .{kind}" if kind else f"{count} without ending" for kind, count in sorted(skipped.items()))
        return rows, {}, [f"left out files that are not audio: {kinds}"] if skipped else []
    raise ClipsError(f"{source} is not a folder, a glob, a tar, a table or a data set on disk; check the path")


def unpack_tars(tars: Sequence[str], folder: Path) -> tuple["Unpacked", list[str]]:
    """The clips of WebDataset tars, and what to say about it.

    Args:
        tars: Paths or URLs of the tars.
        folder: A new folder for the audio.

    Raises:
        ClipsError: A tar cannot be read.
    """
    from streamaug.building.tar_clips import tar_clips
    from streamaug.building.unpacking import unpack

    left_out = Counter[str]()
    unpacked, notes = _noted(unpack(tar_clips(tars, left_out), folder), folder)
    if left_out:
        notes.append(f"left out of the tars: {', '.join(f'{count} {what}' for what, count in sorted(left_out.items()))}")
    return unpacked, notes


def _noted(unpacked: "Unpacked", folder: Path) -> tuple["Unpacked", list[str]]:
    """Clips that were unpacked into a folder, and what to say about it."""
    notes = [f"{len(unpacked.rows)} clips unpacked into {folder}"] if folder.exists() else []
    if unpacked.set_aside:
        names = ", ".join(unpacked.set_aside)
        others = ", ".join(f"source_{name}" for name in unpacked.set_aside)
        notes.append(f"{names}: kept as {others}, since a clip is all of its audio here; they are not read as a path or as times")
    return unpacked, notes


def _has_audio(path: Path) -> bool:
    """Whether a Parquet file has a column of records with bytes and path."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException):
        return False
    return any(pa.types.is_struct(field.type) and "bytes" in {inner.name for inner in field.type} for field in schema)


def _read_table(path: Path) -> list["Row"]:
    from streamaug.building.table_files import read_file
    from streamaug.building.table_reading import resolve_path
    from streamaug.building.unpacking import as_text

    table, problems = read_file(path)
    if problems or len(set(table.column_names)) < len(table.column_names):
        raise ClipsError(f"clips table {path}: {(problems or ['a column is there twice; remove one'])[0]}")
    if "path" not in table.column_names:
        raise ClipsError(f"clips table {path} has no column 'path'; it has {', '.join(table.column_names)}; rename one")
    rows = [{name: as_text(value) for name, value in row.items()} for row in table.to_pylist()]
    if not rows:
        raise ClipsError(f"clips table {path} lists no clips; add one row per clip")
    folder = str(path.absolute().parent)
    return [{**row, "path": resolve_path(row["path"], folder)} for row in rows]
