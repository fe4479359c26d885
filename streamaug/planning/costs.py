"""What an epoch of a plan costs to read, known before it is read."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from streamaug.planning import Plan
from streamaug.reading.locations import BitstreamLocations
from streamaug.store import Store

MELS, HOP, FLOAT16 = 128, 1024, 2


@dataclass(frozen=True, kw_only=True)
class EpochCost:
    """Of some epochs of a plan.

    seconds: of audio shown, each view counted. read_bytes: bytes of bitstreams, were nothing cached. requests: a row each, or where a
    window is read a stretch of a shard each. bitstreams, features: bytes that caches of all that the epochs show would take,
    of bitstreams as they lie in the store and of their log-mel spectrograms as float16.
    """

    seconds: float
    read_bytes: int
    requests: int
    bitstreams: int
    features: int


def estimate(plan: Plan, store: Store, conditions: Sequence[BitstreamLocations], epochs: Iterable[int]) -> EpochCost:
    """Add up some epochs. conditions: one for each of plan.conditions, in their order."""
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
