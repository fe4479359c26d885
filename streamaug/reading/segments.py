"""A folder of immutable files, each with many entries that are found by key; both caches are made
of these.

    <folder>/<kind>-<unique>.segment     all entries, then their keys, their ends, and a trailer that checks keys and ends
    <folder>/<kind>-<unique>.part        the same while its writer holds a lock on it, at its largest possible size
    <folder>/lock                        locked while segments are removed to make room

A segment appears whole, by renaming, and never changes, so any number of processes may share the
folder: each writes its own segments and reads all. Room is made by removing whole segments; files
with other names are never removed. A process that has mapped a removed file can still read it.
"""

import fcntl
import hashlib
import logging
import mmap
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamaug.errors import StreamaugError

KEY = 32
"""Bytes of a key."""

SEGMENT = 32 << 20
"""Largest size of a segment in bytes, or an eighth of the folder's bound if that is smaller."""

_NAME = re.compile(r"(?P<kind>[0-9a-f]{16})-[0-9a-f]{32}\.(?P<state>segment|part)")
_TRAILER = np.dtype([("entries", "<u8"), ("data", "<u8"), ("sha256", "u1", 32), ("magic", "S16")])
_MAGIC = b"streamaug cache"
_log = logging.getLogger(__name__)


class CacheError(StreamaugError):
    """A cache's folder cannot be used, or its bound is too small to work with."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A finished segment, mapped into memory.

    Args:
        path: Its file.
        data: The mapped file.
        keys: uint8 of shape (entries, KEY).
        ends: uint64 of shape (entries,): where each entry stops and the next one starts.
    """

    path: Path
    data: mmap.mmap
    keys: np.ndarray
    ends: np.ndarray

    @classmethod
    def open(cls, path: Path) -> "Segment | None":
        """Map a segment; None if it was removed meanwhile or is not whole."""
        try:
            with path.open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # PyTorch requires writable memory
        except (OSError, ValueError):
            return None
        if len(data) < _TRAILER.itemsize:
            return None
        trailer = np.frombuffer(data, _TRAILER, 1, len(data) - _TRAILER.itemsize)[0]
        entries, size = int(trailer["entries"]), int(trailer["data"])
        table = entries * (KEY + 8)
        if trailer["magic"] != _MAGIC or size + table + _TRAILER.itemsize != len(data):
            return None
        if hashlib.sha256(data[size : size + table]).digest() != trailer["sha256"].tobytes():
            return None
        keys = np.frombuffer(data, np.uint8, entries * KEY, size).reshape(entries, KEY)
        return cls(path=path, data=data, keys=keys, ends=np.frombuffer(data, "<u8", entries, size + entries * KEY))

    def entry(self, number: int) -> memoryview:
        """The bytes of an entry."""
        start = int(self.ends[number - 1]) if number else 0
        return memoryview(self.data)[start : int(self.ends[number])]


class _Part:
    """A segment that this process writes."""

    def __init__(self, path: Path, capacity: int) -> None:
        self.path, self.capacity = path, capacity
        self.keys: list[bytes] = []
        self.ends: list[int] = []
        self._file = path.open("xb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            self._file.truncate(capacity)  # reserves its size; what is not written takes no room on the disk
        except OSError:
            self.discard()
            raise

    def fits(self, size: int) -> bool:
        return self._size + size + (len(self.keys) + 1) * (KEY + 8) + _TRAILER.itemsize <= self.capacity

    @property
    def _size(self) -> int:
        return self.ends[-1] if self.ends else 0

    def add(self, key: bytes, data: memoryview) -> None:
        _write(self._file.fileno(), data)
        self.keys.append(key)
        self.ends.append(self._size + len(data))

    def publish(self) -> None:
        table = b"".join(self.keys) + np.array(self.ends, "<u8").tobytes()
        trailer = np.array([(len(self.keys), self._size, np.frombuffer(hashlib.sha256(table).digest(), np.uint8), _MAGIC)], _TRAILER)
        _write(self._file.fileno(), memoryview(table + trailer.tobytes()))
        self._file.truncate(self._size + len(table) + _TRAILER.itemsize)
        os.fsync(self._file.fileno())
        self.path.rename(self.path.with_suffix(".segment"))
        self._file.close()

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._file.close()


class Segments:
    """The segments of one kind in a folder, read and written by this process.

    Args:
        folder: Folder on a local disk; it is created if it does not exist.
        bound: Bytes that all segments in the folder may take together, including those of other
            kinds.
        kind: 16 hexadecimal digits; entries of different kinds do not see each other.
        largest: Bytes of the largest entry that will be added.

    Raises:
        CacheError: The folder cannot be used, or the bound is too small for one segment; the
            message has the smallest bound.
    """

    def __init__(self, folder: Path, *, bound: int, kind: str, largest: int) -> None:
        self._folder, self._bound, self._kind = folder, bound, kind
        needed = largest + KEY + 8 + _TRAILER.itemsize
        if bound < needed:
            raise CacheError(f"cache {folder}: a bound of {bound} bytes is too small for one entry; allow at least {needed} bytes")
        self._capacity = max(needed, min(SEGMENT, bound // 8))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._locked():
                self._sweep()
        except OSError as error:
            raise CacheError(f"cache {folder} cannot be used: {error}; choose a folder on a local disk that you may write to") from error
        self._part: _Part | None = None
        self._full = False
        self._known: set[Path] = set()

    def fresh(self) -> list[Segment]:
        """Segments of this kind that have appeared since the last call."""
        fresh = []
        for path in sorted(set(self._folder.glob(f"{self._kind}-*.segment")) - self._known):
            self._known.add(path)
            if (segment := Segment.open(path)) is not None:
                fresh.append(segment)
        return fresh

    def add(self, key: bytes, data: memoryview, *, protected: Callable[[], set[Path]]) -> bool:
        """Write an entry into this process's open segment, where readers find it after `seal`. Not
        thread-safe.

        Args:
            key: KEY bytes.
            data: The entry.
            protected: Returns the segments that must not be removed to make room.

        Returns:
            False if there is no room: the cache, or its disk, is full.
        """
        if self._full:
            return False
        try:
            if self._part is not None and not self._part.fits(len(data)):
                self.seal()
            if self._part is None:
                self._part = self._begin(protected)
                if self._part is None or not self._part.fits(len(data)):
                    self._full = self._part is None
                    return False
            self._part.add(key, data)
        except OSError as error:
            self._give_up(error)
            return False
        return True

    def seal(self) -> None:
        """Publish the entries added so far."""
        part, self._part = self._part, None
        if part is None:
            return
        if not part.keys:
            part.discard()
            return
        try:
            part.publish()
        except OSError as error:
            self._part = part
            self._give_up(error)

    def reconsider(self) -> None:
        """Allow adding again, since there may be room now."""
        self._full = False

    def _give_up(self, error: OSError) -> None:
        _log.warning("cache %s is full: %s; its present entries stay in use", self._folder, error)
        self._full = True
        if self._part is not None:
            self._part.discard()
            self._part = None

    def _begin(self, protected: Callable[[], set[Path]]) -> _Part | None:
        with self._locked():
            self._sweep()
            files = {path: path.stat() for path, _ in self._files()}
            total = sum(status.st_size for status in files.values())
            in_use = protected() if total + self._capacity > self._bound else set()
            for path, status in sorted(files.items(), key=lambda item: item[1].st_mtime):
                if total + self._capacity <= self._bound:
                    break
                if path.suffix == ".segment" and path not in in_use:
                    path.unlink()
                    total -= status.st_size
            if total + self._capacity > self._bound:
                return None
            return _Part(self._folder / f"{self._kind}-{uuid.uuid4().hex}.part", self._capacity)

    def _sweep(self) -> None:
        """Remove the files of writers that were killed, whose locks are free."""
        for path, state in self._files():
            if state != "part":
                continue
            with path.open("rb") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                path.unlink(missing_ok=True)

    def _files(self) -> Iterator[tuple[Path, str]]:
        for path in self._folder.iterdir():
            if match := _NAME.fullmatch(path.name):
                yield path, match["state"]

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._folder / "lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _write(descriptor: int, data: memoryview) -> None:
    view = data.cast("B")
    while view:
        view = view[os.write(descriptor, view) :]
