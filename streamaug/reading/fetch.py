"""Read byte ranges of a remote store's shards in parallel, with neighbours merged into one read."""

import errno
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

from streamaug.errors import CorruptError
from streamaug.reading.local import missing_shard, short_shard
from streamaug.retry import RetryPolicy, ShortReadError, range_of
from streamaug.store.access import access_remedy
from streamaug.store.folder import Folder

GAP = 4 << 10
"""Gap in bytes below which two ranges are merged into one read: a tar's headers and JSON members
take some 2 kB."""

LONGEST_READ = 8 << 20
"""Bytes after which a merged read ends, so that several connections share a shard."""

CONNECTIONS = 32
"""Largest number of simultaneous reads."""

TRY_SHARE = 0.3
"""Part of the deadline that one try may take."""


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """Bytes of a file.

    Args:
        path: The file, relative to a folder.
        start: First byte.
        stop: Byte after the last one.
    """

    path: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, kw_only=True)
class PendingRead:
    """The bytes of a range, possibly still being read.

    Args:
        take: Returns the bytes, after waiting for them if necessary; raises CorruptError,
            FetchError.
        future: The read that brings them. None: a cache has them.
        cancelled: When set, it ends the tries of all reads that were requested together.
        is_cached: Whether they come from a cache.
    """

    take: Callable[[], bytes]
    future: Future[bytes] | None = None
    cancelled: threading.Event | None = None
    is_cached: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether `take` returns without waiting for a server."""
        return self.future is None or self.future.done()

    def cancel(self) -> None:
        """Do not begin to read, and do not try again: the bytes are not needed any more."""
        if self.future is not None:
            self.future.cancel()
        if self.cancelled is not None:
            self.cancelled.set()


def merge_reads(ranges: Sequence[ByteRange], *, gap: int = GAP, longest: int = LONGEST_READ) -> list[tuple[ByteRange, list[int]]]:
    """Reads that together cover all ranges.

    Args:
        ranges: The ranges, the most urgent one first.
        gap: Gap in bytes below which two ranges are merged into one read.
        longest: Bytes that a merged read may have.

    Returns:
        The reads, each with the numbers of the ranges that it covers, ordered by the most urgent
        range of each.

    >>> a, b, c = (ByteRange(path="s.tar", start=start, stop=start + 100) for start in (900, 0, 110))
    >>> [(read.start, read.stop, covered) for read, covered in merge_reads([a, b, c], gap=10)]
    [(900, 1000, [0]), (0, 210, [1, 2])]
    """
    reads: list[tuple[ByteRange, list[int]]] = []
    for number in sorted(range(len(ranges)), key=lambda n: (ranges[n].path, ranges[n].start, ranges[n].stop)):
        byte_range = ranges[number]
        if reads:
            last, covered = reads[-1]
            stop = max(last.stop, byte_range.stop)
            is_near = byte_range.path == last.path and byte_range.start <= last.stop + gap
            if is_near and stop - last.start <= max(longest, len(last)):
                reads[-1] = (ByteRange(path=last.path, start=last.start, stop=stop), [*covered, number])
                continue
        reads.append((byte_range, [number]))
    return sorted(reads, key=lambda read: min(read[1]))


class Fetcher:
    """Reads byte ranges of a remote folder's files.

    Args:
        folder: The folder.
        deadline: Seconds that a remote read may take, including all its tries.
        connections: Largest number of simultaneous remote reads.
    """

    def __init__(self, folder: Folder, *, deadline: float = 60.0, connections: int = CONNECTIONS) -> None:
        self._folder, self._fs = folder, _reader(folder)
        self._try_s = deadline * TRY_SHARE
        self._policy = RetryPolicy(deadline_s=deadline - self._try_s, first_wait_s=0.1, longest_wait_s=deadline / 10)
        self._remedy = f"check the connection, or give it more time than {deadline:g} s"
        self._pool = ThreadPoolExecutor(connections, thread_name_prefix="streamaug-fetch")  # which starts no thread before it has work

    def fetch(self, ranges: Sequence[ByteRange], on_read: Callable[[int, float], None]) -> list[PendingRead]:
        """Begin to read byte ranges, immediately and in this order.

        Args:
            ranges: The ranges, the most urgent one first.
            on_read: Called after each read with its bytes and seconds, in the thread that read.

        Returns:
            One pending read per range, in the same order.
        """
        pending: dict[int, PendingRead] = {}
        cancelled = threading.Event()
        for read, covered in merge_reads(ranges):
            future = self._pool.submit(self._timed, read, on_read, cancelled)
            for number in covered:
                start = ranges[number].start - read.start
                take = partial(_part, future, start, start + len(ranges[number]))
                pending[number] = PendingRead(take=take, future=future, cancelled=cancelled)
        return [pending[number] for number in range(len(ranges))]

    def close(self) -> None:
        """End the threads; reads that have not begun are cancelled."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _timed(self, byte_range: ByteRange, on_read: Callable[[int, float], None], cancelled: threading.Event | None = None) -> bytes:
        begun = time.perf_counter()
        data = self.read(byte_range, cancelled)
        on_read(len(data), time.perf_counter() - begun)
        return data

    def read(self, byte_range: ByteRange, cancelled: threading.Event | None = None) -> bytes:
        """The bytes of a range.

        Args:
            byte_range: The range.
            cancelled: When set, it ends further tries.

        Raises:
            CorruptError: The file does not exist, or ends before the range does.
            FetchError: The bytes could not be read before the deadline.
        """
        try:
            return self._read(byte_range, cancelled)
        except FileNotFoundError:
            raise CorruptError(missing_shard(self._where(byte_range))) from None

    def _read(self, byte_range: ByteRange, cancelled: threading.Event | None) -> bytes:
        def attempt() -> bytes:
            try:
                data: bytes = self._call("cat_file", byte_range.path, start=byte_range.start, end=byte_range.stop)
                return range_of(data, byte_range.start, byte_range.stop)
            except Exception as error:
                if isinstance(error, ShortReadError) or _is_out_of_range(error):
                    # Either the file is cut off, which no further try changes, or the answer was.
                    self._check_end(byte_range, int(self._call("info", byte_range.path)["size"]))
                raise

        what = f"{self._where(byte_range)}: reading bytes {byte_range.start} to {byte_range.stop}"
        return self._policy.run(what, attempt, remedy=self._advice, cancelled=cancelled)

    def _advice(self, error: BaseException) -> str:
        return access_remedy(self._folder.url, error) or self._remedy

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        """Call a method of the file system; it is interrupted after a part of the deadline if the
        file system allows that."""
        fs, path = self._fs, self._folder.path(path)
        if fs.async_impl:
            return sync(fs.loop, getattr(fs, f"_{method}"), path, timeout=self._try_s, **arguments)
        return getattr(fs, method)(path, **arguments)

    def _check_end(self, byte_range: ByteRange, size: int) -> None:
        if byte_range.stop > size:
            raise CorruptError(short_shard(self._where(byte_range), size, byte_range.start, byte_range.stop))

    def _where(self, byte_range: ByteRange) -> str:
        return f"{self._folder.url}/{byte_range.path}"


def _is_out_of_range(error: Exception) -> bool:
    """Whether a server reports that a file has no such bytes: as an HTTP status, or as s3fs
    translates it."""
    return getattr(error, "status", None) == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or getattr(error, "errno", None) == errno.EINVAL


def _part(future: Future[bytes], start: int, stop: int) -> bytes:
    return future.result()[start:stop]


def _reader(folder: Folder) -> fsspec.AbstractFileSystem:
    """The file system to read with: obstore's for S3 if it is installed, else the folder's own."""
    if not folder.is_s3 or find_spec("obstore") is None:
        return folder.fs
    from streamaug.reading.s3 import reader

    return reader(folder.fs, folder.url)
