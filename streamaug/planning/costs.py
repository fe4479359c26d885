"""Estimate what an epoch of a plan costs to read, before it is read."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from streamaug.features import Feature, LogMel
from streamaug.planning import Plan
from streamaug.store.catalogue import StoreLike
from streamaug.store.locations import BitstreamLocations
from streamaug.store.rates import clip_lengths, highest_rate


@dataclass(frozen=True, kw_only=True)
class EpochCost:
    """The cost of some epochs of a plan.

    Args:
        seconds: Seconds of audio, counting each view.
        read_bytes: Bytes of bitstreams to read, without any cache.
        requests: One per view, or with windows one per range of a shard that is read in one go; the
            reader merges some, and cuts long ones, which `simulate_reads` counts.
        bitstreams: Bytes of a cache with all bitstreams of these epochs.
        features: Bytes of a cache with the feature of all clips and conditions of these epochs.
    """

    seconds: float
    read_bytes: int
    requests: int
    bitstreams: int
    features: int


def estimate(
    plan: Plan, store: StoreLike, conditions: Sequence[BitstreamLocations], epochs: Iterable[int], feature: Feature | None = None
) -> EpochCost:
    """Add up the cost of some epochs.

    Args:
        plan: The plan.
        store: The store that it was opened on.
        conditions: Locations of the bitstreams of each of plan.conditions, in their order.
        epochs: Numbers of the epochs.
        feature: What a cache keeps. Default: log-mel.
    """
    lengths = clip_lengths(store, plan.conditions)
    sizes = np.stack([condition.size for condition in conditions]).astype(np.int64)
    seen = np.zeros(sizes.shape, bool)
    samples = read_bytes = requests = 0
    for epoch in epochs:
        opened = plan.epoch(epoch)
        for shown, clips in opened.unordered_rows():
            samples += int(lengths[clips].sum()) * plan.views
            for view in range(plan.views):
                read_bytes += int(sizes[shown[:, view], clips].sum())
                seen[shown[:, view], clips] = True
        requests += opened.size * plan.views if opened.windows is None else opened.windows.sequential_reads * plan.views
    entry = _entry_bytes(feature or LogMel(deltas=False), lengths)
    return EpochCost(
        seconds=samples / highest_rate(store, plan.conditions),
        read_bytes=read_bytes,
        requests=requests,
        bitstreams=sum(int(sizes[rows[0], seen[rows].any(axis=0)].sum()) for rows in _by_bitstream(conditions)),
        features=int((seen.sum(axis=0) * entry).sum()),
    )


def _by_bitstream(conditions: Sequence[BitstreamLocations]) -> list[list[int]]:
    """The places of conditions, together if they read the same bitstreams: a link changes only what
    of them arrives."""
    places: dict[str, list[int]] = {}
    for place, condition in enumerate(conditions):
        places.setdefault(condition.name.removesuffix(f"~{condition.link}"), []).append(place)
    return list(places.values())


def _entry_bytes(feature: Feature, lengths: np.ndarray) -> np.ndarray:
    """Bytes that the stored form of each clip takes."""
    unique, index = np.unique(lengths, return_inverse=True)
    width = np.dtype(feature.stored_dtype).itemsize
    entry: np.ndarray = np.array([math.prod(feature.stored_shape(int(samples))) * width for samples in unique], np.int64)[index]
    return entry
