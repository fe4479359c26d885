"""Files of a store on any fsspec file system: retried reads, writes that appear whole or not at all."""

import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import get_protocol
from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay, wait_exponential, wait_random

from streamaug.errors import FetchError, StoreError, StreamaugError

_T = TypeVar("_T")
ATTEMPTS = 6
PATIENCE = 120.0
"""An operation on a remote file system is not tried again after so many tries or seconds, whichever come first; waits between
tries double from 0.2 s to 5 s. A try ends by itself, since connections on which nothing comes are cut (`_file_system`)."""

_S3, _WEB = ("s3", "s3a"), ("http", "https")
_SILENCE = 10
"""Seconds without a byte after which a connection counts as dead."""

STAGING = ".building"
"""Folder inside a local store for files that are being written; gone when a build has ended."""


def _file_system(url: str, options: Mapping[str, Any]) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a URL, whose connections end when nothing comes, and the path there.

    On S3 boto tries a request three times; s3fs, which would try each of those as often again, is kept from it.
    """
    protocol = get_protocol(url)
    defaults: dict[str, Any] = {}
    if protocol in _S3:
        retries = {"mode": "standard", "total_max_attempts": 3}
        defaults = {"config_kwargs": {"connect_timeout": _SILENCE, "read_timeout": _SILENCE, "retries": retries}}
    elif protocol in _WEB:
        from aiohttp import ClientTimeout

        defaults = {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=_SILENCE, sock_read=_SILENCE)}}
    fs, root = fsspec.core.url_to_fs(url, **{**defaults, **options})
    if protocol in _S3:
        fs.retries = 1
    return fs, str(root).rstrip("/")


def is_passing(error: BaseException) -> bool:
    """Whether trying again may help: not for a file that is not there, a door that is shut or a request that is refused."""
    if isinstance(error, FileNotFoundError):
        # Over HTTP fsspec says so whatever kept it from learning a file's size, and gives the true reason as the cause.
        cause = error.__cause__
        return cause is not None and (isinstance(cause, OSError) or hasattr(cause, "status")) and is_passing(cause)
    final = PermissionError | IsADirectoryError | NotADirectoryError | FileExistsError | NotImplementedError
    if isinstance(error, final | StoreError | ValueError | TypeError) or not isinstance(error, Exception):
        return False
    status = getattr(error, "status", None)  # of aiohttp
    refused = isinstance(status, int) and (400 <= status < 500 or status == 501)
    return not refused or status in (408, 429)


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder on a file system. Paths given to its methods are relative to it and use '/'."""

    fs: fsspec.AbstractFileSystem
    root: str
    url: str

    @classmethod
    def at(cls, url: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None) -> "Folder":
        """The folder that a URL or path names; it need not exist. Raises StoreError for a file system that is not installed."""
        url = os.fspath(url)
        try:
            fs, root = _file_system(url, storage_options or {})
        except (ImportError, ValueError) as error:
            raise StoreError(f"{url}: {error}; install the file system it names (for s3:// 'pip install streamaug[s3]')") from error
        return cls(fs=fs, root=root, url=url.rstrip("/"))

    def __reduce__(self) -> tuple[Any, ...]:
        return Folder.at, (self.url, dict(self.fs.storage_options))

    @property
    def is_local(self) -> bool:
        return isinstance(self.fs, LocalFileSystem)

    @property
    def is_s3(self) -> bool:
        return get_protocol(self.url) in _S3

    @property
    def is_web(self) -> bool:
        """Whether names come as links of an HTML page, in which a '+' is written '%2B'."""
        return get_protocol(self.url) in _WEB

    def path(self, name: str) -> str:
        return f"{self.root}/{name}" if name else self.root

    def local_path(self, name: str) -> Path:
        """Where a file of a local folder lies, to be opened or memory-mapped in place."""
        if not self.is_local:
            raise StoreError(f"{self.url} is not on this machine's disk")
        return Path(self.path(name))

    def retried(self, what: str, name: str, action: Callable[[], _T]) -> _T:
        """Run an operation on a file, trying again with back-off. Raises FileNotFoundError as it comes, else FetchError."""
        retrying = Retrying(
            stop=stop_after_attempt(1 if self.is_local else ATTEMPTS) | stop_after_delay(PATIENCE),
            wait=wait_exponential(multiplier=0.2, max=5) + wait_random(0, 0.2),
            retry=retry_if_exception(is_passing),
            reraise=True,
        )
        try:
            return retrying(action)
        except StreamaugError:
            raise
        except Exception as error:
            if isinstance(error, FileNotFoundError) and not is_passing(error):
                raise
            tries = retrying.statistics["attempt_number"]
            told = f" after {tries} tries" if tries > 1 else ""
            reason = error.__cause__ if isinstance(error, FileNotFoundError) else error
            raise FetchError(f"{self.url}/{name}: {what} failed{told}: {type(reason).__name__}: {reason}") from error

    def read(self, name: str) -> bytes:
        """A file's bytes. Raises FileNotFoundError, FetchError."""
        data: bytes = self.retried("reading", name, lambda: self.fs.cat_file(self.path(name)))
        return data

    def read_range(self, name: str, start: int, stop: int) -> bytes:
        """Bytes start to stop of a file; fewer than asked counts as a failed read. Raises FileNotFoundError, FetchError."""

        def action() -> bytes:
            data: bytes = self.fs.cat_file(self.path(name), start=start, end=stop)
            if len(data) > stop - start:  # a web server that knows no ranges, as Python's own, sends the whole file
                data = data[start:stop]
            if len(data) != stop - start:
                raise OSError(f"{len(data)} bytes came where {stop - start} were asked")
            return data

        return self.retried(f"reading bytes {start} to {stop}", name, action)

    def size(self, name: str) -> int:
        """A file's bytes, counted. Raises FileNotFoundError, FetchError."""
        self.fs.invalidate_cache()
        return int(self.retried("asking the size", name, lambda: self.fs.size(self.path(name))))

    def exists(self, name: str) -> bool:
        try:
            self.size(name)
        except FileNotFoundError:
            return False
        return True

    def names(self, name: str = "") -> list[str]:
        """Names of what lies in a folder, sorted; an absent folder holds nothing."""
        self.fs.invalidate_cache()
        try:
            found = self.retried("listing", name, lambda: self.fs.ls(self.path(name), detail=False))
        except FileNotFoundError:
            return []
        bare = {str(path).rstrip("/").rsplit("/", 1)[-1] for path in found} - {""}
        return sorted(map(unquote, bare) if self.is_web else bare)

    def sizes(self, name: str = "") -> dict[str, int]:
        """Bytes of each file in a folder, by name; an absent folder holds nothing. Not over HTTP, which lists no sizes."""
        self.fs.invalidate_cache()
        try:
            found = self.retried("listing", name, lambda: self.fs.ls(self.path(name), detail=True))
        except FileNotFoundError:
            return {}
        return {entry["name"].rsplit("/", 1)[-1]: int(entry["size"]) for entry in found if entry["type"] == "file"}

    def write(self, name: str, data: bytes) -> None:
        """Write a file so that a reader finds the old one or the whole new one. Raises FetchError."""
        if self.is_local:
            with self.staged(name) as staged:
                staged.write_bytes(data)
        else:
            self._put(name, lambda: self.fs.pipe_file(self.path(name), data))

    @contextmanager
    def staged(self, name: str) -> Iterator[Path]:
        """A temporary local path that becomes the file `name` when the `with` block ends without an error.

        On a local folder it is renamed into place, elsewhere uploaded; either way nobody sees half a file.
        """
        if self.is_local:  # in the store's own folder, so that the rename stays on one file system
            directory = self.local_path(STAGING)
            directory.mkdir(parents=True, exist_ok=True)
        else:
            directory = Path(tempfile.gettempdir())
        path = directory / f"streamaug-{os.getpid()}-{uuid.uuid4().hex}"
        try:
            yield path
            if self.is_local:
                target = self.local_path(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                with path.open("rb") as written:
                    os.fsync(written.fileno())
                path.replace(target)
            else:
                self._put(name, lambda: self.fs.put_file(str(path), self.path(name)))
        finally:
            path.unlink(missing_ok=True)

    def _put(self, name: str, action: Callable[[], object]) -> None:
        try:
            self.retried("writing", name, action)
        except FileNotFoundError as error:
            raise FetchError(f"{self.url}/{name}: writing failed: {error}; make the bucket first") from error

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all it holds; nothing happens where it is absent."""
        try:
            self.retried("removing", name, lambda: self.fs.rm(self.path(name), recursive=True))
        except FileNotFoundError:
            return
