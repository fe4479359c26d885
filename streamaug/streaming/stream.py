"""The stream: carries a plan out, batch by batch, the same on any number of threads, workers and
ranks."""

import copy
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from multiprocessing.context import get_spawning_popen
from typing import Any, Literal, Self

import torch
from torch.utils.data import IterableDataset, get_worker_info

from streamaug.crop import Crop
from streamaug.errors import AugmentError, LinkError, RecipeError, StateError, StoreError, StreamaugError
from streamaug.features.base import cache_text
from streamaug.links import open_links
from streamaug.planning.leakage import warn_of_leakage
from streamaug.planning.open_plan import replan
from streamaug.planning.sequential import PlanLike, SequentialPlan
from streamaug.reading.cache import CacheBackend
from streamaug.recipes import Recipe
from streamaug.store.catalogue import StoreArgument, StoreLike, named_stores, on_snapshot, open_store, snapshot_names, snapshot_of
from streamaug.streaming.assembly import OpenedStore, StreamSettings, build_pipeline, open_cache
from streamaug.streaming.augment import AugmentFeatures, AugmentWaveform, open_augmentation
from streamaug.streaming.batch import make_batch
from streamaug.streaming.batches import Batch
from streamaug.streaming.callers import is_shared_again, loads_out_of_order, stacks_batches
from streamaug.streaming.columns import check_columns, check_distinct
from streamaug.streaming.cropping import crop_words
from streamaug.streaming.cursor import Cursor, Iteration
from streamaug.streaming.device import open_device
from streamaug.streaming.evaluation import warn_of_ranks
from streamaug.streaming.losses import Losses
from streamaug.streaming.metrics import Counters, StreamMetrics
from streamaug.streaming.opened_features import OpenedFeatures
from streamaug.streaming.partition import LastBatch, RankPartition
from streamaug.streaming.pipeline import Pipeline, Substitutes
from streamaug.streaming.planned import plan_of, read_recipe, store_of, substitutes, windows_of
from streamaug.streaming.shared_arrays import SharedArrays
from streamaug.streaming.state import State
from streamaug.streaming.steps import Steps
from streamaug.streaming.workers import Workers


class Stream(IterableDataset[dict[str, Any]]):
    """Whole batches of a plan: iterate it as it is, or under `DataLoader(stream, batch_size=None)`.

    One iteration is one epoch of the plan, the next iteration the next epoch; after
    `load_state_dict` the first one is the rest of an epoch. A batch is a dictionary, of this rank's
    n rows:

        logmel       float32 (n, 3, mels, frames); or one entry for each of `features`, under its name
        length       int64 (n,), samples of each row that are sound, not zeros that fill it up
        frames       int64 (n,), frames of each row's feature; if `features` is a mapping, one such tensor per key
        label        int64 (n,), index in the store's labels; or, as the store has it:
        labels       float32 (n, classes), 1 for each of a clip's labels, else 0
        target       float32 (n,), numbers to be learned; no such entry if the store has no targets
        clip_id      list of n names
        condition    list of n names
        store        of a stream of several stores: list of n names
        position     int64 (n,), the rows' positions in the epoch; from the epoch's size on they are padding
        epoch        number of the epoch
        consumed     rows of the epoch, over all ranks, that are consumed with this batch; -1 if nobody can know
        provenance   if requested: list of n dictionaries, how each bitstream was made
        lost         with lost=True: bool (n, samples), the samples that were made without the packets they came in
        replaced     with on_corrupt="replace": list of n, the broken clip that this row stands in for, or None
        any other    one entry for each of `columns`, under its name: a tensor (n,) of numbers or truth values, or a list of n

    In a store of two channels, features have shape (n, 2, ...): each is computed per channel. With
    views they have shape (n, views, ...), and `condition` and `provenance` hold a list for each row.

    Clips may have any length. A feature is computed of each row's own samples; then zeros fill the
    rows up, at the end of the last axis, to the longest of this rank's batch. Only the last axis of
    a feature may depend on the length. `frames` leaves out features whose last axis does not, or
    whose last axis is samples, which `length` counts.

    Args:
        recipe: A recipe, its path, a dictionary with a recipe's keys, or a plan.
        store: A store, or its path or URL. For a recipe with several stores, a mapping of their
            names to these, or a `Catalogue`. Default: the recipe's `stores`.
        split: Clips to draw from: `train`, or a choice on a column such as `fold=1,2`. Default:
            `train`, or the plan's.
        seed: Seed for all shuffles. Default: 0, or the plan's.
        batch_size: Rows of a global batch, which the ranks share.
        features: `logmel`, `static`, `waveform` or another registered name; a Feature such as
            `LogMel(mels=64)`; a module or function on a waveform; or a mapping of batch keys to
            several of these.
        crop: A `Crop`, the part that is taken of each clip. Default: all of it.
        workers: Number of decode processes, which start with the first batch. Default: one per
            core; threads where there is one core, and inside a DataLoader worker. Also a name in
            the entry-point group `streamaug.workers`: `processes` or `threads`; or a function that
            makes `Workers` from their number.
        threads: Number of threads of this process to decode in, instead of processes.
        tail: What happens to an incomplete last batch: `drop`, `pad` or `keep`, see `LastBatch`.
        rank, world: Default: from torch.distributed, else from RANK and WORLD_SIZE.
        feature_cache: Cache, or folder on a local disk, for features.
        byte_cache: The same for bitstreams of a store that is not on a local disk.
        on_corrupt: `raise`, or `replace` a broken clip by the epoch's next one of the same
            condition and label, or the same labels; of the same condition alone if the store has
            numbers or nothing to learn.
        provenance: Whether batches say how each bitstream was made.
        lost: Whether batches say which samples were lost on a link, such as those of
            `opus-voip_24~loss10`. Not with a feature cache.
        columns: Columns of the clips table to put into the batch. Whole numbers become int64, others
            float64 (float32 if the table has that), NaN where one is missing; truth values bool; all
            else, such as text, a list, None where one is missing. In a table that was a CSV, a column
            has numbers if all its values are, written without leading zeros.
        deadline: Seconds that a remote read may take, all tries together.
        device: Where the tensors of a batch go, such as `cuda`; they are copied while the training
            step before computes. Without a feature cache, a CUDA device computes `logmel` and
            `static` by itself from waveforms; the numbers differ from a processor's in their last
            digits. Default: they stay in memory.
        rate: Sample rate in Hz that whole clips are resampled to after decoding: n samples then
            become n * rate / (the store's rate), rounded up. Default: the store's.
        augment: Random augmentation of waveforms, `augment(waveform, rate, generator, row)`:
            float32 (samples,), or (2, samples) of a store with two channels; a NumPy generator that
            is seeded for the row; and an `AugmentRow`. It gives a waveform of the same shape. Not with a feature cache.
        augment_features: The same for features, `augment_features(features, rate, generator,
            row)`: a dictionary from batch keys to tensors. After the feature cache. With a CUDA
            device, the workers compute the features then.

    Raises:
        RecipeError, LeakageError, StoreError, FeatureError, AugmentError: The arguments do not fit
            together.
        CorruptError, FetchError, FeatureError, AugmentError: While iterating; they name store,
            shard and clip.
    """

    def __init__(
        self,
        recipe: str | os.PathLike[str] | Mapping[str, Any] | Recipe | PlanLike,
        store: StoreArgument | None = None,
        *,
        split: str | None = None,
        seed: int | None = None,
        batch_size: int = 64,
        features: Any = "logmel",
        crop: Crop | None = None,
        workers: int | str | Callable[[int], Workers] | None = None,
        threads: int | None = None,
        tail: LastBatch = "drop",
        rank: int | None = None,
        world: int | None = None,
        feature_cache: CacheBackend | str | os.PathLike[str] | None = None,
        byte_cache: CacheBackend | str | os.PathLike[str] | None = None,
        on_corrupt: Literal["raise", "replace"] = "raise",
        provenance: bool = False,
        lost: bool = False,
        columns: Sequence[str] = (),
        deadline: float = 60.0,
        device: str | torch.device | None = None,
        rate: int | None = None,
        augment: AugmentWaveform | None = None,
        augment_features: AugmentFeatures | None = None,
    ) -> None:
        recipe = read_recipe(recipe)
        opened = store_of(recipe, store)
        plan = plan_of(recipe, opened, split, seed, batch_size)
        self._settings = StreamSettings(
            workers=workers,
            threads=threads,
            feature_cache=open_cache(feature_cache),
            byte_cache=open_cache(byte_cache),
            on_corrupt=on_corrupt,
            provenance=provenance,
            deadline=deadline,
            device=open_device(device),
            augmentation=open_augmentation(plan.identity.seed, augment, augment_features),
            crop=crop,
            rate=rate,
            lost=lost,
        )
        losses = Losses.of(plan)
        if feature_cache is not None and losses.links and losses.seed is not None:
            raise LinkError(
                f"a feature cache cannot keep what link '{next(iter(losses.links))}' loses, which is something else in every epoch; leave "
                "feature_cache out, or the conditions with links"
            )
        self._cursor = Cursor(RankPartition(batch_size=batch_size, tail=tail), rank=rank, world=world, stores=len(named_stores(opened)))
        self._cursor.rank_slice()  # refuses a batch that the ranks cannot share
        self._tables = SharedArrays((plan, OpenedStore.of(opened, plan, check_columns(columns, opened))))
        self._features_argument = features
        self._features = self._open_features(self._opened, plan)
        check_distinct(self._opened.columns, self._features.by_key)
        if self._settings.feature_cache is not None:
            for feature in self._features.by_key.values():
                cache_text(feature)  # refuses what a cache cannot tell apart
        self._counters = Counters()
        self._running: Pipeline | None = None
        self._pid = os.getpid()
        self._is_in_order = True
        if self.batches(0) == 0 and tail != "keep":
            raise StreamaugError(
                f"an epoch has {self.plan.epoch_size(0)} rows, fewer than one batch of {batch_size}; "
                "use a smaller batch_size, or tail='pad' or 'keep'"
            )

    @classmethod
    def evaluation(
        cls,
        store: StoreArgument,
        condition: str,
        *,
        split: str = "evaluate",
        tail: LastBatch = "keep",
        links: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> "Stream":
        """Every clip of a split once, in one condition, in the order of the clips table; the same
        in every epoch.

        Args:
            store: A store, or its path or URL; or several, as `Stream` takes them.
            condition: Such as `original` or `mp3_64`; of several stores `esc:mp3_64`. On a link, such as
                `opus-voip_24~loss10`, a clip always loses the same packets.
            split: Clips to serve. If it shares clips or groups with the rest of the store, a
                `LeakageWarning` says so.
            tail: What happens to an incomplete last batch.
            links: The links that the condition may name, as a recipe has them: `{"loss10": {"loss": 0.1}}`;
                or those of a recipe. Default: presets alone.
            settings: Other arguments of `Stream`, except random augmentation. Under several ranks
                give rank and world: `rank=0, world=1` if this rank alone evaluates; without them
                each rank gets its share of the clips, and a warning says so. A crop is at the
                `start` or in the `centre`.

        Raises:
            AugmentError: Random augmentation.
            StreamaugError: A random crop, which would be another in every epoch.
            LinkError: The link is not defined, or the condition cannot have one.
        """
        for name in ("augment", "augment_features"):
            if settings.get(name) is not None:
                raise AugmentError(
                    f"{name} would change what is evaluated from epoch to epoch; leave it out, and put what is not random into features"
                )
        crop = settings.get("crop")
        if isinstance(crop, Crop) and crop.where == "random":
            raise StreamaugError(
                "an evaluation is the same in every epoch, and a random crop is not; write Crop(..., where='start') or 'centre', or leave "
                "crop out"
            )
        opened = open_store(store)
        stream = cls(SequentialPlan.of(opened, [condition], split, links=open_links(links)), opened, split=split, tail=tail, **settings)
        warn_of_leakage(opened, split)
        if settings.get("rank") is None or settings.get("world") is None:
            warn_of_ranks(stream._cursor.rank_slice())
        return stream

    @property
    def plan(self) -> PlanLike:
        """What is served."""
        return self._tables.value[0]

    @property
    def _opened(self) -> OpenedStore:
        return self._tables.value[1]

    @property
    def labels(self) -> tuple[str, ...]:
        """The store's labels, or those of all stores, store by store in the order of the names;
        `label` in a batch is an index into them, and `labels` has one column for each. Empty if
        clips have none."""
        return self._opened.manifest.labels

    def batches(self, epoch: int) -> int:
        """Global batches of an epoch; with tail `keep` the last one may leave some ranks without
        rows."""
        return self._cursor.rank_slice().batches(0, self.plan.epoch_size(epoch))

    def __len__(self) -> int:
        """This rank's batches in the epoch that is being served, or served next; schedules give
        epochs of different lengths."""
        _refuse_accelerate()
        return self.rank_batches(self._cursor.epoch)

    def rank_batches(self, epoch: int, first: int = 0) -> int:
        """This rank's batches in an epoch.

        Args:
            epoch: Number of the epoch, from 0.
            first: Row of the epoch to count from. Default: all of the epoch.
        """
        self._follow()
        partition, rows = self._cursor.rank_slice(), self.plan.epoch_size(epoch)
        batches = partition.batches(first, rows)
        is_last_empty = batches > 0 and not len(partition.positions(batches - 1, first, rows))
        return batches - is_last_empty

    def __iter__(self) -> Iterator[dict[str, Any]]:
        _refuse_accelerate()
        if stacks_batches():
            raise StreamaugError(
                "this DataLoader would stack whole batches; write DataLoader(stream, batch_size=None), or StreamLoader(stream), and give "
                "the number of rows as Stream(batch_size=...)"
            )
        if self._settings.device is not None and get_worker_info() is not None:
            raise StreamaugError(
                f"DataLoader workers cannot bring batches to {self._settings.device}; leave num_workers out, since the stream decodes in "
                "processes of its own, or leave device out"
            )
        self._follow()
        if get_worker_info() is None:
            return self._epoch()  # which begins with its first batch: Lightning makes iterators that it does not use
        self._is_in_order = self._is_in_order and not loads_out_of_order()
        return self._serve(self._cursor.begin())

    def _epoch(self) -> Iterator[dict[str, Any]]:
        yield from self._serve(self._cursor.begin())

    def _serve(self, iteration: Iteration) -> Iterator[dict[str, Any]]:
        """This process's batches of an iteration."""
        rows = self.plan.epoch_size(iteration.epoch)
        find: Substitutes | None = None
        if self._settings.on_corrupt == "replace":
            find = partial(substitutes, self.plan, self._opened, iteration.epoch)
        for decoded in self._pipeline().run(self._planned(iteration, rows), find):
            batch = make_batch(decoded, self._opened, self._features, self.plan, self._settings)
            batch["epoch"] = iteration.epoch
            consumed = self._cursor.advance(iteration, decoded.batch.number, rows)
            batch["consumed"] = consumed if self._is_in_order else -1
            yield batch
        self._cursor.finish(iteration)

    def _planned(self, iteration: Iteration, rows: int) -> Iterator[Batch]:
        """Every `workers`-th batch of an iteration, beginning with the one whose number is this
        worker's."""
        partition, windows = self._cursor.rank_slice(), windows_of(self.plan, iteration.epoch)
        for number in range(iteration.worker, partition.batches(iteration.first, rows), iteration.workers):
            position = partition.positions(number, iteration.first, rows)
            if len(position):
                row = position % rows
                drawn = self.plan.rows(iteration.epoch, row)
                window = None if windows is None else int(position[0]) * windows // rows
                yield Batch(
                    number=number,
                    position=position,
                    condition=drawn.condition,
                    clip=drawn.clip,
                    epoch=iteration.epoch,
                    row=row,
                    words=crop_words(self.plan.identity.seed, iteration.epoch, row),
                    window=window,
                )

    def state_dict(self) -> dict[str, Any]:
        """The position after the last batch that this stream gave, for JSON.

        Raises:
            StateError: DataLoader workers serve the stream; see `state_after`.
        """
        if self._cursor.is_ahead:
            raise StateError(
                "DataLoader workers prepare batches ahead and cannot know which are consumed; use 'stream.state_after(batch)' "
                "with the last one that was, or torchdata's StatefulDataLoader"
            )
        return self.position_dict()

    def position_dict(self) -> dict[str, Any]:
        """The position where the next iteration begins, or after the last batch that this process
        gave, for JSON.

        Unlike `state_dict` it does not mind DataLoader workers: a loader that counts their batches
        asks for it.
        """
        self._follow()
        epoch, rows = self._cursor.position
        return self._state(epoch, rows)

    def next_position_dict(self) -> dict[str, Any]:
        """The position where the next iteration will begin, for JSON."""
        self._follow()
        epoch, rows = self._cursor.upcoming
        return self._state(epoch, rows)

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be an epoch, whole; after `load_state_dict` in the middle of it,
        the rest of it.

        Args:
            epoch: Number of the epoch, from 0.

        Raises:
            StateError: The epoch is below 0, or this is a DataLoader worker.
        """
        self._cursor.set_epoch(epoch)

    def steps(self, count: int) -> Steps:
        """So many batches over as many epochs as it takes; see `Steps`.

        Args:
            count: Number of batches.
        """
        return Steps(self, count)

    def state_after(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """The position after a batch, on all ranks, wherever the batch was made.

        Args:
            batch: As this stream gave it.
        """
        self._follow()
        epoch, consumed = int(batch["epoch"]), int(batch["consumed"])
        if consumed < 0:
            raise StateError(
                "a DataLoader with in_order=False hands batches over out of order, so no position is exact; leave in_order out, or train "
                "without saving positions"
            )
        if self._cursor.rank_slice().is_last(consumed, self.plan.epoch_size(epoch)):
            epoch, consumed = epoch + 1, 0
        return self._state(epoch, consumed)

    def follows(self, state: Mapping[str, Any], batch: Mapping[str, Any]) -> bool:
        """Whether a batch is the one after a position: for trainers that check what they read.

        Args:
            state: From `state_dict` or `state_after`.
            batch: As this stream gave it.

        Raises:
            StateError: Batches come out of order, or the state is one of another plan.
        """
        self._follow()
        saved = State.from_dict(state, self.plan.identity)
        end = self._cursor.rank_slice().end(0, saved.rows, self.plan.epoch_size(saved.epoch))
        self.state_after(batch)  # refuses batches that come out of order
        return (int(batch["epoch"]), int(batch["consumed"])) == (saved.epoch, end)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Resume at a saved position with the next iteration, on any number of ranks, workers and
        threads.

        If a build has changed the rows since, the stream resumes on the snapshot that the position
        was saved on, as long as it is kept.

        Args:
            state: From `state_dict` or `state_after`.

        Raises:
            StateError: It belongs to another recipe, store, split or seed, or to a snapshot that
                was pruned; the difference is named.
            FeatureError: A feature does not fit the clips of that snapshot.
        """
        self._follow()
        try:
            saved = State.from_dict(state, self.plan.identity)
        except StateError as error:
            store, plan = self._on_snapshot(state, error)
            saved = State.from_dict(state, plan.identity)
            self._go_over(store, plan)
            self._cursor.go_over(snapshot_names(store))
        self._cursor.set(saved.epoch, saved.rows)

    def _follow(self) -> None:
        """Go over to the snapshot of a position that another process of this stream has loaded:
        workers may live longer than a plan, and with torchdata it is they who load."""
        snapshots = self._cursor.snapshots
        if snapshots not in (None, snapshot_names(self._opened.store)):
            store = on_snapshot(self._opened.store, snapshot_of(self._opened.store, snapshots))
            self._go_over(store, replan(self.plan, store))

    def _go_over(self, store: StoreLike, plan: PlanLike) -> None:
        self.close()
        columns = check_columns(tuple(self._opened.columns), store)
        opened = OpenedStore.of(store, plan, columns)
        self._features = self._open_features(opened, plan)  # the clips of this snapshot may have other lengths
        self._tables = SharedArrays((plan, opened))

    def _open_features(self, opened: OpenedStore, plan: PlanLike) -> OpenedFeatures:
        cropping = opened.cropping(self._settings.crop, self._settings.rate)
        return OpenedFeatures.of(self._features_argument, cropping, plan.clips, opened.clip_ids, channels=opened.channels)

    def _on_snapshot(self, state: Mapping[str, Any], error: StateError) -> tuple[StoreLike, PlanLike]:
        """The snapshot that a position names, and the plan on it; raises `error` if there is
        none."""
        opened = self._opened.store
        snapshot: Any = state.get("snapshot") if isinstance(state, Mapping) else None
        if not isinstance(snapshot, str | Mapping) or snapshot == opened.snapshot:
            raise error
        try:
            store = on_snapshot(opened, snapshot)
            return store, replan(self.plan, store)
        except (StoreError, RecipeError) as reason:
            raise StateError(f"{error}. The store as it was when the position was saved cannot be opened: {reason}") from error

    def _state(self, epoch: int, rows: int) -> dict[str, Any]:
        return State(identity=self.plan.identity, snapshot=self._opened.store.snapshot, epoch=epoch, rows=rows).to_dict()

    @property
    def metrics(self) -> StreamMetrics:
        """What the stream has done and what it waits for, in this process since its first batch."""
        return self._own_counters().metrics()

    @property
    def cached(self) -> dict[str, int]:
        """How many of the clips in all their conditions each cache holds, as this process found at
        its last epoch's start or end."""
        own = self._running is not None and self._pid == os.getpid()
        return {name: cache.count for name, cache in self._running.caches.items()} if own and self._running else {}

    @property
    def figures(self) -> StreamMetrics:
        """Deprecated name of `metrics`."""
        warnings.warn("Stream.figures is now called Stream.metrics", DeprecationWarning, stacklevel=2)
        return self.metrics

    @property
    def kept(self) -> dict[str, int]:
        """Deprecated name of `cached`."""
        warnings.warn("Stream.kept is now called Stream.cached", DeprecationWarning, stacklevel=2)
        return self.cached

    def close(self) -> None:
        """End this process's threads and connections; iterating again starts new ones."""
        running, self._running = self._running, None
        if running is not None and self._pid == os.getpid():
            running.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        _refuse_accelerate()
        # Threads and locks do not travel. A spawned worker does not see the DataLoader that starts
        # it, so it is looked at here.
        is_in_order = self._is_in_order and not loads_out_of_order()
        # A shallow copy, too, goes its own way.
        cursor = self._cursor if get_spawning_popen() is not None else copy.copy(self._cursor)
        return {**self.__dict__, "_cursor": cursor, "_running": None, "_counters": None, "_is_in_order": is_in_order}

    def _own_counters(self) -> Counters:
        """This process's counters: another one's stay with it."""
        if self._pid != os.getpid() or self._counters is None:
            self._pid, self._running, self._counters = os.getpid(), None, Counters()
        return self._counters

    def _pipeline(self) -> Pipeline:
        """This process's stages: the threads and connections of another are of no use to one that
        was forked."""
        counters = self._own_counters()
        if self._running is None:
            self._running = build_pipeline(self._opened, self._features, self._settings, Losses.of(self.plan), counters)
        return self._running


def _refuse_accelerate() -> None:
    """Raise StreamaugError if a loader of accelerate asks."""
    if is_shared_again():
        raise StreamaugError(
            "accelerate would share the rows of this stream among the ranks again; keep its loader out of accelerator.prepare(), and write "
            "streamaug.integrations.accelerate.prepare(accelerator, StreamLoader(stream)), or StreamTrainer instead of Trainer"
        )
