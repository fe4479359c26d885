"""The stages of a stream in one process: fetch ahead, decode in threads, hand over in order.

rows ──▶ groups of batches, read together ──▶ batches, decoded by threads ──▶ batches, in the order of the plan
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from streamaug.errors import CorruptError
from streamaug.reading.cache import CacheView
from streamaug.reading.locations import BitstreamLocations
from streamaug.streaming.buffers import Buffers
from streamaug.streaming.decode import RowMaker
from streamaug.streaming.heap import CLIPS_PER_TRIM, trim_heap
from streamaug.streaming.metrics import Stats
from streamaug.streaming.source import PendingBitstream, Source

GROUP = 64 << 20
"""Bytes of bitstreams that are asked of a remote store at a time, and again while these are decoded; a window counts as one."""

TRIES = 8
"""Substitutes for a broken clip that are tried before the error is raised."""

Substitutes = Callable[[int, Sequence[int], int], Iterable[int]]
"""For a position, its conditions and its broken clip: clips to put in its place, in the order to be tried."""

Takes = dict[tuple[int, int], PendingBitstream]
"""The bitstreams of (condition, clip) pairs, on their way."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows that are served together.

    number: of the global batch, counted from where the iteration began. position: int64 (n,). condition: (n, views). clip: (n,).
    window: of shards in which it lies, None where the plan has none.
    """

    number: int
    position: np.ndarray
    condition: np.ndarray
    clip: np.ndarray
    window: int | None = None


@dataclass(frozen=True, kw_only=True)
class Made:
    """A batch carried out. features: float32 (n, views, ...). served: as batch.clip, other where a clip was replaced."""

    batch: Batch
    features: torch.Tensor
    served: np.ndarray


@dataclass(frozen=True, kw_only=True)
class _Pending:
    """A batch that threads work on. decoding: rows, and what will tell the clip that was served. recalls: rows from the cache."""

    batch: Batch
    features: torch.Tensor
    decoding: Sequence[tuple[int, Future[int]]]
    recalls: Sequence[Future[None]]

    @property
    def futures(self) -> list[Future[Any]]:
        return [*(future for _, future in self.decoding), *self.recalls]


class Pipeline:
    """Carries batches out in the order in which they come, whatever the number of threads.

    shape: of one clip's features. shelves: caches that are read and filled, those of `bitstreams` and of `features`.
    """

    def __init__(
        self,
        source: Source,
        maker: RowMaker,
        bitstreams: Sequence[BitstreamLocations],
        pool: ThreadPoolExecutor,
        *,
        threads: int,
        shape: tuple[int, ...],
        shelves: Mapping[str, CacheView],
        is_local: bool,
        stats: Stats,
    ):
        self._source, self._maker, self._bitstreams, self._pool, self._threads = source, maker, bitstreams, pool, threads
        self._shape, self.shelves, self._recalled, self._is_local, self.stats = shape, shelves, shelves.get("features"), is_local, stats
        self._buffers = Buffers()
        self._decoded = 0

    def run(self, batches: Iterable[Batch], substitutes: Substitutes | None = None) -> Iterator[Made]:
        """Make batches. Raises CorruptError, FetchError when the turn comes to the batch that it happened in."""
        for shelf in self.shelves.values():
            shelf.refresh()
        self.stats.begin()
        pending: deque[_Pending] = deque()
        fetched = self._fetched(iter(batches))
        try:
            while True:
                while len(pending) < 3 or sum(len(each.batch.clip) for each in pending) < 8 * self._threads:
                    if (following := next(fetched, None)) is None:
                        break
                    pending.append(self._begin(*following, substitutes))
                if not pending:
                    return
                yield self._finish(pending)
        finally:
            fetched.close()
            for future in (future for each in pending for future in each.futures):
                future.cancel()
            for shelf in self.shelves.values():
                shelf.seal()

    def _fetched(self, batches: Iterator[Batch]) -> Generator[tuple[Batch, Takes], None, None]:
        """Batches with their bitstreams on the way: of one group of batches, and of the next while this one is decoded."""
        asked: deque[tuple[list[Batch], Takes]] = deque()
        try:
            for group in self._groups(batches):
                asked.append((group, self._request(group)))
                if len(asked) > 1:
                    earlier, takes = asked[0]
                    yield from ((batch, takes) for batch in earlier)
                    asked.popleft()
            for group, takes in asked:
                yield from ((batch, takes) for batch in group)
        finally:
            for take in (take for _, takes in asked for take in takes.values()):
                take.cancel()

    def _groups(self, batches: Iterator[Batch]) -> Iterator[list[Batch]]:
        """Batches whose bitstreams are asked for together: of a remote store so many that neighbours find each other.

        Those of a window belong together whatever they take, for they read its shards to the end.
        """
        group: list[Batch] = []
        size = 0
        for batch in batches:
            if group and (self._is_local or batch.window != group[0].window or (batch.window is None and size >= GROUP)):
                yield group
                group, size = [], 0
            group.append(batch)
            size += self._payload(batch)
        if group:
            yield group

    def _request(self, group: Sequence[Batch]) -> Takes:
        wanted = [
            (int(batch.condition[row, view]), int(batch.clip[row]))
            for batch in group
            for row, view in np.argwhere(self._places(batch) < 0).tolist()
        ]
        wanted = list(dict.fromkeys(wanted))
        return dict(zip(wanted, self._source.request(wanted), strict=True))

    def _begin(self, batch: Batch, takes: Takes, substitutes: Substitutes | None) -> _Pending:
        features = self._buffers.take((*batch.condition.shape, *self._shape))
        places = self._places(batch)
        is_kept = (places >= 0).all(1)
        decoding = [
            (row, self._pool.submit(self._decode, batch, row, takes, features[row], substitutes))
            for row in np.flatnonzero(~is_kept).tolist()
        ]
        recalls = [
            self._pool.submit(self._maker.recall, places[rows].ravel().tolist(), [out for row in rows.tolist() for out in features[row]])
            for rows in np.array_split(np.flatnonzero(is_kept), self._threads)
            if len(rows)
        ]
        return _Pending(batch=batch, features=features, decoding=decoding, recalls=recalls)

    def _decode(self, batch: Batch, row: int, takes: Takes, outs: torch.Tensor, substitutes: Substitutes | None) -> int:
        """Fill a row's place; returns the clip that fills it."""
        clip, conditions = int(batch.clip[row]), batch.condition[row].tolist()
        try:
            return self._make(conditions, clip, takes, outs)
        except CorruptError:
            if substitutes is None:
                raise
            for _, other in zip(range(TRIES), substitutes(int(batch.position[row]), conditions, clip), strict=False):
                try:
                    return self._make(conditions, other, {}, outs)
                except CorruptError:
                    continue
            raise

    def _make(self, conditions: Sequence[int], clip: int, takes: Takes, outs: torch.Tensor) -> int:
        for condition, out in zip(conditions, outs, strict=True):
            # Not asked for ahead: a substitute, or a view whose features are in the cache while another's are not.
            take = takes.get((condition, clip)) or self._source.request([(condition, clip)])[0]
            self._maker.make(condition, clip, take, out)
        return clip

    def _finish(self, pending: deque[_Pending]) -> Made:
        """Wait for the first of the pending batches."""
        begun = time.perf_counter()
        ready = sum(all(future.done() for future in each.futures) for each in pending) / len(pending)
        first = pending[0]
        wait(first.futures)  # in one go: to be woken for every row costs the threads the interpreter
        served = first.batch.clip.copy()
        for row, future in first.decoding:
            served[row] = future.result()
        for recall in first.recalls:
            recall.result()
        pending.popleft()
        self._decoded += len(first.decoding)
        if self._decoded >= CLIPS_PER_TRIM:
            self._decoded = 0
            trim_heap()
        self.stats.served(
            clips=first.batch.condition.size,
            payload=self._payload(first.batch),
            cached=first.batch.condition.size - len(first.decoding) * first.batch.condition.shape[1],
            replaced=int((served != first.batch.clip).sum()),
            waited=time.perf_counter() - begun,
            ready=ready,
        )
        return Made(batch=first.batch, features=first.features, served=served)

    def _places(self, batch: Batch) -> np.ndarray:
        """Numbers of the rows' entries in the feature cache, of shape (n, views), negative where there is none."""
        if self._recalled is None:
            return np.full(batch.condition.shape, -1)
        return self._recalled.places(batch.condition, batch.clip[:, None])

    def _payload(self, batch: Batch) -> int:
        """Bytes of a batch's bitstreams."""
        return sum(int(of.size[batch.clip[(batch.condition == number).any(1)]].sum()) for number, of in enumerate(self._bitstreams))
