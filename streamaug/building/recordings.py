"""What a worker needs of clips: their rows, where their audio is, and what it must sound like."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from streamaug.building.excerpts import SECONDS_COLUMNS, Excerpt, excerpts_of
from streamaug.building.reading import Reading
from streamaug.building.source_file import SourceFile
from streamaug.building.sources import load_excerpt
from streamaug.codecs.pcm import digest, to_float
from streamaug.errors import ClipsError
from streamaug.store.folder import Folder
from streamaug.store.parquet import from_parquet, to_parquet

_FILE = "originals.parquet"


@dataclass(frozen=True, kw_only=True)
class Recording:
    """A clip of a shard.

    Args:
        clip: Its row of the clips table, without the store's own columns.
        excerpt: Its audio file, or the part of one.
        sha256: Hash of the PCM that the check of the sources saw.
    """

    clip: Mapping[str, Any]
    excerpt: Excerpt
    sha256: bytes

    @property
    def clip_id(self) -> str:
        return str(self.clip["clip_id"])

    def unchanged_pcm(self, reading: Reading, file: SourceFile) -> np.ndarray:
        """The samples that the check of the sources saw, as integers of shape (samples,) or (channels,
        samples).

        Args:
            reading: How the file is read.
            file: Keeps a file open for further excerpts of it.

        Raises:
            ClipsError: The file cannot be used, or has changed since it was checked; names the
                clip.
            FetchError: A remote file cannot be read at the moment.
        """
        return _load_unchanged(self.clip_id, self.excerpt, self.sha256, reading, file)


class Recordings(Mapping[int, tuple[Recording, ...]]):
    """The clips of each shard, by its number; made when a shard needs them, which takes a while for
    many clips.

    Args:
        clips: The clips, with all columns of `clips_schema` and a path.
    """

    def __init__(self, clips: pa.Table) -> None:
        self._clips = clips
        self._numbers: list[int] = sorted(clips["shard"].unique().to_pylist())

    @cached_property
    def _by_number(self) -> dict[int, tuple[Recording, ...]]:
        recordings: dict[int, list[Recording]] = defaultdict(list)
        for clip in self._clips.drop_columns(["samples", "depth"]).to_pylist():
            excerpt, shard, sha256 = Excerpt.of(clip), clip.pop("shard"), clip.pop("sha256")
            del clip["path"]
            recordings[shard].append(Recording(clip=clip, excerpt=excerpt, sha256=sha256))
        return {number: tuple(recordings[number]) for number in self._numbers}

    def __getitem__(self, number: int) -> tuple[Recording, ...]:
        return self._by_number[number]

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


@dataclass(frozen=True, kw_only=True)
class Originals:
    """The audio of all clips of a build, by clip_id. Small and picklable: the list of the files is
    read from the build's folder, once per process.

    Args:
        folder: The store.
        path: Path of the list in the store.
        reading: How the files are read.
    """

    folder: Folder
    path: str
    reading: Reading

    @classmethod
    def staged(cls, folder: Folder, staging: str, clips: pa.Table, reading: Reading) -> "Originals":
        """Write the list of the files into a build's folder.

        Args:
            folder: The store.
            staging: Path of the build's folder in it.
            clips: The clips, with the columns clip_id, path and sha256, and perhaps start and stop.
            reading: How the files are read.
        """
        names = ["clip_id", "path", "sha256", *(name for name in SECONDS_COLUMNS if name in clips.column_names)]
        folder.write(f"{staging}/{_FILE}", to_parquet(clips.select(names)))
        return cls(folder=folder, path=f"{staging}/{_FILE}", reading=reading)

    def signal(self, clip_id: str) -> np.ndarray:
        """A clip's samples as effects get them: float32 in [-1, 1), of shape (samples,) or (channels,
        samples).

        Raises:
            ClipsError: The file cannot be used, or has changed since it was checked; names the
                clip.
            FetchError: A remote file cannot be read at the moment.
        """
        excerpt, sha256 = _sources(self.folder, self.path)[clip_id]
        with SourceFile() as file:
            return to_float(_load_unchanged(clip_id, excerpt, sha256, self.reading, file))


@lru_cache(4)
def _sources(folder: Folder, path: str) -> dict[str, tuple[Excerpt, bytes]]:
    """Source and sha256 of each clip."""
    table = from_parquet(folder.read(path), f"{folder.url}/{path}", "run the build again")
    return dict(zip(table["clip_id"].to_pylist(), zip(excerpts_of(table), table["sha256"].to_pylist(), strict=True), strict=True))


def _load_unchanged(clip_id: str, excerpt: Excerpt, sha256: bytes, reading: Reading, file: SourceFile) -> np.ndarray:
    pcm = _load(clip_id, excerpt, reading, file)
    if digest(pcm) != sha256:
        raise ClipsError(
            f"clip '{clip_id}' ({excerpt.path}) has changed since it was checked; run the build again, with --recheck "
            "if its size and time of modification are as before"
        )
    return pcm


def _load(clip_id: str, excerpt: Excerpt, reading: Reading, file: SourceFile) -> np.ndarray:
    try:
        return load_excerpt(excerpt, reading, file).pcm
    except ClipsError as error:
        raise ClipsError(f"clip '{clip_id}' ({excerpt.path}): {error}") from error
