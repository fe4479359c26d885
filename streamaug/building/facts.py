"""Remember what the check of the sources found out, so that no build decodes them twice.

A fact belongs to a file as it was, or to an excerpt of it: the key is a hash of its path, size, time
of modification (or ETag), of the excerpt's start and stop, and of how it was read. Paths themselves
are not kept, since a store is passed on. Facts are no part of a snapshot: without them the sources
are decoded again.
"""

import hashlib
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.building.checks import SourceInfo
from streamaug.building.excerpts import Excerpt
from streamaug.errors import CorruptError, FetchError, StoreError
from streamaug.store.folder import Folder
from streamaug.store.listing import StoredFile
from streamaug.store.parquet import from_parquet, to_parquet

FACTS_FILE = "sources.parquet"

_STAGED = "facts-"
_PER_FILE = 1024
_INTERVAL_S = 20.0
"""Seconds after which facts are written though they are few: long files take long to decode."""

_TYPES: dict[Any, pa.DataType] = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), bytes: pa.binary(), str: pa.string()}
_KEY = 16
_FIELDS = [field for field in fields(SourceInfo) if field.name != "error"]
_SCHEMA = pa.schema(
    [pa.field("key", pa.binary(_KEY), nullable=False), *(pa.field(field.name, _TYPES[field.type], nullable=False) for field in _FIELDS)]
)


class Facts:
    """Facts by key.

    Args:
        tables: What `to_bytes` wrote; of a key that is in several the first counts.
    """

    def __init__(self, tables: Sequence[pa.Table] = ()) -> None:
        self._table = pa.concat_tables(tables).combine_chunks() if tables else None

    def __len__(self) -> int:
        return 0 if self._table is None else int(self._table.num_rows)

    def of(self, keys: Sequence[bytes | None]) -> list[SourceInfo | None]:
        """The facts about some files; None for a file that nothing is known about."""
        if self._table is None:
            return [None] * len(keys)
        rows = pc.index_in(pa.array(keys, pa.binary(_KEY)), self._table["key"].combine_chunks())
        known = np.flatnonzero(rows.is_valid().to_numpy(zero_copy_only=False))
        found: list[SourceInfo | None] = [None] * len(keys)
        taken = self._table.take(rows.drop_null()).drop_columns(["key"]).to_pylist()
        for row, values in zip(known.tolist(), taken, strict=True):
            found[row] = SourceInfo(**values)
        return found


def to_bytes(keys: Sequence[bytes | None], sources: Sequence[SourceInfo]) -> bytes:
    """A file of facts.

    Args:
        keys: One per source; None for a file that cannot be recognised again.
        sources: The facts; those of sources with errors are left out, since they may be repaired in
            place or unreadable for a while only.
    """
    kept = [(key, source) for key, source in zip(keys, sources, strict=True) if key and not source.error]
    # By column: three times as fast as by row.
    columns = {field.name: [getattr(source, field.name) for _, source in kept] for field in _FIELDS}
    return to_parquet(pa.table({"key": [key for key, _ in kept], **columns}, schema=_SCHEMA))


def read_facts(folder: Folder, names: Iterable[str]) -> Facts:
    """The facts in some files of a store; a file that is missing, damaged or of another version of
    this library has none.

    Args:
        folder: The store.
        names: Paths in the store.
    """
    tables = []
    for name in names:
        try:
            table = from_parquet(folder.read(name), name, "")
        except (FileNotFoundError, CorruptError):
            continue
        if table.schema.equals(_SCHEMA):
            tables.append(table)
    return Facts(tables)


class FactWriter:
    """Writes facts into a build's folder while the sources are checked, so that a build that is
    stopped does not check them again.

    Args:
        folder: The store.
        staging: Path of the build's folder in it.
    """

    def __init__(self, folder: Folder, staging: str) -> None:
        self._folder, self._staging = folder, staging
        self._keys: list[bytes | None] = []
        self._sources: list[SourceInfo] = []
        self._files = 0
        self._written = time.monotonic()

    def add(self, keys: Sequence[bytes | None], sources: Sequence[SourceInfo]) -> None:
        """Note some facts; they are written when there are enough.

        Args:
            keys: As `source_keys` gives them.
            sources: One per key.
        """
        self._keys += keys
        self._sources += sources
        if len(self._keys) >= _PER_FILE or (self._keys and time.monotonic() - self._written > _INTERVAL_S):
            self._folder.write(f"{self._staging}/{_STAGED}{self._files:06d}.parquet", to_bytes(self._keys, self._sources))
            self._keys, self._sources, self._files = [], [], self._files + 1
            self._written = time.monotonic()


def is_facts(path: str) -> bool:
    """Whether a file in a build's folder has facts."""
    return path.rpartition("/")[2].startswith(_STAGED)


def source_keys(versions: Sequence[bytes | None], reading: str) -> list[bytes | None]:
    """What the facts about each file are found by.

    Args:
        versions: As `source_versions` gives them, of the time before the files were read.
        reading: How the files are read, as text.
    """
    return [None if version is None else _digest(version + reading.encode()) for version in versions]


def source_versions(excerpts: Sequence[Excerpt]) -> list[bytes | None]:
    """What each source is recognised by; None for one that is missing or on a server that does not
    list its files.

    Args:
        excerpts: Files with local paths and URLs, and parts of them.
    """
    folders: dict[str, list[int]] = defaultdict(list)
    versions: list[bytes | None] = [None] * len(excerpts)
    for row, excerpt in enumerate(excerpts):
        path = excerpt.path
        if "://" in path:
            folders[path.rpartition("/")[0]].append(row)
            continue
        try:
            status = os.stat(path)  # noqa: PTH116  # Path.stat takes twice as long
        except OSError:
            continue
        versions[row] = _version(excerpt, status.st_size, str(status.st_mtime_ns))
    for folder, rows in folders.items():
        files = _listed(folder)
        for row in rows:
            file = files.get(excerpts[row].path.rpartition("/")[2])
            if file is not None:
                versions[row] = _version(excerpts[row], file.size, file.tag or str(file.modified))
    return versions


def _listed(url: str) -> Mapping[str, StoredFile]:
    try:
        folder = Folder.at(url)
        return {} if folder.is_web else folder.files()
    except (FetchError, StoreError):
        return {}


def _version(excerpt: Excerpt, size: int, version: str) -> bytes:
    span = () if excerpt.is_whole else (str(excerpt.start), str(excerpt.stop))
    return _digest("\0".join((excerpt.path, str(size), version, *span)).encode())


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:_KEY]
