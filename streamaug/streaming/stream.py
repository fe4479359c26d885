"""The stream: carries a plan out, batch by batch, the same on any number of threads, workers and ranks."""

import math
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch.utils.data import IterableDataset, get_worker_info

from streamaug.codecs import decoder_version
from streamaug.conditions import Condition
from streamaug.errors import StateError, StoreError, StreamaugError
from streamaug.features import LogMel
from streamaug.planning import Plan
from streamaug.planning.open_plan import open_plan
from streamaug.planning.sequential import PlanLike, SequentialPlan
from streamaug.reading.cache import Cache, CacheView
from streamaug.reading.locations import BitstreamLocations
from streamaug.recipes import Recipe, load_recipe
from streamaug.store import Store
from streamaug.streaming.cursor import Clock
from streamaug.streaming.decode import Features, RowMaker, shape_of
from streamaug.streaming.metrics import Stats, StreamMetrics
from streamaug.streaming.partition import LastBatch, RankPartition
from streamaug.streaming.pipeline import Batch, Made, Pipeline, Substitutes
from streamaug.streaming.source import Source
from streamaug.streaming.state import State
from streamaug.streaming.workers import start_threads

_LOOKED_THROUGH = 1024


class Stream(IterableDataset[dict[str, Any]]):
    """Whole batches of a plan, made by threads: iterate it as it is, or under `DataLoader(stream, batch_size=None)`.

    One iteration is one epoch of the plan, the next iteration the next epoch; after `load_state_dict` the first one is the
    rest of an epoch. A batch is a dictionary, of this rank's n rows:

        logmel       float32 (n, 3, mels, frames), or `static` (n, mels, frames), or `waveform` (n, samples), as asked
        label        int64 (n,), places in the store's labels
        clip_id      list of n names
        condition    list of n names
        position     int64 (n,), the rows' places in the epoch; from the epoch's size on they are padding
        epoch        number of the epoch
        consumed     rows of the epoch, over all ranks, that are consumed with this batch
        provenance   if asked for: list of n dictionaries, how the bitstream was made
        replaced     with on_corrupt="replace": list of n, the broken clip in whose place this one stands, or None

    With views the features have shape (n, views, ...) and `condition` and `provenance` hold a list for each row.

    recipe: a recipe, its path, or a plan. store: opened, or its URL. batch_size: rows of a global batch, shared by the ranks.
    threads: that decode; unless said one a core, and DataLoader's workers share the cores. tail: what becomes of rows that fill no
    batch, see `LastBatch`. rank, world: those of torch.distributed, or else of RANK and WORLD_SIZE, unless said. feature_cache,
    byte_cache: folders on a local disk; bitstreams of a store that is on this machine's disk are not copied. on_corrupt: `raise`, or
    `replace` a broken clip by the epoch's next one of the same condition and label. deadline: seconds that a remote read may take,
    all tries together.

    Raises RecipeError, LeakageError, StoreError; while iterating CorruptError and FetchError, which name store, shard and clip.
    """

    def __init__(
        self,
        recipe: str | os.PathLike[str] | Recipe | PlanLike,
        store: str | os.PathLike[str] | Store,
        *,
        split: str = "train",
        seed: int = 0,
        batch_size: int = 64,
        features: Features = "logmel",
        threads: int | None = None,
        tail: LastBatch = "drop",
        rank: int | None = None,
        world: int | None = None,
        feature_cache: Cache | None = None,
        byte_cache: Cache | None = None,
        on_corrupt: Literal["raise", "replace"] = "raise",
        provenance: bool = False,
        deadline: float = 60.0,
    ) -> None:
        opened = store if isinstance(store, Store) else Store.open(store)
        if isinstance(recipe, str | os.PathLike):
            recipe = load_recipe(recipe)
        self.plan: PlanLike = open_plan(recipe, opened, split=split, seed=seed) if isinstance(recipe, Recipe) else recipe
        if isinstance(recipe, Recipe) and recipe.stratify not in (None, batch_size):
            raise recipe.error_at(
                ("stratify",), f"'stratify: {recipe.stratify}' wants global batches of that many rows, not {batch_size}; make them equal"
            )
        self._sharing = RankPartition(batch_size=batch_size, tail=tail)
        self._rank, self._world = rank, world
        self._home, self._known_ranks = os.getpid(), _ranks()
        self._share()
        self._folder, self._meta = opened.folder, opened.meta
        self._bitstreams = tuple(BitstreamLocations.read(opened, name) for name in self.plan.conditions)
        self._clip_ids = opened.clips["clip_id"].combine_chunks()
        self._labels = _label_numbers(opened)
        self._module = LogMel(rate=opened.meta.rate)
        self._samples = _samples(opened, self.plan)
        self._features, self._provenance, self._replaces = features, provenance, on_corrupt == "replace"
        self._threads = threads
        self._feature_cache = feature_cache if features != "waveform" else None
        self._byte_cache = None if opened.folder.is_local else byte_cache
        self._deadline = deadline
        self._clock = Clock()
        self._standing: tuple[int, int] | None = None
        self._running: tuple[int, Pipeline] | None = None
        if self.batches(0) == 0 and tail != "keep":
            raise StreamaugError(
                f"an epoch of {self.plan.epoch_size(0)} rows fills no batch of {batch_size}: take a smaller batch, or tail 'pad' or 'keep'"
            )

    @classmethod
    def evaluation(
        cls, store: str | os.PathLike[str] | Store, condition: str, *, split: str = "evaluate", tail: LastBatch = "keep", **settings: Any
    ) -> "Stream":
        """Every clip of a split once, in one condition, in the order of the clips table; the same in every epoch.

        settings: as those of `Stream`.
        """
        opened = store if isinstance(store, Store) else Store.open(store)
        return cls(SequentialPlan.of(opened, [condition], split), opened, split=split, tail=tail, **settings)

    @property
    def labels(self) -> tuple[str, ...]:
        """The store's labels; a batch's `label` counts them."""
        return self._meta.labels

    def batches(self, epoch: int) -> int:
        """Global batches of an epoch; with tail `keep` the last one may leave some ranks without rows."""
        return self._sharing.batches(0, self.plan.epoch_size(epoch))

    def __len__(self) -> int:
        """This rank's batches in the epoch that is being served, or served next; schedules give epochs of different lengths."""
        epoch, _ = self._standing or self._clock.standing(0)
        sharing, rows = self._share(), self.plan.epoch_size(epoch)
        batches = sharing.batches(0, rows)
        is_last_empty = batches > 0 and not len(sharing.positions(batches - 1, 0, rows))
        return batches - is_last_empty

    def __iter__(self) -> Iterator[dict[str, Any]]:
        info = get_worker_info()
        if info is None:
            return self._epoch()  # which begins with its first batch: Lightning makes iterators that it does not use
        return self._serve(*self._begin(info.id, info.num_workers, is_worker=True), info.id, info.num_workers)

    def _epoch(self) -> Iterator[dict[str, Any]]:
        yield from self._serve(*self._begin(0, 1, is_worker=False), 0, 1)

    def _begin(self, worker: int, workers: int, *, is_worker: bool) -> tuple[int, int]:
        self._settle(is_worker=is_worker)
        self._standing = self._clock.begin(worker, workers, is_worker=is_worker)
        return self._standing

    def _serve(self, epoch: int, first: int, worker: int, workers: int) -> Iterator[dict[str, Any]]:
        """Every `workers`-th batch of an epoch from row `first` on, beginning with the one that is numbered `worker`."""
        sharing, rows = self._share(), self.plan.epoch_size(epoch)
        windows = _windows(self.plan, epoch)

        def planned() -> Iterator[Batch]:
            for number in range(worker, sharing.batches(first, rows), workers):
                position = sharing.positions(number, first, rows)
                if len(position):
                    chosen = self.plan.rows(epoch, position % rows)
                    window = None if windows is None else int(position[0]) * windows // rows
                    yield Batch(number=number, position=position, condition=chosen.condition, clip=chosen.clip, window=window)

        substitutes: Substitutes | None = partial(self._substitutes, epoch) if self._replaces else None
        for made in self._pipeline().run(planned(), substitutes):
            consumed = sharing.end(made.batch.number, first, rows)
            if workers == 1:
                self._standing = (epoch + 1, 0) if sharing.is_last(consumed, rows) else (epoch, consumed)
            else:  # the rest of the epoch, numbered so that this worker's next batch is again its own
                self._standing = (epoch, first + (made.batch.number + workers - worker) * sharing.batch_size)
            yield self._told(made, epoch, consumed)

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands after the last batch that it gave, for JSON; with DataLoader's workers see `state_after`."""
        info = get_worker_info()
        if info is None and self._clock.in_workers:
            raise StateError(
                "DataLoader's workers make batches ahead and cannot know which are consumed: take 'stream.state_after(batch)' "
                "of the last one that was, or torchdata's StatefulDataLoader"
            )
        epoch, rows = self._standing or self._clock.standing(0 if info is None else info.id)
        return State(identity=self.plan.identity, epoch=epoch, rows=rows).to_dict()

    def state_after(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Where a stream stands once this batch is consumed, on all ranks, wherever the batch was made."""
        epoch, consumed = int(batch["epoch"]), int(batch["consumed"])
        if self._sharing.is_last(consumed, self.plan.epoch_size(epoch)):
            epoch, consumed = epoch + 1, 0
        return State(identity=self.plan.identity, epoch=epoch, rows=consumed).to_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration go on where a state was taken, on any number of ranks, workers and threads.

        Raises StateError, with the difference, for a state of another recipe, store, split or seed.
        """
        read = State.from_dict(state, self.plan.identity)
        info = get_worker_info()
        self._clock.set(read.epoch, read.rows, None if info is None else info.id)
        self._standing = None

    @property
    def figures(self) -> StreamMetrics:
        """What the stream has done and what it waits for, in this process since its first batch."""
        return self._pipeline().stats.figures()

    @property
    def kept(self) -> dict[str, int]:
        """How many of the clips in all their conditions the caches hold: `bitstreams`, `features`, as far as there are such caches."""
        shelves = self._pipeline().shelves
        for shelf in shelves.values():
            shelf.refresh()
        return {name: shelf.count for name, shelf in shelves.items()}

    def __getstate__(self) -> dict[str, Any]:
        # Threads do not travel, and a worker that is spawned knows nothing of its rank's process group.
        return {**self.__dict__, "_running": None, "_known_ranks": _ranks(self._known_ranks)}

    def _settle(self, *, is_worker: bool) -> None:
        """Keep the place in the epoch to one rank, where a stream was handed to several."""
        parent = multiprocessing.parent_process() if is_worker else None
        here = (parent and parent.pid) or os.getpid()
        if here == self._home:
            return
        if is_worker:
            raise StreamaugError(
                f"this stream was opened in process {self._home}, and workers of process {here} are to serve it: ranks that were handed "
                "one stream cannot tell their workers apart; open it in each rank, with Lightning in train_dataloader()"
            )
        self._clock, self._home = self._clock.copy(), here

    def _share(self) -> RankPartition:
        rank, world = _ranks(self._known_ranks)
        return replace(self._sharing, rank=rank if self._rank is None else self._rank, world=world if self._world is None else self._world)

    def _pipeline(self) -> Pipeline:
        """This process's stages; threads and connections of another are of no use to one that was forked."""
        if self._running is None or self._running[0] != os.getpid():
            self._running = (os.getpid(), self._start())
        return self._running[1]

    def _start(self) -> Pipeline:
        info = get_worker_info()
        threads = self._threads or max(1, len(os.sched_getaffinity(0)) // (1 if info is None else info.num_workers))
        stats = Stats(threads)
        shape = shape_of(self._features, self._module, self._samples)
        kept = recalled = None
        if self._byte_cache is not None:
            largest = max(int(of.size.max()) for of in self._bitstreams)
            kept = CacheView(self._byte_cache, self._bitstreams, what="bitstreams", largest=largest)
        if self._feature_cache is not None:
            what = f"features {decoder_version()} {self._module.settings} samples={self._samples}"
            largest = 2 * math.prod(shape_of("static", self._module, self._samples))
            recalled = CacheView(self._feature_cache, self._bitstreams, what=what, largest=largest)
        source = Source(self._folder, self._bitstreams, self._clip_ids, deadline=self._deadline, shelf=kept, stats=stats)
        maker = RowMaker(
            source, self._bitstreams, module=self._module, samples=self._samples, features=self._features, shelf=recalled, stats=stats
        )
        return Pipeline(
            source,
            maker,
            self._bitstreams,
            start_threads(threads),
            threads=threads,
            shape=shape,
            shelves={name: shelf for name, shelf in (("bitstreams", kept), ("features", recalled)) if shelf is not None},
            is_local=self._folder.is_local,
            stats=stats,
        )

    def _substitutes(self, epoch: int, position: int, conditions: Sequence[int], clip: int) -> Iterator[int]:
        """Clips of the epoch's following rows that have the label of a broken clip and are shown in its condition."""
        rows, tried = self.plan.epoch_size(epoch), {clip}
        for start in range(1, rows, _LOOKED_THROUGH):
            chosen = self.plan.rows(epoch, (position + np.arange(start, min(start + _LOOKED_THROUGH, rows))) % rows)
            fits = (self._labels[chosen.clip] == self._labels[clip]) & (chosen.condition == conditions[0]).any(1)
            for condition in conditions:
                fits &= self._bitstreams[condition].size[chosen.clip] > 0
            for other in chosen.clip[fits].tolist():
                if other not in tried:
                    tried.add(other)
                    yield other

    def _told(self, made: Made, epoch: int, consumed: int) -> dict[str, Any]:
        """A batch as it is handed over."""
        condition, served = made.batch.condition, made.served
        has_views = self.plan.views > 1
        names = [[self.plan.conditions[number] for number in row] for row in condition.tolist()]
        told = {
            self._features: made.features if has_views else made.features[:, 0],
            "label": torch.from_numpy(self._labels[served].astype(np.int64)),
            "clip_id": self._clip_ids.take(pa.array(served)).to_pylist(),
            "condition": names if has_views else [name for [name] in names],
            "position": torch.from_numpy(made.batch.position),
            "epoch": epoch,
            "consumed": consumed,
        }
        if self._provenance:
            rows = [
                [self._provenance_of(number, clip) for number in row] for row, clip in zip(condition.tolist(), served.tolist(), strict=True)
            ]
            told["provenance"] = rows if has_views else [row for [row] in rows]
        if self._replaces:
            planned = self._clip_ids.take(pa.array(made.batch.clip)).to_pylist()
            told["replaced"] = [name if there != here else None for name, there, here in zip(planned, made.batch.clip, served, strict=True)]
        return told

    def _provenance_of(self, condition: int, clip: int) -> dict[str, Any]:
        of = self._bitstreams[condition]
        return {
            "condition": of.condition,
            "shard": of.path(clip),
            "sha256": of.sha256[clip].tobytes().hex(),
            "kbps": float(of.size[clip]) * 8e-3 * self._meta.rate / self._samples,
            "settings": of.meta.settings,
            "generations": Condition.parse(of.condition).generations,
            "steps": [step.model_dump() for step in of.meta.steps],
        }


def _ranks(told: tuple[int, int] = (0, 1)) -> tuple[int, int]:
    """This process's rank and the number of ranks: of the process group, as torchrun tells its children and theirs, or as told."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return int(os.environ.get("RANK", told[0])), int(os.environ.get("WORLD_SIZE", told[1]))


def _windows(plan: PlanLike, epoch: int) -> int | None:
    """Windows of shards that an epoch goes through, None where it has none."""
    found = plan.epoch(epoch).windows if isinstance(plan, Plan) else None
    return None if found is None else found.windows


def _label_numbers(store: Store) -> np.ndarray:
    """Each clip's place in the store's labels."""
    numbers = pc.index_in(store.clips["label"], value_set=pa.array(store.meta.labels, pa.string()))
    return np.asarray(numbers).astype(np.min_scalar_type(len(store.meta.labels)))


def _samples(store: Store, plan: PlanLike) -> int:
    """Samples of each clip of a plan. Raises StoreError where they differ, for they could not be stacked."""
    lengths = np.unique(store.clips["samples"].to_numpy()[plan.clips])
    if len(lengths) > 1:
        raise StoreError(
            f"store {store.url}: its clips have {len(lengths)} lengths, from {lengths[0]} to {lengths[-1]} samples, and a batch needs one; "
            "cut them to one length and build again"
        )
    return int(lengths[0])
