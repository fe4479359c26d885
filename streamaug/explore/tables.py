"""The tables of a snapshot as files on a local disk, so that single rows are read and none is loaded
whole."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streamaug.errors import CorruptError
from streamaug.files import disk_errors
from streamaug.store.folder import Folder

_CHUNK = 8 << 20
"""Bytes that are copied from a remote store at a time."""

_REMEDY = "copy it again, or rebuild it with --replace"


class Tables:
    """Parquet files of a store, each compared with its sha256 before its first use. Those of a remote
    store are copied to the disk.

    Args:
        folder: The store's folder.
        scratch: Local folder for copies.
    """

    def __init__(self, folder: Folder, scratch: Path) -> None:
        self._folder, self._scratch = folder, scratch
        self._files: dict[str, Future[Path]] = {}
        self._lock = Lock()

    def path(self, name: str, sha256: str | None) -> Path:
        """The file on a local disk. Threads that ask for it at the same time wait for one copy.

        Args:
            name: Its name in the store's folder, out of the manifest.
            sha256: The hash that it must have, in hex; None for a file that no manifest names.

        Raises:
            FileNotFoundError: There is no such file, and no manifest names it.
            CorruptError: The file does not have the hash, or is missing.
            FetchError: It could not be read.
        """
        with self._lock:
            is_first = name not in self._files
            future = self._files.setdefault(name, Future())
        if is_first:
            try:
                future.set_result(self._checked(name, sha256))
            except BaseException as error:
                if sha256 is not None or self._folder.is_local:  # a server is not asked again for what may not exist
                    with self._lock:
                        del self._files[name]
                future.set_exception(error)
        return future.result()

    def _checked(self, name: str, sha256: str | None) -> Path:
        try:
            with disk_errors(self._folder.path(name)):
                path = self._folder.local_path(name) if self._folder.is_local else self._copied(name)
                if sha256 is None:
                    path.stat()
                    return path
                with path.open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            if sha256 is None:
                raise
            raise CorruptError(f"{self._folder.url}/{name} is missing, though the manifest names it; {_REMEDY}") from None
        if digest != sha256:
            raise CorruptError(
                f"{self._folder.url}/{name}: does not match its sha256 in the manifest: it was changed or damaged; {_REMEDY}"
            )
        return path

    def _copied(self, name: str) -> Path:
        size = self._folder.size(name)
        path = self._scratch / hashlib.sha256(name.encode()).hexdigest()
        with path.open("wb") as file:
            for start in range(0, size, _CHUNK):
                file.write(self._folder.read_range(name, start, min(start + _CHUNK, size)))
        return path


@contextmanager
def parquet(path: Path, where: str, *, dictionaries: list[str] | None = None) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file for reading some of its row groups.

    Args:
        path: The file.
        where: Names the file in errors.
        dictionaries: Columns that are read as codes and their values.

    Raises:
        CorruptError: The file is not readable.
    """
    try:
        with pq.ParquetFile(path, memory_map=True, read_dictionary=dictionaries) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CorruptError(f"{where}: not readable: {error}; {_REMEDY}") from error


def may_contain(file: pq.ParquetFile, group: int, column: str, value: Any) -> bool:
    """Whether a row group can have a value, by what the file says of its smallest and largest.

    Args:
        file: The file.
        group: Number of the row group.
        column: A column that is not nested.
        value: The value.
    """
    rows = file.metadata.row_group(group)
    for number in range(rows.num_columns):
        if rows.column(number).path_in_schema == column:
            statistics = rows.column(number).statistics
            return statistics is None or not statistics.has_min_max or bool(statistics.min <= value <= statistics.max)
    return True
