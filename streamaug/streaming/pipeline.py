"""The stages of a stream in one process: fetch ahead, decode on workers, hand over in order.

rows ──▶ groups of batches, read together ──▶ batches, decoded by workers ──▶ batches, in the order
of the plan

Workers get pure decode tasks; the caches, the counters and the names in errors belong here.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from torch import Tensor

from streamaug.crop import Span
from streamaug.errors import AugmentError, CorruptError, FeatureError, FetchError, StreamaugError, WorkerError
from streamaug.reading.cache import CacheView
from streamaug.reading.local import LocalBitstream
from streamaug.store.locations import BitstreamLocations
from streamaug.streaming.augment import AugmentRow
from streamaug.streaming.batches import Batch, DecodedBatch, Stage
from streamaug.streaming.cropping import Cropping
from streamaug.streaming.decode import DecodedRow, DecodeTask, Processing, StoredForms, fill_up, recall_rows
from streamaug.streaming.losses import Losses
from streamaug.streaming.metrics import Counters
from streamaug.streaming.prefetch import Prefetch, Requested, cancel, payload_bytes
from streamaug.streaming.row_loss import NOTHING
from streamaug.streaming.shapes import Shapes
from streamaug.streaming.source import Bitstreams
from streamaug.streaming.workers import Workers

PUBLISH_S = 60.0
"""Seconds after which a process publishes what it has cached, and looks for what others have."""

_ROWS_PER_WORKER = 32
"""Rows that are prepared ahead for each worker, beyond three batches: two messages to a decode
process are full then, so that they are few. A training loop in Python leaves its interpreter to the
threads that send them only now and then."""

TRIES = 8
"""Substitutes for a broken clip that are tried before the error is raised."""

Substitutes = Callable[[int, Sequence[int], int], Iterable[int]]
"""For a position, its conditions and its broken clip: clips to serve instead, in the order to be
tried."""


@dataclass(frozen=True, kw_only=True)
class _Recall:
    """Rows of one feature, by its number, that come from its cache."""

    feature: int
    rows: np.ndarray
    frames: Future[list[int]]


@dataclass(kw_only=True)
class _Pending:
    """A batch that workers are busy with: the spans of its rows, the samples that there is room for
    in each, and the features; the futures of each row that is decoded or augmented, one per view;
    and of rows that come from the cache as they are. Substitutes for broken clips may change the
    first three."""

    batch: Batch
    spans: list[Span]
    longest: int
    features: dict[str, Tensor]
    requested: Requested
    decoding: Mapping[int, Sequence[Future[DecodedRow]]]
    recalls: Sequence[_Recall]
    cached_rows: int

    @property
    def futures(self) -> list[Future[Any]]:
        return [*(future for row in self.decoding.values() for future in row), *(recall.frames for recall in self.recalls)]


class Pipeline:
    """Carries batches out in the order in which they come, whatever the number of workers.

    Args:
        source: Of the bitstreams.
        locations: Of the conditions, by their numbers.
        processing: What the workers make of every waveform.
        workers: Decode.
        cropping: Which samples of its clip each row has.
        losses: Which packets of each row are lost.
        clip_ids: In the order of the clips table.
        caches: `bitstreams`, and one for each feature under its key; those that there are.
        counters: Where everything is counted.
        is_local: Whether all bitstreams are on a local disk.
        stage: What brings the batches to a device, if they go to one.
    """

    def __init__(
        self,
        source: Bitstreams,
        locations: Sequence[BitstreamLocations],
        processing: Processing,
        workers: Workers,
        *,
        cropping: Cropping,
        losses: Losses,
        clip_ids: pa.Array,
        caches: Mapping[str, CacheView],
        counters: Counters,
        is_local: bool,
        stage: Stage | None = None,
    ):
        self._source, self._locations, self._workers = source, locations, workers
        self._processing, self._clip_ids, self._cropping, self._losses = processing, clip_ids, cropping, losses
        self._is_augmented = processing.augmentation is not None and processing.augmentation.features is not None
        self.caches, self._counters = caches, counters
        self._features = tuple(processing.features.values())
        self._shapes = Shapes(processing.features, workers.call)
        self._feature_caches = [caches.get(f"features/{name}") for name in processing.features]
        self._prefetch = Prefetch(source, locations, is_local=is_local)
        self._stage, self._is_closed = stage, False

    def run(self, batches: Iterable[Batch], substitutes: Substitutes | None = None) -> Iterator[DecodedBatch]:
        """Decode batches.

        Raises CorruptError and FetchError when the turn comes to the batch that they happened in.
        """
        decoded = self._decoded(batches, substitutes)
        return decoded if self._stage is None else self._stage.run(decoded)

    def _decoded(self, batches: Iterable[Batch], substitutes: Substitutes | None) -> Iterator[DecodedBatch]:
        for cache in self.caches.values():
            cache.refresh()
        self._counters.begin(self._workers.count)
        pending: deque[_Pending] = deque()
        fetched = self._prefetch.run(self._with_shapes(batches), self._needed)
        published = time.monotonic()
        try:
            while True:
                if time.monotonic() - published > PUBLISH_S:
                    self._publish()
                    published = time.monotonic()
                if self._is_closed:
                    raise StreamaugError("the stream was closed while it was iterated; iterate it again")
                while len(pending) < 3 or sum(len(each.batch.clip) for each in pending) < _ROWS_PER_WORKER * self._workers.count:
                    if (following := next(fetched, None)) is None:
                        break
                    pending.append(self._begin(*following))
                if not pending:
                    return
                yield self._finish(pending, substitutes)
        finally:
            fetched.close()
            for future in (future for each in pending for future in each.futures):
                future.cancel()
            cancel(each.requested for each in pending)
            self._publish()

    def _publish(self) -> None:
        """Let other processes find what this one has cached, and find what they have."""
        for cache in self.caches.values():
            cache.seal()
            cache.refresh()

    def close(self) -> None:
        """End workers and connections; publish what the caches have."""
        self._is_closed = True
        if self._stage is not None:
            self._stage.close()
        self._workers.close()
        self._source.close()
        for cache in self.caches.values():
            cache.close()

    def _with_shapes(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same batches; the shapes of their features are found out meanwhile."""
        for batch in batches:
            self._shapes.prepare(_longest(self._spans(batch)))
            yield batch

    def _needed(self, batch: Batch) -> list[tuple[int, int]]:
        """The (condition, clip) pairs of a batch whose features no cache has."""
        missing = np.argwhere(~self._is_cached(self._slots(batch))).tolist()
        return [(int(batch.condition[row, view]), int(batch.clip[row])) for row, view in missing]

    def _begin(self, batch: Batch, requested: Requested) -> _Pending:
        spans = self._spans(batch)
        longest = _longest(spans)
        features = self._room(batch, longest)
        slots = self._slots(batch)
        is_cached = np.asarray(self._is_cached(slots).all(1))
        # What augments features needs generators that nobody else draws from: so do rows from caches.
        is_decoded = np.ones_like(is_cached) if self._is_augmented else ~is_cached
        decoding = {}
        for row in np.flatnonzero(is_decoded).tolist():
            source = self._stored(slots[:, row]) if is_cached[row] else requested
            decoding[row] = self._submit(batch, row, int(batch.clip[row]), spans[row], longest, source, _row(features, row))
        recalls = [
            self._recall(number, slots[number, rows], rows, spans, whole)
            for number, whole in enumerate(features.values())
            for rows in np.array_split(np.flatnonzero(~is_decoded), self._workers.count)
            if len(rows)
        ]
        return _Pending(
            batch=batch,
            spans=spans,
            longest=longest,
            features=features,
            requested=requested,
            decoding=decoding,
            recalls=recalls,
            cached_rows=int(is_cached.sum()),
        )

    def _spans(self, batch: Batch) -> list[Span]:
        """The samples of its clip that each row of a batch has."""
        return [self._cropping.span(clip, word) for clip, word in zip(batch.clip.tolist(), batch.words, strict=True)]

    def _room(self, batch: Batch, longest: int) -> dict[str, Tensor]:
        """Memory for the features of a batch, by key, whose longest row has so many samples."""
        return {name: self._workers.buffer((*batch.condition.shape, *shape)) for name, shape in self._shapes.of(longest).items()}

    def _recall(self, number: int, slots: np.ndarray, rows: np.ndarray, spans: Sequence[Span], whole: Tensor) -> _Recall:
        """Fill rows of one feature from its cache."""
        entries = [self._entry(number, slot) for slot in slots.ravel().tolist()]
        outs = [out for row in rows.tolist() for out in whole[row]]
        samples = [spans[row].samples for row in rows.tolist() for _ in whole[row]]
        longest = _longest(spans)
        frames = self._workers.call(recall_rows, self._features[number], longest, samples, entries, outs)
        return _Recall(feature=number, rows=rows, frames=frames)

    def _stored(self, slots: np.ndarray) -> list[list[memoryview]]:
        """What the caches have of a row, for each view and each feature. slots: (features, views)."""
        return [[self._entry(number, slot) for number, slot in enumerate(view)] for view in slots.T.tolist()]

    def _entry(self, number: int, slot: int) -> memoryview:
        """The stored form of one feature in a slot of its cache."""
        cache = self._feature_caches[number]
        assert cache is not None  # it has this slot
        return cache.read(slot)

    def _submit(
        self,
        batch: Batch,
        row: int,
        clip: int,
        span: Span,
        longest: int,
        source: Requested | Sequence[Sequence[memoryview]],
        outs: Sequence[Tensor],
    ) -> list[Future[DecodedRow]]:
        """Make a row of a batch of a clip, in each of its conditions.

        Args:
            batch: Where the row is.
            row: Its number in the batch.
            clip: The planned clip, or a substitute.
            span: The samples of it that the row has.
            longest: Samples that there is room for in `outs`.
            source: Bitstreams under way; or for each view what the caches have.
            outs: For each feature the row, (views, ...).
        """
        return [
            self._workers.submit(
                partial(self._task, batch, row, view, clip, span, longest, source if isinstance(source, dict) else source[view]),
                [out[view] for out in outs],
            )
            for view in range(batch.condition.shape[1])
        ]

    def _task(
        self, batch: Batch, row: int, view: int, clip: int, span: Span, longest: int, source: Requested | Sequence[memoryview]
    ) -> DecodeTask:
        """The task of one clip in one condition; waits for its bitstream."""
        condition, position = int(batch.condition[row, view]), int(batch.row[row])
        location = self._locations[condition]
        return DecodeTask(
            payload=self._bitstream(condition, clip, source)
            if isinstance(source, dict)
            else StoredForms(entries=tuple(map(bytearray, source))),
            decoding=location.meta.decoding,
            rate=int(self._cropping.rates[clip]),
            row_rate=self._cropping.rate,
            delay=int(location.delay[clip]),
            samples=int(self._cropping.samples[clip]),
            span=span,
            longest=longest,
            processing=self._processing,
            is_cached=tuple(cache is not None for cache in self._feature_caches),
            row=None if self._processing.augmentation is None else self._augment_row(batch, row, view, clip),
            loss=self._losses.row(location, str(self._clip_ids[clip]), epoch=batch.epoch, position=position, view=view),
        )

    def _bitstream(self, condition: int, clip: int, requested: Requested) -> bytes | LocalBitstream:
        # Not requested ahead: a substitute, or a view whose features are in the cache while
        # another's are not.
        bitstream = requested.get((condition, clip)) or self._source.request([(condition, clip)])[0]
        return bitstream()

    def _augment_row(self, batch: Batch, row: int, view: int, clip: int) -> AugmentRow:
        return AugmentRow(
            clip_id=str(self._clip_ids[clip]),
            condition=self._locations[int(batch.condition[row, view])].name,
            epoch=batch.epoch,
            position=int(batch.row[row]),
            view=view,
        )

    def _finish(self, pending: deque[_Pending], substitutes: Substitutes | None) -> DecodedBatch:
        """Wait for the first of the pending batches."""
        begun = time.perf_counter()
        queue_fill = sum(all(future.done() for future in each.futures) for each in pending) / len(pending)
        first = pending[0]
        wait(first.futures)  # all in one go: to be woken for every row costs the workers the interpreter
        served = first.batch.clip.copy()
        frames = np.zeros((len(self._features), len(served)), np.int64)
        lost: list[Sequence[np.ndarray]] = [(NOTHING,) * first.batch.condition.shape[1]] * len(served)
        for row, futures in first.decoding.items():
            served[row], frames[:, row], lost[row] = self._settle(first, row, futures, substitutes)
        for recall in first.recalls:
            views = first.batch.condition.shape[1]
            frames[recall.feature, recall.rows] = recall.frames.result()[::views]
        pending.popleft()
        clips = first.batch.condition.size
        self._counters.batch(
            clips=clips,
            payload_bytes=payload_bytes(first.batch, self._locations),
            cached_clips=first.cached_rows * first.batch.condition.shape[1],
            replaced_clips=int((served != first.batch.clip).sum()),
            wait_s=time.perf_counter() - begun,
            queue_fill=queue_fill,
        )
        return DecodedBatch(
            batch=first.batch,
            features=first.features,
            served=served,
            spans=first.spans,
            frames=dict(zip(self._processing.features, frames, strict=True)),
            lost=lost,
        )

    def _settle(
        self, pending: _Pending, row: int, futures: Sequence[Future[DecodedRow]], substitutes: Substitutes | None
    ) -> tuple[int, Sequence[int], Sequence[np.ndarray]]:
        """The clip that fills a row, the planned one, or a substitute if that one is broken; the frames
        of each feature; and what was lost in each view."""
        batch = pending.batch
        clip, conditions = int(batch.clip[row]), batch.condition[row].tolist()
        try:
            return clip, *self._collect(clip, conditions, futures)
        except CorruptError:
            if substitutes is None:
                raise
            for _, other in zip(range(TRIES), substitutes(int(batch.position[row]), conditions, clip), strict=False):
                try:
                    return other, *self._collect(other, conditions, self._replace(pending, row, other))
                except CorruptError:
                    continue
            raise

    def _replace(self, pending: _Pending, row: int, other: int) -> list[Future[DecodedRow]]:
        """Decode another clip into a row of a batch whose other rows are done; it gets more memory
        if this clip is longer than all of them."""
        pending.spans[row] = span = self._cropping.span(other, pending.batch.words[row])
        if span.samples > pending.longest:
            larger = self._room(pending.batch, span.samples)
            for name, rows in pending.features.items():
                fill_up(rows, larger[name])
            pending.longest, pending.features = span.samples, larger
        return self._submit(pending.batch, row, other, span, pending.longest, {}, _row(pending.features, row))

    def _collect(
        self, clip: int, conditions: Sequence[int], futures: Sequence[Future[DecodedRow]]
    ) -> tuple[Sequence[int], Sequence[np.ndarray]]:
        """Count and cache what a row's tasks gave; returns the frames of each feature, and what was lost
        in each view.

        Raises CorruptError and FetchError, naming store, shard and clip.
        """
        lost = []
        wait(futures)  # for all views: a substitute must not be written while one of them still is
        for condition, future in zip(conditions, futures, strict=True):
            try:
                decoded = future.result()
            except (AugmentError, CorruptError, FeatureError, FetchError, WorkerError) as error:
                where = self._source.where(condition, clip)
                if str(error).startswith(where):  # its bytes could not be fetched
                    raise
                raise type(error)(f"{where}: {error}") from error
            lost.append(decoded.lost)
            if decoded.read_s is not None:
                self._counters.read(int(self._locations[condition].size[clip]), decoded.read_s)
                self._counters.payload(decoded.read_s, is_hit=True)
            if decoded.decode_s is not None:
                self._counters.row(self._locations[condition].name, decoded.decode_s, decoded.feature_s)
            for cache, stored in zip(self._feature_caches, decoded.stored, strict=True):
                if cache is not None and stored is not None:
                    cache.write(condition, clip, memoryview(stored.tobytes()))
        return decoded.frames, lost

    def _slots(self, batch: Batch) -> np.ndarray:
        """Slots in each feature's cache, of shape (features, n, views), negative where there is
        none."""
        nothing = np.full(batch.condition.shape, -1)
        return np.stack([nothing if cache is None else cache.slots(batch.condition, batch.clip[:, None]) for cache in self._feature_caches])

    def _is_cached(self, slots: np.ndarray) -> np.ndarray:
        """Whether all features of a clip in a condition come from caches, bool of shape (n, views)."""
        return np.asarray((slots >= 0).all(0))


def _longest(spans: Sequence[Span]) -> int:
    """Samples of the longest row."""
    return max(span.samples for span in spans)


def _row(features: Mapping[str, Tensor], row: int) -> list[Tensor]:
    return [whole[row] for whole in features.values()]
