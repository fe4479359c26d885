"""The shuffle in buckets: batches of clips of similar length, so that little of a batch is padding.

The epoch is shuffled as always, and its positions are cut into buckets. Inside a bucket, rows are
sorted by the length of their clips and cut into batches, the batches are shuffled, and so are the
rows of each:

    shuffled lengths   7 2 9 3 | 8 1 4 6 | 5 2 7      buckets of 4, batches of 2
    sorted             2 3 7 9 | 1 4 6 8 | 2 5 7
    batches shuffled   7 9 2 3 | 1 4 6 8 | 2 5 7
    rows shuffled      7 9 3 2 | 4 1 8 6 | 5 2 7

Ranks take slices of a batch. If its rows stayed sorted, the first rank would always have the
shortest clips and the last rank the longest.

So it is a bijection of the positions: what an epoch has does not change. Rows that fill no batch
stay where they are, at the end, whatever their length: a stream that drops the last batch must not
always drop the longest clips.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from streamaug.keys import derived_key
from streamaug.planning.permutation import permute, permute_one

_KEPT = 8
"""Buckets of which the order is cached: for a batch and what follows it."""


@dataclass(frozen=True, kw_only=True)
class Buckets:
    """The rows of an epoch in buckets.

    Args:
        rows: Rows of the epoch.
        size: Rows of a bucket, a multiple of `batch`.
        batch: Rows of a batch.
        key: Names the shuffles.
        lengths: From positions of the shuffled epoch, int64 of shape (n,), to the samples of their
            clips.

    >>> lengths = np.array([7, 2, 9, 3, 8, 1, 4, 6, 5, 2, 7])
    >>> buckets = Buckets(rows=11, size=4, batch=2, key=3, lengths=lengths.__getitem__)
    >>> lengths[buckets.sources(np.arange(11))].tolist()
    [7, 9, 3, 2, 4, 1, 8, 6, 5, 2, 7]
    """

    rows: int
    size: int
    batch: int
    key: int
    lengths: Callable[[np.ndarray], np.ndarray]
    _orders: dict[int, np.ndarray] = field(default_factory=dict, init=False, repr=False, compare=False)

    def sources(self, positions: np.ndarray) -> np.ndarray:
        """Positions in the shuffled epoch of the rows that come at positions, int64 of shape (n,)."""
        sources = positions.copy()
        inside = np.flatnonzero(positions < self.rows // self.batch * self.batch)
        buckets, which = np.unique(positions[inside] // self.size, return_inverse=True)
        by_bucket = np.argsort(which, kind="stable")
        bounds = np.searchsorted(which[by_bucket], np.arange(len(buckets) + 1))
        for number, bucket in enumerate(buckets.tolist()):
            rows = inside[by_bucket[bounds[number] : bounds[number + 1]]]
            batch, index = np.divmod(positions[rows] - bucket * self.size, self.batch)
            batches, order = self._batches(bucket), self._order(bucket)
            key = derived_key(self.key, bucket)
            sorted_batch = permute(batch, batches, key)
            sorted_index = permute(index, self.batch, derived_key(key, sorted_batch))
            sources[rows] = bucket * self.size + order[sorted_batch * self.batch + sorted_index]
        return sources

    def source(self, position: int) -> int:
        """The same as `sources` for one position."""
        if position >= self.rows // self.batch * self.batch:
            return position
        bucket, place = divmod(position, self.size)
        batch, index = divmod(place, self.batch)
        key = derived_key(self.key, bucket)
        batch = permute_one(batch, self._batches(bucket), key)
        index = permute_one(index, self.batch, derived_key(key, batch))
        return bucket * self.size + int(self._order(bucket)[batch * self.batch + index])

    def _batches(self, bucket: int) -> int:
        """Whole batches of a bucket."""
        return min(self.size, self.rows - bucket * self.size) // self.batch

    def _order(self, bucket: int) -> np.ndarray:
        """The places in a bucket in the order of their lengths, equal ones by place; the last few
        buckets are cached."""
        order = self._orders.get(bucket)
        if order is None:
            first = bucket * self.size
            order = np.argsort(self.lengths(first + np.arange(self._batches(bucket) * self.batch)), kind="stable")
            while len(self._orders) >= _KEPT:
                self._orders.pop(next(iter(self._orders)), None)
            self._orders[bucket] = order
        return order
