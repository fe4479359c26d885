"""Build the stages of a stream in this process from its settings."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from torch.utils.data import get_worker_info

from streamaug import plugins
from streamaug.codecs import decoder_version
from streamaug.codecs.decoding import plugin_codec
from streamaug.errors import StoreError, StreamaugError
from streamaug.features.base import Feature, cache_text
from streamaug.machine import cores_per_rank
from streamaug.planning.sequential import PlanLike
from streamaug.reading.cache import Cache, CacheBackend, CacheView
from streamaug.reading.fetch import Fetcher
from streamaug.reading.locations import BitstreamLocations
from streamaug.reading.segments import CacheError
from streamaug.store import Store
from streamaug.store.folder import Folder
from streamaug.store.manifest import Manifest
from streamaug.streaming.metrics import Counters
from streamaug.streaming.pipeline import ClipFormat, Pipeline
from streamaug.streaming.source import Source
from streamaug.streaming.workers import Workers

WORKERS = "streamaug.workers"
"""Entry-point group: names to kinds of workers, each called with the number of workers."""


@dataclass(frozen=True, kw_only=True)
class StreamSettings:
    """How a stream carries its plan out; none of it changes the rows.

    Args:
        threads: Number of decoding workers. None: one per core, divided among DataLoader workers.
        workers: Name of a kind of workers in the entry-point group `streamaug.workers`, or what
            makes some from their number.
        feature_cache: Keeps features.
        byte_cache: Keeps bitstreams of a remote store.
        on_corrupt: What happens to a broken clip.
        provenance: Whether batches say how each bitstream was made.
        deadline: Seconds that a remote read may take, all tries together.
    """

    threads: int | None = None
    workers: str | Callable[[int], Workers] = "threads"
    feature_cache: CacheBackend | None = None
    byte_cache: CacheBackend | None = None
    on_corrupt: Literal["raise", "replace"] = "raise"
    provenance: bool = False
    deadline: float = 60.0

    def __post_init__(self) -> None:
        if self.threads is not None and (not isinstance(self.threads, Integral) or self.threads < 1):
            raise StreamaugError(f"threads={self.threads!r}: write 1 or more, or leave it out for one per core")
        if isinstance(self.workers, str):
            plugins.find(WORKERS, self.workers)  # raises for a name that is not installed
        elif not callable(self.workers):
            raise StreamaugError(
                f"workers={self.workers!r}: write one of {', '.join(plugins.names(WORKERS))}, or a function that makes workers from their "
                "number; 'threads' sets the number"
            )
        if self.on_corrupt not in ("raise", "replace"):
            raise StreamaugError(f"on_corrupt={self.on_corrupt!r}: write 'raise' or 'replace'")
        if not isinstance(self.deadline, Real) or not self.deadline > 0:
            raise StreamaugError(f"deadline={self.deadline!r}: write the seconds that a remote read may take")


@dataclass(frozen=True, kw_only=True)
class OpenedStore:
    """What a stream keeps of its store: little, since it goes to every worker process.

    Args:
        folder: Where the store is.
        meta: Its name, labels and rate.
        locations: Of the bitstreams, for each condition of the plan.
        clip_ids: In the order of the clips table.
        labels: Of each clip, its index in the store's labels.
        samples: Samples of each clip.
    """

    folder: Folder
    manifest: Manifest
    locations: tuple[BitstreamLocations, ...]
    clip_ids: pa.Array
    labels: np.ndarray
    samples: int

    @classmethod
    def of(cls, store: Store, plan: PlanLike) -> "OpenedStore":
        """Read what a plan needs. Raises StoreError, CorruptError."""
        numbers = pc.index_in(store.clips["label"], value_set=pa.array(store.manifest.labels, pa.string()))
        return cls(
            folder=store.folder,
            manifest=store.manifest,
            locations=tuple(BitstreamLocations.read(store, name) for name in plan.conditions),
            clip_ids=store.clips["clip_id"].combine_chunks(),
            labels=np.asarray(numbers).astype(np.min_scalar_type(len(store.manifest.labels))),
            samples=_samples(store, plan),
        )


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


def build_pipeline(opened: OpenedStore, features: Mapping[str, Feature], settings: StreamSettings, counters: Counters) -> Pipeline:
    """The stages of a stream for this process; starts its workers.

    Raises CacheError, PluginError, FeatureError.
    """
    caches = _open_caches(opened, features, settings)
    source = Source(
        url=opened.folder.url,
        fetcher=Fetcher(opened.folder, deadline=settings.deadline),
        locations=opened.locations,
        clip_ids=opened.clip_ids,
        cache=caches.get("bitstreams"),
        counters=counters,
    )
    kind: Callable[[int], Workers] = plugins.find(WORKERS, settings.workers) if isinstance(settings.workers, str) else settings.workers
    return Pipeline(
        source,
        opened.locations,
        features,
        kind(settings.threads or _cores()),
        clip_format=ClipFormat(rate=opened.manifest.rate, samples=opened.samples),
        caches=caches,
        counters=counters,
        is_local=opened.folder.is_local,
    )


def _open_caches(opened: OpenedStore, features: Mapping[str, Feature], settings: StreamSettings) -> dict[str, CacheView]:
    caches: dict[str, CacheView] = {}
    if settings.byte_cache is not None and not opened.folder.is_local:
        largest = max(int(location.size.max()) for location in opened.locations)
        caches["bitstreams"] = settings.byte_cache.open("bitstreams", opened.locations, largest)
    if settings.feature_cache is not None:
        decodings = {location.meta.decoding for location in opened.locations}
        decoders = sorted(decoding.codec for decoding in decodings if decoding.demuxer is None)
        plug_ins = "".join(f", {name} {plugin_codec(name).version}" for name in decoders)
        for name, feature in features.items():
            kind = f"features {decoder_version()}{plug_ins} {cache_text(feature, opened.samples)}"
            largest = np.dtype(feature.stored_dtype).itemsize * math.prod(feature.stored_shape(opened.samples))
            caches[f"features/{name}"] = settings.feature_cache.open(kind, opened.locations, largest)
    return caches


def _cores() -> int:
    info = get_worker_info()
    return max(1, cores_per_rank() // (1 if info is None else info.num_workers))


def _samples(store: Store, plan: PlanLike) -> int:
    """Samples of each clip of a plan.

    Raises StoreError if they differ, for they could not be stacked.
    """
    lengths = np.unique(store.clips["samples"].to_numpy()[plan.clips])
    if not len(lengths):
        raise StreamaugError(f"the plan has no clips in store {store.url}; check split and recipe")
    if len(lengths) > 1:
        raise StoreError(
            f"store {store.url}: its clips have {len(lengths)} lengths, from {lengths[0]} to {lengths[-1]} samples, but a batch needs one; "
            "build the store with --seconds"
        )
    return int(lengths[0])
