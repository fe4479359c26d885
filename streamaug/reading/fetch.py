"""Bytes of a store's shards: local files read in place, remote ones by ranged reads that join neighbours."""

import errno
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from importlib.util import find_spec
from typing import Any

import fsspec
from fsspec.asyn import sync
from tenacity import Retrying, retry_if_exception, sleep_using_event, stop_after_delay, stop_when_event_set, wait_exponential_jitter

from streamaug.errors import CorruptError, FetchError
from streamaug.store.folder import Folder, is_passing

GAP = 4 << 10
"""Bytes between two neighbours that are read along rather than asked around: a tar's headers and JSON members take some 2 kB."""

JOINED = 8 << 20
"""Bytes after which a joined read is ended, so that several connections share a shard."""

CONNECTIONS = 32
"""Reads under way at a time."""

ATTEMPT = 0.3
"""Part of the deadline that one try may take."""


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """Bytes start to stop of a file in a folder."""

    path: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, kw_only=True)
class PendingRead:
    """An extent's bytes, under way.

    take: gives them, waiting where needed; raises CorruptError, FetchError. future: of the read that brings them, None where they are
    read when they are taken. unwanted: set, it ends the tries of all reads that were asked for together. is_kept: they come from a cache.
    """

    take: Callable[[], bytes]
    future: Future[bytes] | None = None
    unwanted: threading.Event | None = None
    is_kept: bool = False

    @property
    def is_there(self) -> bool:
        return self.future is None or self.future.done()

    def cancel(self) -> None:
        """Nobody will take it: do not begin to read, and do not try again."""
        if self.future is not None:
            self.future.cancel()
        if self.unwanted is not None:
            self.unwanted.set()


def join(extents: Sequence[ByteRange], *, gap: int = GAP, joined: int = JOINED) -> list[tuple[ByteRange, list[int]]]:
    """Reads that cover all extents, and the extents' numbers that each covers; the read that is needed first comes first.

    >>> a, b, c = (ByteRange(path="s.tar", start=start, stop=start + 100) for start in (900, 0, 110))
    >>> [(read.start, read.stop, covered) for read, covered in join([a, b, c], gap=10)]
    [(900, 1000, [0]), (0, 210, [1, 2])]
    """
    reads: list[tuple[ByteRange, list[int]]] = []
    for number in sorted(range(len(extents)), key=lambda n: (extents[n].path, extents[n].start, extents[n].stop)):
        extent = extents[number]
        if reads:
            last, covered = reads[-1]
            stop = max(last.stop, extent.stop)
            if extent.path == last.path and extent.start <= last.stop + gap and stop - last.start <= max(joined, len(last)):
                reads[-1] = (ByteRange(path=last.path, start=last.start, stop=stop), [*covered, number])
                continue
        reads.append((extent, [number]))
    return sorted(reads, key=lambda read: min(read[1]))


class Fetcher:
    """Reads extents of a folder's files.

    deadline: seconds that a remote read may take, all tries together.
    """

    def __init__(self, folder: Folder, *, deadline: float = 60.0, connections: int = CONNECTIONS) -> None:
        self._folder = Folder(fs=_reader(folder), root=folder.root, url=folder.url)
        self._deadline = deadline
        self._pool = None if folder.is_local else ThreadPoolExecutor(connections, thread_name_prefix="streamaug-fetch")

    def fetch(self, extents: Sequence[ByteRange], on_read: Callable[[int, float], None]) -> list[PendingRead]:
        """Begin to read; `on_read` is told bytes and seconds of each read that is done.

        Remote reads start at once and in this order; a local file is read when its payload is asked for.
        """
        if self._pool is None:
            return [PendingRead(take=partial(self._timed, extent, on_read)) for extent in extents]
        payloads: dict[int, PendingRead] = {}
        unwanted = threading.Event()
        for read, covered in join(extents):
            future = self._pool.submit(self._timed, read, on_read, unwanted)
            for number in covered:
                start = extents[number].start - read.start
                payloads[number] = PendingRead(
                    take=partial(_part, future, start, start + len(extents[number])), future=future, unwanted=unwanted
                )
        return [payloads[number] for number in range(len(extents))]

    def close(self) -> None:
        """End the connections' threads; what they have not begun is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _timed(self, extent: ByteRange, on_read: Callable[[int, float], None], unwanted: threading.Event | None = None) -> bytes:
        begun = time.perf_counter()
        data = self.read(extent, unwanted)
        on_read(len(data), time.perf_counter() - begun)
        return data

    def read(self, extent: ByteRange, unwanted: threading.Event | None = None) -> bytes:
        """Bytes of an extent. Raises CorruptError where file or bytes are not there, FetchError where they cannot be had."""
        try:
            return self._read_local(extent) if self._folder.is_local else self._read_remote(extent, unwanted or threading.Event())
        except FileNotFoundError:
            raise CorruptError(
                f"{self._folder.url}/{extent.path} has vanished, though an index names it; open the store anew, or build it again"
            ) from None

    def _read_local(self, extent: ByteRange) -> bytes:
        with self._folder.local_path(extent.path).open("rb", buffering=0) as file:
            self._check_end(extent, os.fstat(file.fileno()).st_size)
            return os.pread(file.fileno(), len(extent), extent.start)

    def _read_remote(self, extent: ByteRange, unwanted: threading.Event) -> bytes:
        def attempt() -> bytes:
            try:
                data: bytes = self._call("cat_file", extent.path, start=extent.start, end=extent.stop)
            except Exception as error:
                if _is_out_of_range(error):
                    self._check_end(extent, int(self._call("info", extent.path)["size"]))
                raise
            if len(data) > len(extent):  # from a web server that knows no ranges
                data = data[extent.start : extent.stop]
            if len(data) != len(extent):
                self._check_end(extent, int(self._call("info", extent.path)["size"]))
                raise OSError(f"{len(data)} bytes came where {len(extent)} were asked")
            return data

        retrying = Retrying(
            stop=stop_after_delay(self._deadline * (1 - ATTEMPT)) | stop_when_event_set(unwanted),
            sleep=sleep_using_event(unwanted),
            wait=wait_exponential_jitter(multiplier=0.1, max=self._deadline / 10, jitter=0.1),
            retry=retry_if_exception(lambda error: not isinstance(error, CorruptError) and is_passing(error)),
            reraise=True,
        )
        where = f"{self._folder.url}/{extent.path}"
        try:
            return retrying(attempt)
        except CorruptError:
            raise
        except Exception as error:
            if isinstance(error, FileNotFoundError) and not is_passing(error):
                raise
            tries = retrying.statistics.get("attempt_number", 1)
            raise FetchError(
                f"{where}: bytes {extent.start} to {extent.stop} could not be read in {tries} tries: "
                f"{type(error).__name__}: {error}; check the connection and the rights, or give it more time than {self._deadline:g} s"
            ) from error

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        """A file system's method, given up after a part of the deadline where the file system can be interrupted."""
        fs, path = self._folder.fs, self._folder.path(path)
        if fs.async_impl:
            return sync(fs.loop, getattr(fs, f"_{method}"), path, timeout=self._deadline * ATTEMPT, **arguments)
        return getattr(fs, method)(path, **arguments)

    def _check_end(self, extent: ByteRange, size: int) -> None:
        if extent.stop > size:
            raise CorruptError(
                f"{self._folder.url}/{extent.path} is cut off: it has {size} bytes, its index names bytes {extent.start} to {extent.stop}; "
                "copy or build it again"
            )


def _is_out_of_range(error: Exception) -> bool:
    """Whether a server says that a file has no such bytes: as HTTP's status, or as s3fs translates it."""
    return getattr(error, "status", None) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or getattr(error, "errno", None) == errno.EINVAL


def _part(future: Future[bytes], start: int, stop: int) -> bytes:
    return future.result()[start:stop]


def _reader(folder: Folder) -> fsspec.AbstractFileSystem:
    """The file system to read with: for S3 obstore where it is installed, else the folder's own."""
    fs = _of_this_process(folder.fs)
    if not folder.is_s3 or find_spec("obstore") is None:
        return fs
    from streamaug.reading.s3 import reader

    return reader(fs, folder.url)


def _of_this_process(fs: fsspec.AbstractFileSystem) -> fsspec.AbstractFileSystem:
    """The same file system for a process that was forked: connections and event loops do not survive that."""
    return fs if getattr(fs, "_pid", None) in (None, os.getpid()) else type(fs)(*fs.storage_args, **fs.storage_options)
