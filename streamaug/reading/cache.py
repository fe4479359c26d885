"""Keep features, and bitstreams of a remote store, on a local disk between epochs and runs."""

import hashlib
import threading
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from streamaug.digests import DIGEST
from streamaug.files import absolute_path
from streamaug.reading.segments import KEY, Segment, Segments
from streamaug.store.locations import BitstreamLocations

DEFAULT_BOUND = 100_000_000_000
_ABSENT = -1
_WRITTEN = -2  # by this process, into a segment that is not sealed yet


class CacheView(Protocol):
    """One kind of entries in a cache, found by the bitstream that they hold or were made from.

    A clip in a condition has a slot, the number of its entry.
    """

    @property
    def count(self) -> int:
        """Bitstreams of the stream that have an entry."""

    def slots(self, condition: np.ndarray, clip: np.ndarray) -> np.ndarray:
        """Slots of clips in conditions, negative where nothing is cached. One call per batch."""

    def read(self, slot: int) -> memoryview:
        """The bytes of an entry."""

    def write(self, condition: int, clip: int, data: memoryview) -> bool:
        """Add an entry, unless there is one; it is found after `seal` and `refresh`.

        False if the cache is full.
        """

    def invalidate(self, condition: int, clip: int) -> None:
        """Stop looking at an entry that turned out to be damaged."""

    def refresh(self) -> None:
        """Find the entries that this or other processes have published since."""

    def seal(self) -> None:
        """Publish what was written."""

    def close(self) -> None:
        """Publish what was written and let go of all files."""


class CacheBackend(Protocol):
    """Where entries are kept; `Cache`, a folder on a local disk, is built in."""

    def open(self, kind: str, locations: Sequence[BitstreamLocations], largest: int, *, samples: np.ndarray | None = None) -> CacheView:
        """The entries of one kind.

        Args:
            kind: Text that names what the entries hold and all that they depend on besides the
                bitstream.
            locations: The conditions whose bitstreams are looked up, in the order of their numbers.
            largest: Bytes of the largest entry.
            samples: Samples of each clip, if the entries depend on them: two clips whose silent
                ends differ may have the same bitstream.
        """


@dataclass(frozen=True, kw_only=True)
class Cache:
    """A folder on a local disk and the bytes that it may take. All kinds of entries, and other
    runs', may share a folder.

    Args:
        folder: Made if it does not exist; `~` is the home folder. A relative path is made absolute.
        bound: Bytes that it may take. Default: 100 GB.
    """

    folder: Path
    bound: int = DEFAULT_BOUND

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", absolute_path(self.folder))

    def open(self, kind: str, locations: Sequence[BitstreamLocations], largest: int, *, samples: np.ndarray | None = None) -> "FolderView":
        return FolderView(self, locations, kind=kind, largest=largest, samples=samples)


class FolderView:
    """The entries of one kind in a folder.

    Knows the slot of each bitstream in four bytes; lists the folder only at `refresh`.
    """

    def __init__(
        self, cache: Cache, locations: Sequence[BitstreamLocations], *, kind: str, largest: int, samples: np.ndarray | None = None
    ) -> None:
        digest = hashlib.sha256(kind.encode()).hexdigest()[:16]
        self._segments = Segments(cache.folder, bound=cache.bound, kind=digest, largest=largest)
        self._locations = locations
        self._samples = np.broadcast_to(np.int64(0), locations[0].size.shape) if samples is None else samples
        self._opened: list[Segment] = []
        self._first: list[int] = []  # the slot of each opened segment's first entry
        self._entries = 0
        self._slots = np.full((len(locations), len(locations[0].size)), _ABSENT, np.int32)
        self._lock = threading.Lock()
        self.refresh()

    def refresh(self) -> None:
        with self._lock:
            self._segments.reconsider()
            self._slots[self._slots == _WRITTEN] = _ABSENT
            fresh = self._segments.fresh()
            if not fresh:
                return
            keys = np.concatenate([segment.keys for segment in fresh])
            for segment in fresh:
                self._first.append(self._entries)
                self._opened.append(segment)
                self._entries += len(segment.keys)
            base = self._entries - len(keys)
            order = np.argsort(_prefix(keys), kind="stable")
            prefixes, keys = _prefix(keys)[order], keys[order]
            for number, location in enumerate(self._locations):
                matches = np.minimum(np.searchsorted(prefixes, _prefix(location.sha256)), len(prefixes) - 1)
                same = (keys[matches] == self._keys(location)).all(1) & (location.size > 0)
                self._slots[number, same] = base + order[matches[same]]

    @property
    def count(self) -> int:
        return int((self._slots >= 0).sum())

    def slots(self, condition: np.ndarray, clip: np.ndarray) -> np.ndarray:
        slots: np.ndarray = self._slots[condition, clip]
        return slots

    def read(self, slot: int) -> memoryview:
        number = bisect_right(self._first, slot) - 1
        return self._opened[number].entry(slot - self._first[number])

    def write(self, condition: int, clip: int, data: memoryview) -> bool:
        with self._lock:
            if self._slots[condition, clip] == _ABSENT:
                key = self._keys(self._locations[condition], clip).tobytes()
                if not self._segments.add(key, data, protected=self._in_use):
                    return False
                self._slots[condition, clip] = _WRITTEN
            return True

    def invalidate(self, condition: int, clip: int) -> None:
        self._slots[condition, clip] = _ABSENT

    def seal(self) -> None:
        with self._lock:
            self._segments.seal()

    def close(self) -> None:
        self.seal()
        self._opened, self._first, self._entries = [], [], 0
        self._slots[:] = _ABSENT

    def _in_use(self) -> set[Path]:
        used = np.unique(np.searchsorted(self._first, self._slots[self._slots >= 0], "right") - 1)
        return {self._opened[number].path for number in used.tolist()}

    def _keys(self, locations: BitstreamLocations, clips: int | slice = slice(None)) -> np.ndarray:
        """Keys uint8 (..., KEY): the bitstream's hash, then the delay to cut and the samples."""
        numbers = np.stack([np.asarray(each[clips], "<i8") for each in (locations.delay, self._samples)], -1)
        return np.concatenate([locations.sha256[clips], numbers.view(np.uint8)], -1)


def _prefix(keys: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(keys[:, :8]).view("<u8")[:, 0]


assert KEY == DIGEST + 16
