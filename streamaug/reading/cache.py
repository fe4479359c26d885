"""What is kept on a local disk between epochs and runs: bitstreams of a remote store, and features."""

import hashlib
import threading
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamaug.reading.locations import DIGEST, BitstreamLocations
from streamaug.reading.segments import KEY, Segment, Segments

NOWHERE = -1
_WRITTEN = -2  # by this process, into a segment that is not sealed yet


@dataclass(frozen=True, kw_only=True)
class Cache:
    """A folder on a local disk and the bytes that it may take. Caches of both kinds, and other runs', may share a folder."""

    folder: Path
    bound: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder).absolute())


class CacheView:
    """One kind of entries in a cache, found by the bitstream that they hold or were made from.

    Knows for each bitstream of a stream where its entry is, in four bytes; asks the folder only at `refresh`.
    """

    def __init__(self, cache: Cache, bitstreams: Sequence[BitstreamLocations], *, what: str, largest: int) -> None:
        kind = hashlib.sha256(what.encode()).hexdigest()[:16]
        self._segments = Segments(cache.folder, bound=cache.bound, kind=kind, largest=largest)
        self._bitstreams = bitstreams
        self._opened: list[Segment] = []
        self._first: list[int] = []  # number of each opened segment's first entry, over all of them
        self._entries = 0
        self._place = np.full((len(bitstreams), len(bitstreams[0].size)), NOWHERE, np.int32)
        self._lock = threading.Lock()
        self.refresh()

    def refresh(self) -> None:
        """Take in the segments that this or other processes have published meanwhile."""
        with self._lock:
            self._segments.reconsider()
            self._place[self._place == _WRITTEN] = NOWHERE
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
            for number, bitstreams in enumerate(self._bitstreams):
                found = np.minimum(np.searchsorted(prefixes, _prefix(bitstreams.sha256)), len(prefixes) - 1)
                same = (keys[found] == _keys(bitstreams)).all(1) & (bitstreams.size > 0)
                self._place[number, same] = base + order[found[same]]

    @property
    def count(self) -> int:
        """BitstreamLocations of the stream that have an entry."""
        return int((self._place >= 0).sum())

    def places(self, condition: np.ndarray, clip: np.ndarray) -> np.ndarray:
        """Numbers of the entries, negative where there is none."""
        found: np.ndarray = self._place[condition, clip]
        return found

    def entry(self, place: int) -> memoryview:
        number = bisect_right(self._first, place) - 1
        return self._opened[number].entry(place - self._first[number])

    def add(self, condition: int, clip: int, data: memoryview) -> None:
        """Write an entry, unless it is there; it is found after `seal` and `refresh`."""
        with self._lock:
            if self._place[condition, clip] == NOWHERE:
                key = _keys(self._bitstreams[condition], clip).tobytes()
                if self._segments.add(key, data, protected=self._in_use):
                    self._place[condition, clip] = _WRITTEN

    def forget(self, condition: int, clip: int) -> None:
        """Look no longer at an entry that turned out to be damaged."""
        self._place[condition, clip] = NOWHERE

    def seal(self) -> None:
        """Publish what was added."""
        with self._lock:
            self._segments.seal()

    def _in_use(self) -> set[Path]:
        used = np.unique(np.searchsorted(self._first, self._place[self._place >= 0], "right") - 1)
        return {self._opened[number].path for number in used.tolist()}


def _keys(bitstreams: BitstreamLocations, clips: int | slice = slice(None)) -> np.ndarray:
    """Keys uint8 (..., KEY): the bitstream's hash, the delay to cut."""
    sha256, delay = bitstreams.sha256[clips], np.asarray(bitstreams.delay[clips], "<i8")
    return np.concatenate([sha256, delay[..., None].view(np.uint8)], -1)


def _prefix(keys: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(keys[:, :8]).view("<u8")[:, 0]


assert KEY == DIGEST + 8
