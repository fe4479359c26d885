"""A folder of immutable files, each holding many entries found by key: what both caches are made of.

    <folder>/<kind>-<unique>.segment     entries one after another, their keys, their ends, a trailer that checks all but the entries
    <folder>/<kind>-<unique>.part        the same while it is written, as long as it may become, locked by its writer
    <folder>/lock                        held while room is made

A segment appears whole, by renaming, and is never changed, so any number of processes may share the folder: each writes
segments of its own and reads all. Room is made by removing whole segments, and only files with these names are ever removed.
A file that another process has mapped stays readable for it after that.
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

KEY = 24
"""Bytes of a key."""

SEGMENT = 32 << 20
"""Bytes that a segment may take; with a smaller bound on its folder, an eighth of that."""

_NAME = re.compile(r"(?P<kind>[0-9a-f]{16})-[0-9a-f]{32}\.(?P<state>segment|part)")
_TRAILER = np.dtype([("entries", "<u8"), ("data", "<u8"), ("sha256", "u1", 32), ("magic", "S16")])
_MAGIC = b"streamaug cache"
_log = logging.getLogger(__name__)


class CacheError(StreamaugError):
    """A cache's folder cannot be used, or its bound is too small to work with."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A finished segment, mapped. keys: uint8 (entries, KEY). ends: uint64 (entries,), where each entry stops and the next one starts."""

    path: Path
    data: mmap.mmap
    keys: np.ndarray
    ends: np.ndarray

    @classmethod
    def open(cls, path: Path) -> "Segment | None":
        """Map a segment; None where it has gone meanwhile or is not whole."""
        try:
            with path.open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # PyTorch wants memory that could be written
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
            self._file.truncate(capacity)  # its length reserves its room; what is not written takes none on the disk
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

    bound: bytes that all the folder's segments may take together, other kinds included. kind: 16 hexadecimal digits; entries
    of different kinds do not see each other. largest: bytes of the largest entry that will be added.
    Raises CacheError where the bound holds no segment, and says the smallest that works.
    """

    def __init__(self, folder: Path, *, bound: int, kind: str, largest: int) -> None:
        self._folder, self._bound, self._kind = folder, bound, kind
        needed = largest + KEY + 8 + _TRAILER.itemsize
        if bound < needed:
            raise CacheError(f"cache {folder}: {bound} bytes hold nothing; the smallest bound that works is {needed} bytes")
        self._capacity = max(needed, min(SEGMENT, bound // 8))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with self._locked():
                self._sweep()
        except OSError as error:
            raise CacheError(f"cache {folder} cannot be used: {error}; name a folder on a local disk that you may write to") from error
        self._part: _Part | None = None
        self._full = False
        self._known: set[Path] = set()

    def fresh(self) -> list[Segment]:
        """Segments of this kind that have appeared since the last call."""
        found = []
        for path in sorted(set(self._folder.glob(f"{self._kind}-*.segment")) - self._known):
            self._known.add(path)
            if (segment := Segment.open(path)) is not None:
                found.append(segment)
        return found

    def add(self, key: bytes, data: memoryview, *, spared: Callable[[], set[Path]]) -> bool:
        """Write an entry into this process's open segment; it is found once that is sealed. Not thread-safe.

        spared: tells the segments that are not to be removed to make room. False where no room can be made: the cache is full, or its disk.
        """
        if self._full:
            return False
        try:
            if self._part is not None and not self._part.fits(len(data)):
                self.seal()
            if self._part is None:
                self._part = self._begin(spared)
                if self._part is None or not self._part.fits(len(data)):
                    self._full = self._part is None
                    return False
            self._part.add(key, data)
        except OSError as error:
            self._give_up(error)
            return False
        return True

    def seal(self) -> None:
        """Publish what was added so far."""
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
        """Try again to add, after what was in the way may have gone."""
        self._full = False

    def _give_up(self, error: OSError) -> None:
        _log.warning("cache %s takes nothing more: %s; what it has stays in use", self._folder, error)
        self._full = True
        if self._part is not None:
            self._part.discard()
            self._part = None

    def _begin(self, spared: Callable[[], set[Path]]) -> _Part | None:
        with self._locked():
            self._sweep()
            files = {path: path.stat() for path, _ in self._files()}
            total = sum(status.st_size for status in files.values())
            kept = spared() if total + self._capacity > self._bound else set()
            for path, status in sorted(files.items(), key=lambda item: item[1].st_mtime):
                if total + self._capacity <= self._bound:
                    break
                if path.suffix == ".segment" and path not in kept:
                    path.unlink()
                    total -= status.st_size
            if total + self._capacity > self._bound:
                return None
            return _Part(self._folder / f"{self._kind}-{uuid.uuid4().hex}.part", self._capacity)

    def _sweep(self) -> None:
        """Remove what writers that were killed have left: nobody holds their lock."""
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
