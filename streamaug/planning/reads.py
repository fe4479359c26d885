"""Count the requests of an epoch before it is read, with the reader's own rules for merging them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from streamaug.planning import Plan
from streamaug.reading.fetch import ByteRange, merge_reads
from streamaug.reading.grouping import grouped
from streamaug.store.locations import BitstreamLocations

BATCH = 64
"""Rows of a batch, where the recipe does not say. Groups end with a batch, and nothing else depends
on it."""

_MOST_ROWS = 100_000
"""Rows that are looked at: half a second's work."""


@dataclass(frozen=True, kw_only=True)
class EpochReads:
    """What one process requests from a remote store in an epoch, without any cache.

    Args:
        rows: Rows that were looked at.
        groups: Groups of batches that were requested together for them.
        requests: Requests of these groups, after merging.
        read_bytes: Bytes that they read, with those between merged bitstreams.
        payload_bytes: Bytes of the bitstreams that they are for, each counted once per group.
    """

    rows: int
    groups: int
    requests: int
    read_bytes: int
    payload_bytes: int


@dataclass(frozen=True, kw_only=True)
class _Batch:
    conditions: np.ndarray
    clips: np.ndarray
    window: int | None


def simulate_reads(plan: Plan, locations: Sequence[BitstreamLocations], epoch: int, *, most: int = _MOST_ROWS) -> EpochReads:
    """Group and merge the reads of an epoch, or of parts that are spread evenly over it.

    Args:
        plan: The plan.
        locations: Locations of the bitstreams of each of plan.conditions, in their order.
        epoch: Number of the epoch.
        most: Rows up to which all are looked at; of a larger epoch, whole groups of about as many.
    """
    rows, size = plan.epoch_size(epoch), plan.recipe.batch or BATCH
    windows = plan.epoch(epoch).windows
    count = None if windows is None else windows.windows

    def batches(start: int) -> Iterator[_Batch]:
        for first in range(start, rows, size):
            drawn = plan.rows(epoch, np.arange(first, min(first + size, rows)))
            yield _Batch(conditions=drawn.condition, clips=drawn.clip, window=None if count is None else first * count // rows)

    def groups(start: int) -> Iterator[list[_Batch]]:
        return grouped(batches(start), lambda batch: batch.window, lambda batch: _payload(batch, locations))

    def first_group(start: int) -> list[_Batch]:
        return next(groups(start))

    if rows <= most:
        looked_at = list(groups(0))
    elif count is None:
        number = max(1, most // _rows(first_group(0)))
        # Not where an epoch ends, whose last group is smaller.
        looked_at = [first_group(part * rows // (number + 1) // size * size) for part in range(number)]
    else:
        number = max(1, most * count // rows)
        begins = (-(-(part * count // number) * rows // count) for part in range(number))
        looked_at = [first_group(-(-begin // size) * size) for begin in begins]
    ranges = [_ranges(group, locations) for group in looked_at]
    reads = [read for group in ranges for read, _ in merge_reads(group)]
    return EpochReads(
        rows=sum(map(_rows, looked_at)),
        groups=len(looked_at),
        requests=len(reads),
        read_bytes=sum(map(len, reads)),
        payload_bytes=sum(len(byte_range) for group in ranges for byte_range in group),
    )


def _rows(group: Sequence[_Batch]) -> int:
    return sum(len(batch.clips) for batch in group)


def _payload(batch: _Batch, locations: Sequence[BitstreamLocations]) -> int:
    """Bytes of a batch's bitstreams."""
    return sum(
        int(locations[number].size[batch.clips[(batch.conditions == number).any(1)]].sum()) for number in np.unique(batch.conditions)
    )


def _ranges(group: Sequence[_Batch], locations: Sequence[BitstreamLocations]) -> list[ByteRange]:
    """The byte ranges of a group of batches, each once."""
    conditions = np.concatenate([batch.conditions for batch in group])
    clips = np.broadcast_to(np.concatenate([batch.clips for batch in group])[:, None], conditions.shape)
    ranges = []
    for number in np.unique(conditions):
        location = locations[number]
        # A clip may come again in a group, and a bitstream is requested once.
        rows = np.unique(clips[conditions == number])
        start, size, shard = (getattr(location, name)[rows].tolist() for name in ("offset", "size", "shard"))
        paths = [f"{location.store}:{path}" for path in location.paths()]
        ranges += [
            ByteRange(path=paths[where], start=first, stop=first + length) for where, first, length in zip(shard, start, size, strict=True)
        ]
    return ranges
