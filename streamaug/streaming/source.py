"""BitstreamLocations on demand: from the cache or the store, checked before anyone sees them."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from streamaug.errors import CorruptError, FetchError
from streamaug.reading.cache import CacheView
from streamaug.reading.fetch import ByteRange, Fetcher, PendingRead
from streamaug.reading.locations import DIGEST, BitstreamLocations
from streamaug.store.folder import Folder
from streamaug.streaming.metrics import Stats


@dataclass(frozen=True, kw_only=True)
class PendingBitstream:
    """A bitstream on its way: call it to wait for it.

    payload: where it comes from. check: what gives its bytes, once they are found to be right.
    """

    payload: PendingRead
    check: Callable[[PendingRead], bytes]

    def __call__(self) -> bytes:
        """The bitstream's bytes. Raises CorruptError, FetchError, naming store, shard and clip."""
        return self.check(self.payload)

    def cancel(self) -> None:
        """It is not wanted any more."""
        self.payload.cancel()


class Source:
    """The bitstreams of a store's conditions.

    shelf: the cache of bitstreams, for a store that is not on a local disk.
    """

    def __init__(
        self,
        folder: Folder,
        bitstreams: Sequence[BitstreamLocations],
        clip_ids: pa.Array,
        *,
        deadline: float,
        shelf: CacheView | None,
        stats: Stats,
    ):
        self._url = folder.url
        self._fetcher = Fetcher(folder, deadline=deadline)
        self._bitstreams, self._clip_ids, self._shelf, self._stats = bitstreams, clip_ids, shelf, stats

    def request(self, wanted: Sequence[tuple[int, int]]) -> list[PendingBitstream]:
        """Begin to read the bitstreams of (condition, clip) pairs; remote neighbours are read together."""
        entries: list[PendingRead | None] = [self._kept(*pair) for pair in wanted]
        missing = [number for number, entry in enumerate(entries) if entry is None]
        fetched = self._fetcher.fetch([self.extent(*wanted[number]) for number in missing], self._stats.read)
        for number, payload in zip(missing, fetched, strict=True):
            entries[number] = payload
        return [
            PendingBitstream(payload=payload, check=partial(self._take, condition, clip))
            for (condition, clip), payload in zip(wanted, entries, strict=True)
            if payload
        ]

    def extent(self, condition: int, clip: int) -> ByteRange:
        of = self._bitstreams[condition]
        start = int(of.offset[clip])
        return ByteRange(path=of.path(clip), start=start, stop=start + int(of.size[clip]))

    def where(self, condition: int, clip: int) -> str:
        """Names store, shard and clip."""
        return f"{self._url}/{self._bitstreams[condition].path(clip)}: clip '{self._clip_ids[clip]}'"

    def _kept(self, condition: int, clip: int) -> PendingRead | None:
        place = -1 if self._shelf is None else int(self._shelf.places(np.array(condition), np.array(clip)))
        return None if place < 0 or self._shelf is None else PendingRead(take=partial(bytes, self._shelf.entry(place)), is_cached=True)

    def _take(self, condition: int, clip: int, payload: PendingRead) -> bytes:
        begun, was_there = time.perf_counter(), payload.is_ready
        try:
            data = payload.take()
            if payload.is_cached and self._shelf is not None and not self._is_right(condition, clip, data):
                self._shelf.forget(condition, clip)  # the cache's disk, not the store's
                data = self._fetcher.read(self.extent(condition, clip))
        except (CorruptError, FetchError) as error:
            raise type(error)(f"{self.where(condition, clip)} cannot be read: {error}") from error
        self._stats.wanted(was_there, time.perf_counter() - begun)
        if not self._is_right(condition, clip, data):
            raise CorruptError(
                f"{self.where(condition, clip)} has other bytes than its index says (sha256); "
                "run 'streamaug verify', then copy or build the condition again"
            )
        if self._shelf is not None:
            self._shelf.add(condition, clip, memoryview(data))
        return data

    def _is_right(self, condition: int, clip: int, data: bytes) -> bool:
        of = self._bitstreams[condition]
        return len(data) == int(of.size[clip]) and bool(hashlib.sha256(data).digest()[:DIGEST] == of.sha256[clip].tobytes())
