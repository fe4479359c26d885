"""Read and write the files of a store on any fsspec file system: reads are retried, writes appear
whole or not at all."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import get_protocol

from streamaug.errors import FetchError, StoreError
from streamaug.files import disk_errors, disk_remedy, staged_file
from streamaug.retry import RetryPolicy, range_of
from streamaug.store.access import access_remedy, is_missing_bucket, opening_error
from streamaug.store.connection import ARCHIVES, S3, WEB, Connection, absolute_url
from streamaug.store.listing import StoredFile, listed_file
from streamaug.temporary import temporary_folder

_T = TypeVar("_T")

REMOTE = RetryPolicy(attempts=6, deadline_s=120.0)
"""For operations on a remote file system. A single try ends by itself, since silent connections are
closed (`connection.py`)."""

LOCAL = RetryPolicy(attempts=1, deadline_s=120.0)
"""For operations on a local file system, which fail for good reasons only."""

STAGING = ".building"
"""Folder inside a store for what is not part of it yet: each build has a folder of its own there."""


def _reopened(url: str, options: Mapping[str, Any], staging: str) -> "Folder":
    return Folder.at(url, options).with_staging(staging)


def _is_refused(error: OSError) -> bool:
    """Whether S3 did not write since its condition did not hold, or another write came between."""
    answer = getattr(error.__cause__, "response", None) or {}
    return answer.get("Error", {}).get("Code") in ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder on a file system. Its methods take paths relative to it, with '/' between their
    parts.

    It can be pickled and forked: each process opens the file system for itself.

    Args:
        url: The folder's URL or absolute path.
        options: Arguments of the fsspec file system, such as credentials.
        staging: Folder in this one for files that are being written, if it is on a local disk.
            Default: the folder of each file.
    """

    url: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    staging: str = ""
    _connection: Connection = field(repr=False, compare=False)

    @classmethod
    def at(cls, url: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None) -> "Folder":
        """The folder that a URL or path names.

        Args:
            url: Path or fsspec URL; the folder need not exist. `~` is the home folder, and a
                relative path is made absolute, so that a later change of the working directory has
                no effect.
            storage_options: Arguments of the fsspec file system, such as credentials.

        Raises:
            StoreError: The file system's package is not installed, or the protocol is unknown.
        """
        url = absolute_url(os.fspath(url)).rstrip("/") or "/"
        options = dict(storage_options or {})
        try:
            connection = Connection(url, options)
        except (ImportError, ValueError) as error:
            raise opening_error(url, error) from error
        return cls(url=url, options=options, _connection=connection)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self.url, self.options, self.staging)

    def with_staging(self, staging: str) -> "Folder":
        """The same folder, where files that are being written are in another folder.

        Args:
            staging: Path of that folder in this one.
        """
        return replace(self, staging=staging)

    @property
    def fs(self) -> fsspec.AbstractFileSystem:
        """The fsspec file system, opened in this process."""
        return self._connection.fs_and_root()[0]

    @property
    def root(self) -> str:
        """Path of the folder on its file system."""
        return self._connection.fs_and_root()[1]

    @property
    def is_local(self) -> bool:
        """Whether the folder is on this machine's disk."""
        return isinstance(self.fs, LocalFileSystem)

    @property
    def is_s3(self) -> bool:
        """Whether the folder is on S3."""
        return get_protocol(self.url) in S3

    @property
    def is_read_only(self) -> bool:
        """Whether files can only be read: from a web server, or out of an archive."""
        return get_protocol(self.url) in (*WEB, *ARCHIVES)

    @property
    def is_web(self) -> bool:
        """Whether names come as links of an HTML page, in which a '+' is written '%2B'."""
        return get_protocol(self.url) in WEB

    def path(self, name: str) -> str:
        """A file's path on the file system."""
        return f"{self.root}/{name}" if name else self.root

    def local_path(self, name: str) -> Path:
        """Path of a file in a local folder, to open or memory-map it.

        Raises StoreError for a remote folder.
        """
        if not self.is_local:
            raise StoreError(f"{self.url} is not on this machine's disk; copy the store to one first")
        return Path(self.path(name))

    def _retry(self, verb: str, name: str, action: Callable[[], _T]) -> _T:
        """Run an operation on a file under the retry policy. Raises FileNotFoundError, FetchError."""
        policy, what = (LOCAL if self.is_local else REMOTE), f"{self.url}/{name}: {verb}"
        try:
            return policy.run(what, action, remedy=lambda error: disk_remedy(error) if self.is_local else access_remedy(self.url, error))
        except FileNotFoundError as error:
            if is_missing_bucket(error):
                raise FetchError(f"{what} failed: {error}; check the bucket's name and the endpoint, or create the bucket first") from error
            raise

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises FileNotFoundError, FetchError."""
        data: bytes = self._retry("reading", name, lambda: self.fs.cat_file(self.path(name)))
        return data

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Bytes start to stop of a file. An answer that is too short counts as a failed try.

        Raises:
            FileNotFoundError: The file does not exist.
            FetchError: The bytes could not be read.
        """

        def action() -> bytes:
            return range_of(self.fs.cat_file(self.path(name), start=start, end=stop), start, stop)

        return self._retry(f"reading bytes {start} to {stop}", name, action)

    def size(self, name: str) -> int:
        """Size of a file in bytes. Raises FileNotFoundError, FetchError."""
        self.fs.invalidate_cache()
        return int(self._retry("reading the size", name, lambda: self.fs.size(self.path(name))))

    def exists(self, name: str) -> bool:
        """Whether a file exists. Raises FetchError."""
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def names(self, name: str = "") -> list[str]:
        """Sorted names of the files and folders in a folder; none if it does not exist.

        Raises FetchError.
        """
        self.fs.invalidate_cache()
        try:
            paths = self._retry("listing", name, lambda: self.fs.ls(self.path(name), detail=False))
        except FileNotFoundError:
            return []
        bare = {str(path).rstrip("/").rsplit("/", 1)[-1] for path in paths} - {""}
        return sorted(map(unquote, bare) if self.is_web else bare)

    def sizes(self, name: str = "") -> dict[str, int]:
        """Bytes of each file in a folder, by name; none if it does not exist. Not over HTTP, which
        lists no sizes.

        Raises:
            FetchError: The folder could not be listed.
        """
        self.fs.invalidate_cache()
        try:
            entries = self._retry("listing", name, lambda: self.fs.ls(self.path(name), detail=True))
        except FileNotFoundError:
            return {}
        return {entry["name"].rsplit("/", 1)[-1]: int(entry["size"]) for entry in entries if entry["type"] == "file"}

    def files(self, name: str = "") -> dict[str, StoredFile]:
        """All files in a folder and the folders in it, by path relative to this folder; none if it
        does not exist. Not over HTTP, which lists no sizes.

        Raises:
            FetchError: A folder could not be listed.
        """
        self.fs.invalidate_cache()
        try:
            entries = self._retry("listing", name, lambda: self.fs.find(self.path(name), detail=True))
        except FileNotFoundError:
            return {}
        start = len(self.root) + 1
        return {path[start:]: listed_file(entry) for path, entry in entries.items() if entry["type"] == "file"}

    def write(self, name: str, data: bytes) -> None:
        """Write a file so that a reader finds the old one or the whole new one. Raises FetchError."""
        if self.is_local:
            with self.staged(name) as path:
                path.write_bytes(data)
        else:
            self._put(name, lambda: self.fs.pipe_file(self.path(name), data))

    def tag(self, name: str) -> str | None:
        """What S3 calls the ETag of a file, which changes with its content; None if there is no
        file. Raises FetchError."""
        bucket, key, _ = self.fs.split_path(self.path(name))
        try:
            answer = self._retry("reading the tag", name, lambda: self.fs.call_s3("head_object", Bucket=bucket, Key=key))
        except FileNotFoundError:
            return None
        return str(answer["ETag"])

    def write_if(self, name: str, data: bytes, tag: str | None) -> bool:
        """Write a file on S3 if it still has a tag.

        Args:
            name: The file.
            data: The new content.
            tag: The tag that the file must have; None if there must be no file.

        Returns:
            False if the file has another tag, or exists against expectation.

        Raises:
            FetchError: The file could not be written, or the server has no conditional writes.
        """
        bucket, key, _ = self.fs.split_path(self.path(name))
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}

        def action() -> bool:
            try:
                self.fs.call_s3("put_object", Bucket=bucket, Key=key, Body=data, **condition)
            except OSError as error:
                if _is_refused(error):
                    return False
                raise
            return True

        try:
            written = self._retry("writing", name, action)
        except FileNotFoundError:
            return False
        self.fs.invalidate_cache()
        return written

    @contextmanager
    def staged(self, name: str | Callable[[], str]) -> Iterator[Path]:
        """A temporary local path that becomes the file `name` when the `with` block ends without an
        error.

        In a local folder it is renamed, elsewhere uploaded; a reader never sees half a file.

        Args:
            name: The file. A function is called at the end, for a name that depends on the content.

        Raises:
            FetchError: The disk is full or cannot be written, or the file could not be uploaded.
        """
        name_of = name if callable(name) else lambda: name
        if self.is_local:

            def target() -> Path:
                path = self.local_path(name_of())
                path.parent.mkdir(parents=True, exist_ok=True)
                return path

            with disk_errors(self.path("" if callable(name) else name)):
                staging = self.local_path(self.staging) if self.staging or callable(name) else target().parent
                staging.mkdir(parents=True, exist_ok=True)
                with staged_file(target, directory=staging) as path:
                    yield path
        else:
            with temporary_folder() as directory:
                path = directory / "staged"
                yield path
                final = name_of()
                self._put(final, lambda: self.fs.put_file(str(path), self.path(final)))

    def _put(self, name: str, action: Callable[[], object]) -> None:
        try:
            self._retry("writing", name, action)
        except FileNotFoundError as error:
            raise FetchError(f"{self.url}/{name}: writing failed: {error}; create the bucket first") from error

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that it contains, if it exists. Raises FetchError."""
        try:
            self._retry("removing", name, lambda: self.fs.rm(self.path(name), recursive=True))
        except FileNotFoundError:
            return
