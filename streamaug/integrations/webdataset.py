"""webdataset: the rows of a plan as samples for `wds.DataPipeline`, decoded by its own stages.

    source = pipeline("recipe.yaml", "store", batch_size=64)
    dataset = wds.FluidWrapper(source).decode(decoder).to_tuple("flac;mp3;opus", "cls").batched(64)
    loader = wds.WebLoader(dataset, batch_size=None, num_workers=2)

The source shares the rows among ranks and DataLoader workers itself.
"""

import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import webdataset
from torch.utils.data import IterableDataset

from streamaug.building.member_json import member_json
from streamaug.codecs import Decoding, decode
from streamaug.errors import CorruptError, FetchError, LinkError, StateError, StoreError, StreamaugError
from streamaug.planning import Rows
from streamaug.planning.sequential import PlanLike
from streamaug.reading.cache import CacheBackend
from streamaug.reading.local import LocalBitstream
from streamaug.recipes import Recipe
from streamaug.store.catalogue import StoreArgument, StoreLike, named_stores
from streamaug.streaming.assembly import OpenedStore, open_bitstream_cache, open_cache, open_source
from streamaug.streaming.callers import loads_out_of_order
from streamaug.streaming.cursor import Cursor, Iteration
from streamaug.streaming.joined_source import JoinedSource
from streamaug.streaming.metrics import Counters
from streamaug.streaming.partition import LastBatch, RankPartition
from streamaug.streaming.planned import plan_of, read_recipe, store_of
from streamaug.streaming.provenance import provenance
from streamaug.streaming.shared_arrays import SharedArrays
from streamaug.streaming.source import Pending, Source
from streamaug.streaming.state import State

_AHEAD = 4
"""Batches whose bitstreams are requested before they are served."""

_NOT_IN_JSON = ("shard", "depth", "sha256")
"""Columns of the clips table that say nothing about a bitstream."""

_JSON_KEYS = (
    "condition", "generations", "codec", "rate", "delay", "kbps", "settings", "steps", "views", "epoch", "position", "consumed",
)  # fmt: skip
"""Keys of a sample's JSON that no column of the clips table can have."""


class Bitstream(bytes):
    """The bytes of a clip as the encoder made them, and what `decoder` needs to align them.

    Attributes:
        decoding: What decodes them.
        rate: Sample rate of the store in Hz.
        delay: The codec's delay in samples at that rate.
        samples: Length of the clip in samples at that rate.
    """

    decoding: Decoding
    rate: int
    delay: int
    samples: int


def decoder(key: str, data: Any) -> tuple[torch.Tensor, int] | None:  # noqa: ARG001  # webdataset calls it so
    """Decode a bitstream, sample-aligned with its original: a handler for webdataset's `decode`.

    Args:
        key: Extension of the sample's member.
        data: The member.

    Returns:
        As webdataset's `torch_audio`: float32 of shape (channels, samples), and the sample rate in
        Hz. None for a member that is not a bitstream of `pipeline`.

    Raises:
        CorruptError: The bytes cannot be decoded, or hold too few samples.
    """
    if not isinstance(data, Bitstream):
        return None
    samples = decode(data, decoding=data.decoding, rate=data.rate, delay=data.delay, samples=data.samples)
    return torch.from_numpy(np.atleast_2d(samples)), data.rate


def pipeline(
    recipe: str | os.PathLike[str] | Mapping[str, Any] | Recipe | PlanLike,
    store: StoreArgument | None = None,
    *,
    split: str | None = None,
    seed: int | None = None,
    batch_size: int = 64,
    tail: LastBatch = "keep",
    rank: int | None = None,
    world: int | None = None,
    byte_cache: CacheBackend | str | os.PathLike[str] | None = None,
    deadline: float = 60.0,
) -> "SampleSource":
    """Make a source for `wds.DataPipeline`: one sample per row of a plan, in the plan's order.

    Args:
        recipe: A recipe, its path, a dictionary with a recipe's keys, or a plan.
        store: A store, or its path or URL; for a recipe with several stores, as `Stream` takes them.
        split: Clips to draw from. Default: `train`, or the plan's.
        seed: Seed for all shuffles. Default: 0, or the plan's.
        batch_size: Rows of a global batch, which the ranks share and a worker serves as a whole.
            With `batched(batch_size // world)` the batches are those of `Stream`.
        tail: What happens to an incomplete last batch. Default: `keep`, so that every row is served
            once; a rank may then get fewer batches than the others, `drop` prevents that.
        rank, world: Default: from torch.distributed, else from RANK and WORLD_SIZE.
        byte_cache: Cache, or folder on a local disk, for bitstreams of a store that is not on one.
        deadline: Seconds that a remote read may take, all tries together.

    Raises:
        RecipeError, LeakageError, StoreError: The arguments do not fit together, or the clips table
            has a column with the name of something else in the samples' JSON.
    """
    recipe = read_recipe(recipe)
    opened = store_of(recipe, store)
    _check_columns(opened)
    plan = plan_of(recipe, opened, split, seed, batch_size)
    if plan.links:
        raise LinkError(
            f"a webdataset sample holds a bitstream as it is stored, so link '{next(iter(plan.links))}' cannot lose its packets; leave the "
            "conditions with links out, or use Stream"
        )
    columns = opened.clips.select([name for name in opened.clips.column_names if name not in _NOT_IN_JSON])
    cursor = Cursor(RankPartition(batch_size=batch_size, tail=tail), rank=rank, world=world, stores=len(named_stores(opened)))
    tables = _Tables(plan=plan, store=OpenedStore.of(opened, plan), clips=columns)
    return SampleSource(tables, cursor, open_cache(byte_cache), deadline)


@dataclass(frozen=True, kw_only=True)
class _Tables:
    """What a worker process needs to know.

    Args:
        plan: Which rows there are.
        store: Where the bitstreams are.
        clips: The clips table, for the samples' JSON.
    """

    plan: PlanLike
    store: OpenedStore
    clips: pa.Table


@dataclass(frozen=True, kw_only=True)
class _Requested:
    """A batch under way.

    Args:
        number: Of the global batch, counted from where the iteration began.
        position: int64 (n,), in the epoch.
        rows: What the plan has at these positions.
        bitstreams: One per row and view.
    """

    number: int
    position: np.ndarray
    rows: Rows
    bitstreams: list[Pending]


class SampleSource(IterableDataset[dict[str, Any]]):
    """One iteration is one epoch of the plan, the next iteration the next epoch; `pipeline` makes
    it.

    A sample holds

        __key__        position in the epoch and clip_id, such as 00000012-dog1; no two of an epoch are the same
        __url__        the shard of the first bitstream
        mp3, opus, ... the bitstream as it is stored, checked, under its condition's extension; with views 0.mp3, 1.opus, ...
        cls            the label's index in the store's labels; labels and targets of other stores are in json
        json           the clip's columns; condition, rate, delay and samples of the bitstream and how it was made (with views in a
                       list `views`); epoch, position, and consumed: rows of the epoch, over all ranks, that are consumed when the
                       batch of this sample is

    Args:
        tables: The plan and its store.
        cursor: The place in the epoch.
        byte_cache: Of bitstreams; None for none.
        deadline: Seconds that a remote read may take.
    """

    def __init__(self, tables: _Tables, cursor: Cursor, byte_cache: CacheBackend | None, deadline: float) -> None:
        self._tables, self._cursor = SharedArrays(tables), cursor
        self._byte_cache, self._deadline = byte_cache, deadline
        self._is_in_order = True
        cursor.rank_slice()  # refuses a batch that the ranks cannot share

    @property
    def plan(self) -> PlanLike:
        """What is served."""
        return self._tables.value.plan

    @property
    def labels(self) -> tuple[str, ...]:
        """The store's labels; `cls` is an index into them."""
        return self._tables.value.store.manifest.labels

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be an epoch, whole.

        Args:
            epoch: Number of the epoch, from 0.
        """
        self._cursor.set_epoch(epoch)

    def state_after(self, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """The position after the batch that a sample belongs to, on all ranks, for JSON.

        Args:
            metadata: The decoded `json` of the last sample that was trained on.

        Raises:
            StateError: A DataLoader with in_order=False served it.
        """
        epoch, consumed = int(metadata["epoch"]), int(metadata["consumed"])
        if consumed < 0:
            raise StateError(
                "a DataLoader with in_order=False hands samples over out of order, so no position is exact; leave in_order out"
            )
        if self._cursor.rank_slice().is_last(consumed, self.plan.epoch_size(epoch)):
            epoch, consumed = epoch + 1, 0
        snapshot = self._tables.value.store.store.snapshot
        return State(identity=self.plan.identity, snapshot=snapshot, epoch=epoch, rows=consumed).to_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume at a saved position with the next iteration, on any number of ranks and workers.

        Args:
            state: From `state_after`, or of a `Stream` of the same plan.

        Raises:
            StateError: It belongs to another recipe, store, split or seed.
        """
        saved = State.from_dict(state, self.plan.identity)
        self._cursor.set(saved.epoch, saved.rows)

    def __getstate__(self) -> dict[str, Any]:
        # A spawned worker does not see the DataLoader that starts it, so it is looked at here.
        return {**self.__dict__, "_is_in_order": self._is_in_order and not loads_out_of_order()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        _refuse_second_split()
        return self._samples()

    def _samples(self) -> Iterator[dict[str, Any]]:
        self._is_in_order = self._is_in_order and not loads_out_of_order()
        iteration = self._cursor.begin()
        rows = self.plan.epoch_size(iteration.epoch)
        with ExitStack() as stack:
            source = self._source(stack)
            ahead: deque[_Requested] = deque()
            stack.callback(_cancel, ahead)
            numbers = self._batches(iteration, rows)
            while True:
                while len(ahead) < _AHEAD and (number := next(numbers, None)) is not None:
                    ahead.append(self._requested(source, iteration, number, rows))
                if not ahead:
                    break
                consumed = self._cursor.advance(iteration, ahead[0].number, rows)
                yield from self._served(source, ahead[0], iteration.epoch, consumed if self._is_in_order else -1)
                ahead.popleft()
        self._cursor.finish(iteration)

    def _batches(self, iteration: Iteration, rows: int) -> Iterator[int]:
        """Numbers of this worker's batches that have rows of this rank."""
        partition = self._cursor.rank_slice()
        numbers = range(iteration.worker, partition.batches(iteration.first, rows), iteration.workers)
        return (number for number in numbers if len(partition.positions(number, iteration.first, rows)))

    def _requested(self, source: Source | JoinedSource, iteration: Iteration, number: int, rows: int) -> _Requested:
        """A batch whose bitstreams begin to be read."""
        position = self._cursor.rank_slice().positions(number, iteration.first, rows)
        drawn = self.plan.rows(iteration.epoch, position % rows)
        pairs = [(view, clip) for row, clip in zip(drawn.condition.tolist(), drawn.clip.tolist(), strict=True) for view in row]
        return _Requested(number=number, position=position, rows=drawn, bitstreams=source.request(pairs))

    def _source(self, stack: ExitStack) -> Source | JoinedSource:
        """This process's reader, closed with the stack."""
        opened = self._tables.value.store
        cache = open_bitstream_cache(opened, self._byte_cache)
        if cache is not None:
            stack.callback(cache.close)
        source = open_source(opened, cache, self._deadline, Counters())
        stack.callback(source.close)
        return source

    def _served(self, source: Source | JoinedSource, requested: _Requested, epoch: int, consumed: int) -> Iterator[dict[str, Any]]:
        """The samples of a batch."""
        rows, tables = requested.rows, self._tables.value
        described = tables.clips.take(pa.array(rows.clip)).to_pylist()
        views = rows.condition.shape[1]
        for row, (position, clip) in enumerate(zip(requested.position.tolist(), rows.clip.tolist(), strict=True)):
            sample: dict[str, Any] = {"__key__": f"{position:08d}-{described[row]['clip_id']}"}
            members: list[dict[str, Any]] = []
            for view, condition in enumerate(rows.condition[row].tolist()):
                location = tables.store.locations[condition]
                data = _loaded(requested.bitstreams[row * views + view], partial(source.where, condition, clip))
                bitstream = Bitstream(data)
                bitstream.decoding, bitstream.rate = location.meta.decoding, int(tables.store.rates[clip])
                bitstream.delay, bitstream.samples = int(location.delay[clip]), int(described[row]["samples"])
                sample.setdefault("__url__", f"{tables.store.folders[location.store].url}/{location.path(clip)}")
                sample[f"{view}.{location.meta.extension}" if views > 1 else location.meta.extension] = bitstream
                alignment = {"rate": bitstream.rate, "delay": bitstream.delay, "samples": bitstream.samples}
                codec = location.meta.decoding.codec
                members.append({**provenance(tables.store, condition, clip), "codec": codec, **alignment})
            if (label := tables.store.targets.entries(np.array([clip])).get("label")) is not None:
                sample["cls"] = str(int(label[0])).encode()
            place = {"epoch": epoch, "position": position, "consumed": consumed}
            sample["json"] = member_json({**described[row], **({"views": members} if views > 1 else members[0]), **place})
            yield sample


def _check_columns(store: StoreLike) -> None:
    """Raise StoreError if a column would have the key of something else in the samples' JSON."""
    for name in store.clips.column_names:
        if name in _JSON_KEYS:
            raise StoreError(
                f"store {store.url}: its clips table has a column '{name}', but the JSON of a sample has that key already; build the store "
                "with another name for it"
            )


def _loaded(bitstream: Pending, where: Callable[[], str]) -> bytes:
    """The bytes of a bitstream, checked."""
    data = bitstream()
    if not isinstance(data, LocalBitstream):
        return data
    try:
        return data.load()
    except (CorruptError, FetchError) as error:
        raise type(error)(f"{where()}: {error}") from error


def _cancel(ahead: deque[_Requested]) -> None:
    for requested in ahead:
        for bitstream in requested.bitstreams:
            bitstream.cancel()


def _refuse_second_split() -> None:
    """Raise StreamaugError if the webdataset pipeline that iterates divides the samples once more,
    of which each rank and worker would lose most."""
    frame = sys._getframe(1)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith("webdataset."):
            stages = getattr(frame.f_locals.get("self"), "pipeline", ())
            for stage in (webdataset.split_by_node, webdataset.split_by_worker):
                if any(other is stage for other in stages):
                    raise StreamaugError(
                        f"{stage.__name__} would divide the samples once more; leave it out, the source shares them among ranks and workers"
                    )
        frame = frame.f_back  # type: ignore[assignment]  # None ends the loop
