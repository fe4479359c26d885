"""Read the clips of WebDataset tars, as others have written them: names, sizes and content of their
members may be anything."""

import glob
import json
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import fsspec
from braceexpand import braceexpand

from streamaug.building.listing import AUDIO_EXTENSIONS, SPLIT_NAMES
from streamaug.errors import ClipsError

_ENDINGS = (".tar", ".tar.gz", ".tgz")

_PROGRAMS = frozenset(("pyd", "pkl", "pickle", "pth", "pt"))
"""Endings of members that Python would run code of to read them."""

_MOST_BYTES, _MOST_TEXT, _MOST_TEXTS = 4 << 30, 16 << 20, 64 << 20
"""Largest sizes of an audio member, of any other, and of all others of a sample with their names and
headers, so that a hostile tar does not take all memory."""

_MOST_NAME = 1 << 20
"""Largest size of a member that only names or describes the next one; tarfile reads it whole."""

_DESCRIPTIONS = frozenset((tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK))


class Clip(NamedTuple):
    """A clip of a data set that has other forms than files.

    Args:
        name: Its name in the data set.
        audio: The audio, or the path of its file.
        columns: Its columns.
        origin: The file and the part of it that the audio comes from, for people.
    """

    name: str
    audio: bytes | str
    columns: dict[str, Any]
    origin: str


def tar_paths(source: str) -> list[str]:
    """The tars that a source names, in their order; none if it names something else.

    Args:
        source: A tar, a folder of tars, a glob (`data/*.tar`), a URL, or a pattern with braces
            (`data-{000..009}.tar`) of any of these.

    Raises:
        ClipsError: Its braces are not balanced.

    >>> tar_paths("s3://bucket/train-{08..10}.tar")
    ['s3://bucket/train-08.tar', 's3://bucket/train-09.tar', 's3://bucket/train-10.tar']
    """
    if Path(source).is_dir():
        return sorted(map(str, Path(source).glob("*.tar")))  # a .tar.gz next to class folders is what they came in
    if not source.endswith(_ENDINGS):
        return []
    if Path(source).exists():
        return [source]
    try:
        names = list(braceexpand(source))
    except ValueError:
        raise ClipsError(f"{source}: its braces are not balanced; write them like data-{{000..009}}.tar") from None
    return [path for name in names for path in _globbed(name)]


def _globbed(name: str) -> list[str]:
    is_glob = glob.has_magic(name) and "://" not in name
    return sorted(glob.glob(name, recursive=True)) if is_glob else [name]  # noqa: PTH207  # the user's pattern may be absolute, which Path.glob refuses


def tar_clips(paths: Sequence[str], left_out: Counter[str]) -> Iterator[Clip]:
    """The clips of WebDataset tars: members with the same name up to its first dot.

    A member of JSON gives columns; any other text gives one, named by its extension. A tar whose
    name begins with that of a split (`train-000.tar`) gives its clips the split, if they have none.

    Args:
        paths: Local paths or fsspec URLs of tars.
        left_out: Counts what is not read: members that are programs, too large or not text, and
            samples without audio.

    Raises:
        ClipsError: A tar is missing or damaged, or a clip has several audio members.
    """
    for path in paths:
        name = path.rpartition("/")[2]
        split = _split_of(name)
        prefix = f"{name.partition('.')[0]}/" if len(paths) > 1 else ""
        try:
            with fsspec.open(path, "rb") as file, tarfile.open(fileobj=file, mode="r|*", tarinfo=_Member) as tar:
                for key, members in _samples(tar, path, left_out):
                    clip = _clip(members, left_out)
                    if clip is None:
                        continue
                    extension, audio, columns = clip
                    if split:
                        columns.setdefault("split", split)
                    yield Clip(f"{prefix}{key}.{extension}", audio, columns, f"{path}: {key}.{extension}")
        except FileNotFoundError:
            raise ClipsError(f"{path} does not exist; check the path") from None
        except (tarfile.TarError, EOFError, OSError, ValueError, RecursionError) as error:
            raise ClipsError(f"{path}: not readable as a WebDataset tar: {error}; download or write it again") from error


class _Member(tarfile.TarInfo):
    """A member of a tar that must end as tars do, and whose name and description are of limited size.
    To tarfile, a tar that was cut off or damaged between two members is a shorter one."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        info = super().frombuf(buf, encoding, errors)
        if info.type in _DESCRIPTIONS and not 0 <= info.size <= _MOST_NAME:
            raise tarfile.ReadError(f"a header of {info.size} bytes; one may have {_MOST_NAME}")
        return info

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # not in typeshed; the mark of the end
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"it is cut off or damaged at byte {tar.offset}: {error}") from None


def _split_of(name: str) -> str | None:
    """
    >>> _split_of("train-000.tar"), _split_of("val_12.tar.gz"), _split_of("trains-0.tar")
    ('train', 'val', None)
    """
    match = re.match(r"([a-zA-Z]+)(?![a-zA-Z])", name)
    return match[1] if match and match[1].lower() in SPLIT_NAMES else None


def _samples(tar: tarfile.TarFile, path: str, left_out: Counter[str]) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Members by extension, for each run of members with the same key."""
    key, members, texts = "", dict[str, bytes](), 0
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # not in typeshed; tarfile would keep all members
        if not member.isfile():
            continue
        folder, _, name = member.name.rpartition("/")
        stem, _, extension = name.partition(".")
        current = f"{folder}/{stem}" if folder else stem
        if current != key and members:
            yield key, members
            members, texts = {}, 0
        key, kind = current, extension.lower()
        if kind.rpartition(".")[2] in _PROGRAMS:
            left_out[f".{kind} members, which are programs"] += 1
            continue
        if member.size > (_MOST_BYTES if _is_audio(kind) else _MOST_TEXT):
            left_out[f".{kind} members, which are too large"] += 1
            continue
        if kind in members:
            raise ClipsError(f"{path}: the member '{member.name}' is there twice; remove one")
        if _is_audio(kind):
            first = next(filter(_is_audio, members), None)
            if first is not None:
                raise ClipsError(f"{path}: clip '{key}' has several audio members ({first}, {kind}); a clip of a table has one")
        else:
            size = tarfile.BLOCKSIZE + len(member.name) + member.size
            if texts + size > _MOST_TEXTS:
                left_out[f".{kind} members, of samples with more than {_MOST_TEXTS >> 20} MB next to the audio"] += 1
                continue
            texts += size
        file = tar.extractfile(member)
        assert file is not None, "it is a file"
        members[kind] = file.read()
    if members:
        yield key, members


def _is_audio(extension: str) -> bool:
    return extension.rpartition(".")[2] in AUDIO_EXTENSIONS


def _clip(members: Mapping[str, bytes], left_out: Counter[str]) -> tuple[str, bytes, dict[str, Any]] | None:
    """Extension, audio and columns of a sample; None if it has no audio."""
    audio = next(filter(_is_audio, members), None)
    if audio is None:
        left_out["samples without audio"] += 1
        return None
    columns: dict[str, Any] = {}
    for extension, data in members.items():
        if extension == "json":
            loaded = json.loads(data)
            columns |= loaded if isinstance(loaded, dict) else {"json": loaded}
        elif extension != audio:
            text = _text(data)
            if text is None:
                left_out[f".{extension} members, which are not text"] += 1
            else:
                columns[extension] = text
    return audio, members[audio], columns


def _text(data: bytes) -> str | None:
    try:
        return None if b"\0" in data else data.decode().strip()
    except UnicodeDecodeError:
        return None
