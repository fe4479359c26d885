"""Which shard a clip goes to: the same one in every condition, whatever the number of workers."""

import hashlib
from collections.abc import Sequence

import numpy as np

SMALLEST, LARGEST = 16, 128
"""Clips a shard where none are asked for: an eighth of the clips that share a value of the column cut by, within these."""


def cut(ids: Sequence[str], values: Sequence[str], clips_per_shard: int | None = None, first: int = 0) -> np.ndarray:
    """Shard numbers of clips, int32 of shape (clips,), counted from `first`.

    values: of the column that the store is cut by; no shard mixes two. Inside a value clips are ordered by a hash of
    their id, so that a shard holds all labels, and cut into shards that differ by one clip at the most.

    >>> cut(["a", "b", "c", "d"], ["train", "evaluate", "train", "train"], clips_per_shard=2).tolist()
    [2, 0, 1, 1]
    """
    numbers = np.zeros(len(ids), np.int32)
    order = sorted(range(len(ids)), key=lambda row: (values[row], hashlib.sha256(ids[row].encode()).digest()))
    start = 0
    while start < len(order):
        stop = start
        while stop < len(order) and values[order[stop]] == values[order[start]]:
            stop += 1
        count = stop - start
        size = clips_per_shard or min(LARGEST, max(SMALLEST, -(-count // 8)))
        shards = -(-count // size)
        numbers[order[start:stop]] = first + np.arange(count) * shards // count
        first += shards
        start = stop
    return numbers
