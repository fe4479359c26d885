"""Estimate what an epoch of a plan costs to read, before it is read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from streamaug.planning import Plan
from streamaug.reading.locations import BitstreamLocations
from streamaug.store import Store

MELS, HOP, FLOAT16 = 128, 1024, 2


@dataclass(frozen=True, kw_only=True)
class EpochCost:
    """The cost of some epochs of a plan.

    Args:
        seconds: Seconds of audio, counting each view.
        read_bytes: Bytes of bitstreams to read, without any cache.
        requests: One per view, or with windows one per range of a shard that is read in one go.
        bitstreams: Bytes of a cache with all bitstreams of these epochs.
        features: Bytes of a cache with all log-mel spectrograms of these epochs, as float16.
    """

    seconds: float
    read_bytes: int
    requests: int
    bitstreams: int
    features: int


def estimate(plan: Plan, store: Store, conditions: Sequence[BitstreamLocations], epochs: Iterable[int]) -> EpochCost:
    """Add up the cost of some epochs.

    Args:
        plan: The plan.
        store: The store that it was opened on.
        conditions: Locations of the bitstreams of each of plan.conditions, in their order.
        epochs: Numbers of the epochs.
    """
    lengths = store.clips["samples"].to_numpy()
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
    spectrogram = MELS * (1 + lengths // HOP) * FLOAT16
    return EpochCost(
        seconds=samples / store.meta.rate,
        read_bytes=read_bytes,
        requests=requests,
        bitstreams=int(sizes[seen].sum()),
        features=int((seen.sum(axis=0) * spectrogram).sum()),
    )
