"""List audio files as clips: their labels from class folders, other columns from their names."""

import glob
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from streamaug.errors import ClipsError
from streamaug.printable import has_controls

_UNCOMPRESSED = ("wav", "wave", "w64", "rf64", "aif", "aiff", "aifc", "au", "caf")
AUDIO_EXTENSIONS = frozenset((*_UNCOMPRESSED, "flac", "ogg", "oga", "opus", "mp3", "m4a", "mp4", "aac", "webm", "wma"))
"""Endings of files that are taken for audio."""

SPLIT_NAMES = frozenset(
    ("train", "training", "test", "testing", "dev", "val", "valid", "validate", "validation", "eval", "evaluate", "evaluation")
)
"""Names of folders that are taken for splits if they contain class folders."""

_LONGEST_ID = 80

Row = dict[str, str | None]
"""A clip: values by column."""


def list_audio(source: str, pattern: str | None = None) -> tuple[list[Row], Counter[str]]:
    """The audio files of a folder or of a glob, in the order of their names.

    Args:
        source: A folder with one folder per class, perhaps inside folders that are named like
            splits; one with files or splits alone, which gives no labels; or a glob such as
            `data/**/*.wav`, where the folder of each file is its class.
        pattern: What the end of each path means, such as `{label}/{speaker}-{take}`. Without an
            extension. Default: the folders give label and split.

    Returns:
        Columns path (absolute), perhaps label and split, and those of the pattern; and how many files
        were left out, by extension.

    Raises:
        ClipsError: No audio is there, or a path does not fit.
    """
    is_folder = Path(source).is_dir()
    root = Path(source).absolute() if is_folder else _glob_root(source)
    paths = sorted(_walk(root) if is_folder else {os.path.abspath(name) for name in glob.glob(source, recursive=True)})  # noqa: PTH100, PTH207  # a Path for each of 200 000 files takes seconds
    files = [path for path in paths if os.path.isfile(path)]  # noqa: PTH113  # a Path for each of 200 000 files takes seconds
    audio = [path for path in files if _extension(path) in AUDIO_EXTENSIONS]
    if not audio:
        raise ClipsError(f"{source}: no audio files there; they must end with {', '.join(sorted(AUDIO_EXTENSIONS))}")
    names = [os.path.relpath(path, root) for path in audio]
    odd = [name for name in names if any("\ud800" <= sign <= "\udfff" for sign in name)]
    if odd:
        raise ClipsError(f"{source}: {len(odd)} names of files are not UTF-8, such as '{odd[0]}'; rename them")
    if pattern:
        read = _by_pattern(pattern, names)
    else:
        read = _by_folders(names, source) if is_folder else [{"label": path.split("/")[-2]} for path in audio]
    skipped = Counter(_extension(path) for path in files if _extension(path) not in AUDIO_EXTENSIONS)
    rows = [{"path": path, **row} for path, row in zip(audio, read, strict=True)]
    return add_ids(rows, names), skipped


def add_ids(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Rows with a clip_id, unless the stems of the paths are ids already.

    Args:
        rows: Clips.
        names: What identifies each of them in its source, such as a relative path.
    """
    ids = clip_ids(names)
    plain = [os.path.splitext(os.path.basename(row["path"] or ""))[0] for row in rows]  # noqa: PTH119, PTH122  # as texts, since a Path for each takes seconds
    return list(rows) if ids == plain else [{"path": row["path"], "clip_id": id_, **row} for row, id_ in zip(rows, ids, strict=True)]


def clip_ids(names: Sequence[str]) -> list[str]:
    """Unique ids that a store takes: stems, or whole paths where stems are not unique.

    >>> clip_ids(["dog/1.wav", "cat/2.wav"])
    ['1', '2']
    >>> clip_ids(["dog/1.wav", "cat/1.wav", "cat/a.b.wav"])
    ['dog-1', 'cat-1', 'cat-a_b']
    """
    for candidates in ([name.rpartition("/")[2] for name in names], [name.replace("/", "-") for name in names]):
        ids = [_plain_id(name.rpartition(".")[0] or name) for name in candidates]
        if len(set(ids)) == len(ids):
            return ids
    counts = Counter(ids)
    return [id_ if counts[id_] == 1 else _hashed(id_, name) for id_, name in zip(ids, names, strict=True)]


def _plain_id(name: str) -> str:
    plain = "".join("_" if sign in "./\\" or has_controls(sign) else sign for sign in name)
    return plain if len(plain.encode()) <= _LONGEST_ID else _hashed(plain, name)


def _hashed(id_: str, name: str) -> str:
    short = id_.encode()[: _LONGEST_ID - 9].decode(errors="ignore")
    return f"{short}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _glob_root(source: str) -> Path:
    """The folder before the first part of a glob that is one."""
    plain = []
    for part in Path(source).absolute().parts[:-1]:
        if glob.has_magic(part):
            break
        plain.append(part)
    return Path(*plain)


def _walk(root: Path) -> Iterator[str]:
    """All files below a folder, also where links lead, but no folder twice; hidden ones are left out."""
    seen = set()
    for folder, inner, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        inner[:] = [name for name in inner if not name.startswith(".")] if real not in seen else []
        yield from (os.path.join(folder, name) for name in files if real not in seen and not name.startswith("."))  # noqa: PTH118  # as texts, since a Path for each takes seconds
        seen.add(real)


def _extension(path: str) -> str:
    return os.path.splitext(path)[1][1:].lower()  # noqa: PTH122  # as texts, since a Path for each takes seconds


def _by_folders(names: Sequence[str], source: str) -> list[Row]:
    """Labels and splits from the folders of files.

    >>> _by_folders(["train/dog/1.wav", "test/cat/2.wav"], "data")
    [{'label': 'dog', 'split': 'train'}, {'label': 'cat', 'split': 'test'}]
    >>> _by_folders(["1.wav", "2.wav"], "data"), _by_folders(["train/1.wav", "test/2.wav"], "data")
    ([{}, {}], [{'split': 'train'}, {'split': 'test'}])
    """
    folders = [name.split("/")[:-1] for name in names]
    are_splits = [bool(own) and own[0].lower() in SPLIT_NAMES for own in folders]
    bare = [name for name, own in zip(names, folders, strict=True) if not own]
    in_split = [name for name, own, is_split in zip(names, folders, are_splits, strict=True) if len(own) == 1 and is_split]
    if len(names) in (len(bare), len(in_split)):
        return [{"split": own[0]} if own else {} for own in folders]
    if in_split and any(len(own) > 1 and is_split for own, is_split in zip(folders, are_splits, strict=True)):
        bare = bare or in_split
    if bare:
        raise ClipsError(f"{source}: '{bare[0]}' is in no class folder; move it into one, or name its columns with --pattern")
    rows: list[Row] = []
    for own, is_split in zip(folders, are_splits, strict=True):
        rows.append({"label": own[1], "split": own[0]} if len(own) > 1 and is_split else {"label": own[0]})
    return rows


def _by_pattern(pattern: str, names: Sequence[str]) -> list[Row]:
    """The columns that a pattern finds in names.

    >>> _by_pattern("{label}/{speaker}-{take}", ["dog/ann-1.wav", "all/cat/bob-b-2.wav"])
    [{'label': 'dog', 'speaker': 'ann', 'take': '1'}, {'label': 'cat', 'speaker': 'bob', 'take': 'b-2'}]
    """
    parts = re.split(r"(\{[^{}]*\}|\*)", pattern)
    written = "".join(
        "[^/]*" if part == "*" else f"(?P<{part[1:-1]}>[^/]+?)" if part.startswith("{") else re.escape(part) for part in parts
    )
    try:
        compiled = re.compile(rf"(?:.*/)?{written}")
    except re.error as error:
        raise ClipsError(f"--pattern '{pattern}': {error}; write it like '{{label}}/{{speaker}}-{{take}}', each name once") from None
    if not compiled.groupindex or "path" in compiled.groupindex:
        raise ClipsError(f"--pattern '{pattern}' names no column, or the path itself; write it like '{{label}}/{{speaker}}-{{take}}'")
    matches = [compiled.fullmatch(os.path.splitext(name)[0]) for name in names]  # noqa: PTH122  # as texts, since a Path for each takes seconds
    odd = [name for name, match in zip(names, matches, strict=True) if match is None]
    if odd:
        raise ClipsError(f"--pattern '{pattern}' does not fit {len(odd)} of {len(names)} files, such as '{odd[0]}'; correct it")
    return [match.groupdict() for match in matches if match is not None]
