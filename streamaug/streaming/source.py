"""Bitstreams on demand: from the cache or the store, checked before anyone sees them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import pyarrow as pa

from streamaug.digests import is_right
from streamaug.errors import CorruptError, FetchError
from streamaug.reading.cache import CacheView
from streamaug.reading.fetch import ByteRange, Fetcher, PendingRead
from streamaug.reading.local import OTHER_BYTES, LocalBitstream
from streamaug.store.folder import Folder
from streamaug.store.locations import BitstreamLocations
from streamaug.streaming.metrics import Counters


class Pending(Protocol):
    """A bitstream under way."""

    def __call__(self) -> bytes | LocalBitstream:
        """Wait for it: its bytes, or where they are on this machine's disk.

        Raises CorruptError, FetchError, naming store, shard and clip.
        """

    def cancel(self) -> None:
        """It is no longer needed."""


class Bitstreams(Protocol):
    """Where a pipeline gets its bitstreams from."""

    def request(self, pairs: Sequence[tuple[int, int]]) -> list[Pending]:
        """Begin to read the bitstreams of (condition, clip) pairs."""

    def where(self, condition: int, clip: int) -> str:
        """Names store, shard and clip, for errors."""

    def close(self) -> None:
        """End connections."""


@dataclass(frozen=True, kw_only=True)
class _OnDisk:
    bitstream: LocalBitstream

    def __call__(self) -> LocalBitstream:
        return self.bitstream

    def cancel(self) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class _Remote:
    """Args:
    read: Brings the bytes.
    check: Gives the bytes of a read once they are right.
    """

    read: PendingRead
    check: Callable[[PendingRead], bytes]

    def __call__(self) -> bytes:
        return self.check(self.read)

    def cancel(self) -> None:
        self.read.cancel()


class Source:
    """The bitstreams of a store's conditions.

    Args:
        folder: The store.
        fetcher: Reads byte ranges of a remote store.
        locations: One per condition.
        clip_ids: In the order of the clips table, for errors.
        cache: Of bitstreams; None for a store on a local disk.
        counters: Where reads and waits are counted.
    """

    def __init__(
        self,
        *,
        folder: Folder,
        fetcher: Fetcher,
        locations: Sequence[BitstreamLocations],
        clip_ids: pa.Array,
        cache: CacheView | None,
        counters: Counters,
    ) -> None:
        self._folder, self._fetcher, self._locations = folder, fetcher, locations
        self._clip_ids, self._cache, self._counters = clip_ids, cache, counters
        self._root = folder.root if folder.is_local else None

    def request(self, pairs: Sequence[tuple[int, int]]) -> list[Pending]:
        """Begin to read the bitstreams of (condition, clip) pairs; remote neighbours are read
        together."""
        if self._root is not None:
            return [_OnDisk(bitstream=self._local(self._root, *pair)) for pair in pairs]
        reads: list[PendingRead | None] = [self._cached(*pair) for pair in pairs]
        missing = [number for number, read in enumerate(reads) if read is None]
        fetched = self._fetcher.fetch([self.byte_range(*pairs[number]) for number in missing], self._counters.read)
        for number, read in zip(missing, fetched, strict=True):
            reads[number] = read
        return [
            _Remote(read=read, check=partial(self._checked, condition, clip))
            for (condition, clip), read in zip(pairs, reads, strict=True)
            if read
        ]

    def _local(self, root: str, condition: int, clip: int) -> LocalBitstream:
        location = self._locations[condition]
        start = int(location.offset[clip])
        return LocalBitstream(
            path=f"{root}/{location.path(clip)}",
            start=start,
            stop=start + int(location.size[clip]),
            sha256=location.sha256[clip].tobytes(),
        )

    def byte_range(self, condition: int, clip: int) -> ByteRange:
        location = self._locations[condition]
        start = int(location.offset[clip])
        return ByteRange(path=location.path(clip), start=start, stop=start + int(location.size[clip]))

    def where(self, condition: int, clip: int) -> str:
        """Names store, shard and clip, for errors."""
        return f"{self._folder.url}/{self._locations[condition].path(clip)}: clip '{self._clip_ids[clip]}'"

    def close(self) -> None:
        """End connections."""
        self._fetcher.close()

    def _cached(self, condition: int, clip: int) -> PendingRead | None:
        slot = -1 if self._cache is None else int(self._cache.slots(np.array(condition), np.array(clip)))
        return None if slot < 0 or self._cache is None else PendingRead(take=partial(bytes, self._cache.read(slot)), is_cached=True)

    def _checked(self, condition: int, clip: int, read: PendingRead) -> bytes:
        begun, is_hit = time.perf_counter(), read.is_ready
        try:
            data = read.take()
            if read.is_cached and self._cache is not None and not self._is_right(condition, clip, data):
                self._cache.invalidate(condition, clip)  # the cache's disk is at fault, not the store's
                data = self._fetcher.read(self.byte_range(condition, clip))
        except (CorruptError, FetchError) as error:
            raise type(error)(f"{self.where(condition, clip)}: cannot be read: {error}") from error
        self._counters.payload(time.perf_counter() - begun, is_hit=is_hit)
        if not self._is_right(condition, clip, data):
            raise CorruptError(f"{self.where(condition, clip)}: {OTHER_BYTES}")
        if self._cache is not None:
            self._cache.write(condition, clip, memoryview(data))
        return data

    def _is_right(self, condition: int, clip: int, data: bytes) -> bool:
        location = self._locations[condition]
        return len(data) == int(location.size[clip]) and is_right(data, location.sha256[clip].tobytes())
