"""Estimate what a recipe on a store takes: to store, to stream, to decode and to resume, in bytes,
requests, core seconds and money. Pure functions of what `probe.py` measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from streamaug.planning import Plan
from streamaug.planning.costs import EpochCost
from streamaug.planning.prices import Prices
from streamaug.planning.probe import DecodeTime, OpeningCost
from streamaug.planning.reads import simulate_reads
from streamaug.reading.grouping import GROUP, GROUPS_UNDER_WAY
from streamaug.store.locations import BitstreamLocations


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What one epoch of a plan takes, and the store that it reads. Requests are those to a remote
    store, from one process and without caches.

    Args:
        clips: Clips of the store that this is for.
        measured_clips: Clips of the store that was measured.
        store_bytes: Bytes of the shards of the plan's conditions.
        shards: Number of these shards.
        rows: Rows of the epoch.
        reads: Bitstreams of these rows: as many requests, if none were merged.
        requests: Requests of the epoch, after merging.
        read_bytes: Bytes that the requests read.
        is_windowed: Whether the epoch is shuffled in windows of shards.
        simulated_rows: Rows of the epoch whose requests were merged to find this out.
        decode_s: Core seconds that decoding the epoch takes.
        feature_s: Core seconds of its log-mels; None if they were not measured.
        conditions: What decoding each condition took.
        opening: What opening the store and planning take, at the start and to resume.
        reread_bytes: Bytes that were under way when a training stopped, and are read again, at most.
    """

    clips: int
    measured_clips: int
    store_bytes: int
    shards: int
    rows: int
    reads: int
    requests: int
    read_bytes: int
    is_windowed: bool
    simulated_rows: int
    decode_s: float
    feature_s: float | None
    conditions: tuple[DecodeTime, ...]
    opening: OpeningCost
    reread_bytes: int

    @property
    def writes(self) -> int:
        """Requests that write, if the store is built in place: each shard, its part of the index, and
        the tables."""
        return 2 * self.shards + self.opening.requests


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What an estimate costs at given prices.

    Args:
        storage_per_month: For the shards and tables.
        writes: For the requests that write them.
        requests: For the requests of an epoch.
        egress: For the bytes of an epoch, if they leave the region.
        cores: For the processors that decode an epoch and compute its log-mels.
        resume: For the requests and bytes of resuming, if they leave the region.
    """

    storage_per_month: float
    writes: float
    requests: float
    egress: float
    cores: float
    resume: float


def estimate_epoch(
    plan: Plan,
    clips: int,
    locations: Sequence[BitstreamLocations],
    epoch: int,
    *,
    cost: EpochCost,
    times: Sequence[DecodeTime],
    feature_s: float | None,
    opening: OpeningCost,
) -> Estimate:
    """Count what an epoch takes, from what was measured of some rows.

    Args:
        plan: The plan.
        clips: Clips of its store.
        locations: Locations of the bitstreams of each of plan.conditions, in their order.
        epoch: Number of the epoch.
        cost: The cost of that epoch.
        times: What decoding each condition that the epoch shows takes.
        feature_s: Core seconds of a clip's log-mel; None if they were not measured.
        opening: What opening the store takes.
    """
    rows = plan.epoch_size(epoch)
    reads = simulate_reads(plan, locations, epoch)
    shown = _rows_by_condition(plan, epoch)
    shards = [ends for location in _stored(locations) for ends in _shard_ends(location)]
    share = rows / reads.rows
    is_windowed = plan.epoch(epoch).windows is not None
    return Estimate(
        clips=clips,
        measured_clips=clips,
        store_bytes=sum(shards),
        shards=len(shards),
        rows=rows,
        reads=rows * plan.views,
        requests=round(reads.requests * share),
        is_windowed=is_windowed,
        read_bytes=round(cost.read_bytes * reads.read_bytes / reads.payload_bytes),
        simulated_rows=reads.rows,
        decode_s=sum(shown[plan.conditions.index(each.condition)] * each.decode_s for each in times),
        feature_s=None if feature_s is None else feature_s * rows * plan.views,
        conditions=tuple(times),
        opening=opening,
        reread_bytes=min(cost.read_bytes, _under_way(reads.payload_bytes // reads.groups, is_windowed=is_windowed)),
    )


def _under_way(group: int, *, is_windowed: bool) -> int:
    """Bytes of the groups that are under way at a time, from those of a mean one; a store may be smaller
    than one group, and the last group of an epoch mostly is."""
    return GROUPS_UNDER_WAY * (group if is_windowed else max(group, GROUP))


def scaled(estimate: Estimate, clips: int, *, has_fixed_rows: bool = False) -> Estimate:
    """The same recipe on more clips, or fewer, of the same kind. What is under way at a time stays as
    it is, and so do the files that are opened; all else grows with the clips. A part of opening does
    not, so that its time is at most what this says.

    Args:
        estimate: Of the store that was measured.
        clips: Clips of the other store.
        has_fixed_rows: Whether the recipe says how many rows an epoch has.
    """
    factor = clips / estimate.clips
    epoch = 1.0 if has_fixed_rows else factor
    opening = estimate.opening
    return replace(
        estimate,
        clips=clips,
        store_bytes=round(estimate.store_bytes * factor),
        shards=max(1, round(estimate.shards * factor)),
        rows=round(estimate.rows * epoch),
        reads=round(estimate.reads * epoch),
        requests=_scaled_requests(estimate, factor, epoch),
        read_bytes=round(estimate.read_bytes * epoch),
        decode_s=estimate.decode_s * epoch,
        feature_s=None if estimate.feature_s is None else estimate.feature_s * epoch,
        reread_bytes=min(
            round(estimate.read_bytes * epoch),
            max(estimate.reread_bytes, _under_way(0, is_windowed=estimate.is_windowed)),
        ),
        opening=replace(
            opening,
            read_bytes=round(opening.read_bytes * factor),
            core_s=opening.core_s * factor,
            memory_bytes=round(opening.memory_bytes * factor),
        ),
    )


def _scaled_requests(estimate: Estimate, factor: float, epoch: float) -> int:
    """Requests of an epoch with `epoch` times the rows, from a store with `factor` times the clips.

    Windows read as many neighbours in a store of any size. In a full shuffle, a bitstream is merged
    with its neighbour if that is in the same group by chance: the more often, the larger the group's
    share of the store is.
    """
    merged, growth = 1 - estimate.requests / estimate.reads, 1.0
    if not estimate.is_windowed:
        growth = min(GROUP, estimate.read_bytes * epoch) / min(GROUP, estimate.read_bytes) / factor
    # Of fewer clips, a group may hold all, and no more than all reads are merged.
    single = 1 - merged * growth if growth <= 1 else (1 - merged) ** growth
    return max(1, round(estimate.reads * epoch * single))


def bill(estimate: Estimate, prices: Prices) -> Bill:
    """What an estimate costs.

    Args:
        estimate: The estimate.
        prices: The prices.
    """
    opening = estimate.opening
    return Bill(
        storage_per_month=(estimate.store_bytes + opening.read_bytes) / 1e9 * prices.storage_per_gb_month,
        writes=estimate.writes / 1e3 * prices.put_per_1000,
        requests=estimate.requests / 1e3 * prices.get_per_1000,
        egress=estimate.read_bytes / 1e9 * prices.egress_per_gb,
        cores=(estimate.decode_s + (estimate.feature_s or 0.0)) / 3600 * prices.core_per_hour,
        resume=opening.requests / 1e3 * prices.get_per_1000 + (opening.read_bytes + estimate.reread_bytes) / 1e9 * prices.egress_per_gb,
    )


def _rows_by_condition(plan: Plan, epoch: int) -> np.ndarray:
    """How often an epoch shows each of the plan's conditions, int64 of shape (conditions,)."""
    cells = plan.epoch(epoch).cells
    counts = np.zeros(len(plan.conditions), np.int64)
    for view in range(cells.conditions.shape[1]):
        np.add.at(counts, cells.conditions[:, view], cells.count)
    return counts


def _stored(locations: Sequence[BitstreamLocations]) -> list[BitstreamLocations]:
    """One of the locations of each stored condition, which several links may share."""
    return list({(location.store, location.condition): location for location in locations}.values())


def _shard_ends(location: BitstreamLocations) -> list[int]:
    """Where the last bitstream of each shard ends, which is some kB before the shard does."""
    clips = np.flatnonzero(location.has_clip)
    ends = np.zeros(len(location.names), np.int64)
    np.maximum.at(ends, location.shard[clips], location.offset[clips].astype(np.int64) + location.size[clips])
    return [int(end) for end in ends]
