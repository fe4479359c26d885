"""Build the stages of a stream in this process from its settings."""

import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from torch.utils.data import get_worker_info

from streamaug import plugins
from streamaug.codecs import decoder_version
from streamaug.codecs.decoding import own_codec
from streamaug.crop import Crop
from streamaug.errors import AugmentError, FeatureError, StreamaugError
from streamaug.features.base import cache_text
from streamaug.machine import cores_per_rank
from streamaug.planning.sequential import PlanLike
from streamaug.reading.cache import Cache, CacheBackend, CacheView
from streamaug.reading.fetch import Fetcher
from streamaug.reading.segments import CacheError
from streamaug.store.catalogue import JoinedManifest, StoreLike, named_stores
from streamaug.store.folder import Folder
from streamaug.store.locations import BitstreamLocations, compact
from streamaug.store.manifest import Manifest
from streamaug.store.rates import clip_rates, common_channels, common_rate, used_stores
from streamaug.store.targets import Targets, open_targets
from streamaug.streaming.augment import Augmentation
from streamaug.streaming.columns import BatchColumn, open_columns
from streamaug.streaming.cropping import Cropping
from streamaug.streaming.decode import Processing
from streamaug.streaming.device import DeviceStage, split_features
from streamaug.streaming.joined_source import JoinedSource
from streamaug.streaming.losses import Losses
from streamaug.streaming.metrics import Counters
from streamaug.streaming.opened_features import OpenedFeatures
from streamaug.streaming.pipeline import Pipeline
from streamaug.streaming.processes import ProcessWorkers, pickle_processing
from streamaug.streaming.source import Source
from streamaug.streaming.workers import ThreadWorkers, Workers

WORKERS = "streamaug.workers"
"""Entry-point group: names to kinds of workers, each called with the number of workers."""


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """How a stream carries its plan out; none of it changes which rows there are.

    Args:
        workers: Number of decode processes; or the name of a kind of workers in the entry-point
            group `streamaug.workers`, or what makes some from their number. None: processes where
            they are worth it.
        threads: Number of threads to decode in instead, or of the workers that `workers` makes.
            None: one per core, divided among DataLoader workers.
        feature_cache: Keeps features.
        byte_cache: Keeps bitstreams of a remote store.
        on_corrupt: What happens to a broken clip.
        provenance: Whether batches say how each bitstream was made.
        deadline: Seconds that a remote read may take, all tries together.
        device: Where the batches go; None: they stay in memory.
        augmentation: What happens to each row at random; None: nothing.
        crop: What is taken of each clip; None for all of it.
        rate: Sample rate in Hz that clips are resampled to; None for the store's.
        lost: Whether batches say which samples were lost on a link.
    """

    workers: int | str | Callable[[int], Workers] | None = None
    threads: int | None = None
    feature_cache: CacheBackend | None = None
    byte_cache: CacheBackend | None = None
    on_corrupt: Literal["raise", "replace"] = "raise"
    provenance: bool = False
    deadline: float = 60.0
    device: torch.device | None = None
    augmentation: Augmentation | None = None
    crop: Crop | None = None
    rate: int | None = None
    lost: bool = False

    def __post_init__(self) -> None:
        for name, count in (("threads", self.threads), ("workers", self.workers)):
            is_kind = name == "workers" and (isinstance(count, str) or callable(count))
            if count is not None and not is_kind and not _is_count(count):
                raise StreamaugError(f"{name}={count!r}: write 1 or more, or leave it out for one per core")
        if isinstance(self.workers, str):
            plugins.find(WORKERS, self.workers)  # raises for a name that is not installed
        if self.threads is not None and (self.workers == "processes" or _is_count(self.workers)):
            raise StreamaugError(
                f"workers={self.workers!r}, threads={self.threads}: write workers={self.threads} for so many decode processes, or "
                f"threads={self.threads} for so many threads"
            )
        if self.rate is not None and not _is_count(self.rate):
            raise StreamaugError(f"rate={self.rate!r}: write a sample rate in Hz, such as 16000, or leave it out for the store's")
        if self.crop is not None and not isinstance(self.crop, Crop):
            raise StreamaugError(f"crop={self.crop!r}: write crop=Crop(seconds=...), with 'from streamaug import Crop'")
        if self.feature_cache is not None and self.crop is not None and self.crop.where == "random":
            raise StreamaugError(
                "a feature cache cannot keep random crops, which are others in every epoch; leave feature_cache out, or write "
                "Crop(..., where='start') or 'centre'"
            )
        if self.lost and self.feature_cache is not None:
            raise StreamaugError(
                "a feature cache does not keep which samples of a row were lost; leave feature_cache out, or write lost=False"
            )
        if self.on_corrupt not in ("raise", "replace"):
            raise StreamaugError(f"on_corrupt={self.on_corrupt!r}: write 'raise' or 'replace'")
        if not isinstance(self.deadline, Real) or not self.deadline > 0:
            raise StreamaugError(f"deadline={self.deadline!r}: write the seconds that a remote read may take")
        if self.augmentation is not None and self.augmentation.waveform is not None and self.feature_cache is not None:
            raise AugmentError(
                "augment changes waveforms at random, and feature_cache keeps what is made of them; leave one of them out, or write "
                "augment_features, which changes features after the cache"
            )


@dataclass(frozen=True, kw_only=True)
class OpenedStore:
    """What a stream keeps of its store: little, since it goes to every worker process.

    Args:
        store: The store, with nothing read.
        locations: Of the bitstreams, for each condition of the plan.
        clip_ids: In the order of the clips table.
        targets: What a model learns of each clip.
        samples: Of each clip.
        columns: Columns of the clips table that batches get.
        rates: Sample rate of each clip in Hz.
    """

    store: StoreLike
    locations: tuple[BitstreamLocations, ...]
    clip_ids: pa.Array
    targets: Targets
    samples: np.ndarray
    columns: Mapping[str, BatchColumn]
    rates: np.ndarray

    @classmethod
    def of(cls, store: StoreLike, plan: PlanLike, columns: Sequence[str] = ()) -> "OpenedStore":
        """Read what a plan needs, and some columns. Raises StoreError, CorruptError."""
        if not len(plan.clips):
            raise StreamaugError(f"the plan has no clips in store {store.url}; check split and recipe")
        return cls(
            store=store.unread(),
            locations=tuple(store.locations(name) for name in plan.conditions),
            clip_ids=store.clips["clip_id"].combine_chunks(),
            targets=open_targets(store.clips, store.manifest),
            samples=compact(store.clips["samples"].to_numpy()),
            columns=open_columns(store, columns, plan.clips),
            rates=clip_rates(store),
        )

    @property
    def manifest(self) -> Manifest | JoinedManifest:
        """What the store says of itself: its labels."""
        return self.store.manifest

    @property
    def conditions(self) -> list[str]:
        """The conditions of the plan."""
        return [location.name for location in self.locations]

    @property
    def channels(self) -> int:
        """Channels of the clips. Raises StoreError if those of the conditions' stores differ."""
        return common_channels(self.store, self.conditions)

    @property
    def folders(self) -> Mapping[str, Folder]:
        """Where each store is, by name; the name of a single one is empty."""
        return {name: store.folder for name, store in named_stores(self.store).items()}

    def cropping(self, crop: Crop | None, rate: int | None) -> Cropping:
        """A crop on the clips of this store, at another rate in Hz than the store's if it is given.

        Raises StoreError if none is given and the conditions' stores have different rates.
        """
        return Cropping(samples=self.samples, rates=self.rates, rate=rate or common_rate(self.store, self.conditions), crop=crop)


def open_cache(cache: CacheBackend | str | os.PathLike[str] | None) -> CacheBackend | None:
    """A cache as a user names it: a folder stands for a `Cache` there with the default bound.

    Raises:
        CacheError: It is neither a cache nor a folder.
    """
    if isinstance(cache, str | os.PathLike):
        return Cache(folder=Path(cache))
    if cache is not None and (isinstance(cache, type) or not callable(getattr(cache, "open", None))):
        raise CacheError(
            f"cache {cache!r} is neither a folder nor a cache; write the path of a folder, or streamaug.Cache(folder=..., bound=...)"
        )
    return cache


def build_pipeline(opened: OpenedStore, features: OpenedFeatures, settings: StreamSettings, losses: Losses, counters: Counters) -> Pipeline:
    """The stages of a stream for this process; starts its workers.

    Raises CacheError, PluginError, FeatureError.
    """
    computed = features.by_key
    stage = None
    if settings.device is not None:
        # What a cache keeps is computed where it is the same on every machine, and what is augmented
        # before it leaves the worker.
        stays = settings.feature_cache is not None or (settings.augmentation is not None and settings.augmentation.features is not None)
        computed, on_device = (computed, {}) if stays else split_features(computed, settings.device, opened.channels)
        stage = DeviceStage(settings.device, on_device)
    caches = _open_caches(opened, features, settings, losses)
    source = open_source(opened, caches.get("bitstreams"), settings.deadline, counters)
    fixed = frozenset(key for key, axis in features.last_axes.items() if axis == "fixed")
    processing = Processing(features=computed, fixed=fixed, augmentation=settings.augmentation, links=losses.links)
    workers = _start_workers(settings, processing)
    if settings.device is not None and settings.device.type == "cuda":
        workers.pin()
    return Pipeline(
        source,
        opened.locations,
        processing,
        workers,
        cropping=opened.cropping(settings.crop, settings.rate),
        losses=losses,
        clip_ids=opened.clip_ids,
        caches=caches,
        counters=counters,
        is_local=_are_local(opened),
        stage=stage,
    )


def open_source(opened: OpenedStore, cache: CacheView | None, deadline: float, counters: Counters) -> Source | JoinedSource:
    """What brings the bitstreams of a stream to this process.

    Args:
        opened: The store, or several.
        cache: Of bitstreams; None for none.
        deadline: Seconds that a remote read may take, all tries together.
        counters: Where reads and waits are counted.
    """
    sources = {
        name: Source(
            folder=folder,
            fetcher=Fetcher(folder, deadline=deadline),
            locations=opened.locations,
            clip_ids=opened.clip_ids,
            cache=cache,
            counters=counters,
        )
        for name, folder in opened.folders.items()
    }
    return sources[""] if "" in sources else JoinedSource(sources, opened.locations)


def open_bitstream_cache(opened: OpenedStore, backend: CacheBackend | None) -> CacheView | None:
    """The cached bitstreams of a stream; None without a cache, or if all its stores are on this
    machine's disk. Raises CacheError."""
    if backend is None or _are_local(opened):
        return None
    return backend.open("bitstreams", opened.locations, max(int(location.size.max()) for location in opened.locations))


def _is_count(number: Any) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool) and int(number) >= 1


def _start_workers(settings: StreamSettings, processing: Processing) -> Workers:
    """Start what decodes.

    By default these are processes, unless there is only one core and nothing is augmented, or this
    is a DataLoader worker: its siblings use the other cores.
    """
    count = settings.threads or _cores()
    if isinstance(settings.workers, str):
        kind: Callable[[int], Workers] = plugins.find(WORKERS, settings.workers)
        return kind(count)
    if callable(settings.workers):
        return settings.workers(count)
    if settings.workers is not None:
        return ProcessWorkers(settings.workers)
    is_single = count == 1 and processing.augmentation is None  # what augments may need generators that nobody else draws from
    if settings.threads is not None or is_single or get_worker_info() is not None:
        return ThreadWorkers(count)
    try:
        pickle_processing(processing)
    except FeatureError as error:
        warnings.warn(f"this stream decodes in threads, since {error}", stacklevel=2)
        return ThreadWorkers(count)
    return ProcessWorkers(count)


def _open_caches(opened: OpenedStore, features: OpenedFeatures, settings: StreamSettings, losses: Losses) -> dict[str, CacheView]:
    caches: dict[str, CacheView] = {}
    bitstreams = open_bitstream_cache(opened, settings.byte_cache)
    if bitstreams is not None:
        caches["bitstreams"] = bitstreams
    if settings.feature_cache is not None:
        decodings = {location.meta.decoding for location in opened.locations}
        own = sorted({f"{decoding.codec} {own_codec(decoding).version}" for decoding in decodings if decoding.demuxer is None})
        rates = {each.manifest.rate for each in used_stores(opened.store, opened.conditions).values()}
        resampled = "" if settings.rate is None or rates == {settings.rate} else f" at {settings.rate} Hz"
        locations = losses.entries(opened.locations, opened.clip_ids)
        for name, feature in features.by_key.items():
            kind = f"features {', '.join([decoder_version(), *own])}{resampled} {settings.crop or 'whole'} {cache_text(feature)}"
            largest = np.dtype(feature.stored_dtype).itemsize * math.prod(feature.stored_shape(features.lengths.longest))
            caches[f"features/{name}"] = settings.feature_cache.open(kind, locations, largest, samples=opened.samples)
    return caches


def _are_local(opened: OpenedStore) -> bool:
    """Whether all bitstreams are on this machine's disk."""
    return all(folder.is_local for folder in opened.folders.values())


def _cores() -> int:
    info = get_worker_info()
    return max(1, cores_per_rank() // (1 if info is None else info.num_workers))
