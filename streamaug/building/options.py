"""Check what a build is asked for before anything is read, and take from a store what it fixes."""

import math
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

from streamaug.building.checks import SourceInfo
from streamaug.building.existing import ExistingStore
from streamaug.building.job import Job
from streamaug.building.reading import Channels
from streamaug.building.sources import common_channels
from streamaug.errors import ClipsError, StoreError

_RATES = (1_000, 655_350)
"""Lowest and highest sample rate of a store in Hz; FLAC, which holds `original`, ends at the
second."""


def check_options(job: Job) -> None:
    """Check what is wrong with a job whatever the clips are.

    Raises:
        ClipsError: A number is out of range, or a name is empty.
        StoreError: The store has no path.
    """
    if not os.fspath(job.store).strip():
        raise StoreError("the path of the store is empty; name a folder or a URL")
    if job.rate is not None and not _RATES[0] <= job.rate <= _RATES[1]:
        raise ClipsError(f"rate {job.rate} Hz is not a sample rate of stores; choose one from {_RATES[0]} to {_RATES[1]} Hz")
    if job.seconds is not None and not (math.isfinite(job.seconds) and job.seconds > 0):
        raise ClipsError(f"seconds {job.seconds:g} is not a length of clips; choose one above 0")
    if job.clips_per_shard is not None and job.clips_per_shard < 1:
        raise ClipsError(f"clips_per_shard {job.clips_per_shard} is not a number of clips; choose 1 or more")
    if not (math.isfinite(job.shard_mb) and job.shard_mb > 0):
        raise ClipsError(f"shard_mb {job.shard_mb:g} is not a size of shards; choose one above 0 MB")
    if job.channels not in (None, *get_args(Channels)):
        raise ClipsError(f"channels '{job.channels}' does not exist; use one of {', '.join(get_args(Channels))}")
    if job.channels == "keep" and job.channel != "mix":
        raise ClipsError(f"--channels keep keeps all channels, and --channel {job.channel} one of them; leave one of the two out")
    if job.name is not None and not job.name.strip():
        raise ClipsError("the name of the data set is empty; give it one, or leave the option out")


def kept_channels(job: Job, paths: Sequence[str], existing: ExistingStore | None) -> int | None:
    """The number of channels that all sources must have and that the store keeps; None if the store
    has one channel, whatever they have.

    Args:
        job: The job.
        paths: The sources.
        existing: The store that the build adds to.

    Raises:
        ClipsError: The sources have more channels than a store.
        StoreError: The store has two channels, and the job wants one.
    """
    channels = job.channels or ("mono" if existing is None or existing.manifest.channels == 1 else "keep")
    if channels == "keep":
        return common_channels(paths) if existing is None else existing.manifest.channels
    if existing is not None and existing.manifest.channels > 1:
        raise StoreError(
            f"{existing.url} has {existing.manifest.channels} channels, but --channels mono makes one; "
            "leave --channels out, or build into another folder"
        )
    return None


def clip_length(job: Job, rate: int, existing: ExistingStore | None) -> int | None:
    """The length that sources are cut or padded to in samples: what the job says, else that of the
    store's clips; None if neither exists.

    Args:
        job: The job.
        rate: Sample rate of the build in Hz.
        existing: The store that the build adds to.

    Raises:
        ClipsError: The length is less than one sample.
        StoreError: The store has another rate, or clips of another length.
    """
    samples = None if job.seconds is None else round(job.seconds * rate)
    if samples == 0:
        raise ClipsError(f"seconds {job.seconds:g} is less than one sample at {rate} Hz; choose a greater length")
    if existing is None:
        return samples
    if rate != existing.manifest.rate:
        raise StoreError(
            f"{existing.url} has a sample rate of {existing.manifest.rate} Hz, but this build {rate} Hz; "
            "leave --rate out, or build into another folder"
        )
    if samples not in (None, existing.samples):
        raise StoreError(
            f"the clips of {existing.url} have {existing.samples} samples, but --seconds {job.seconds:g} are {samples}; "
            f"leave --seconds out or give --seconds {existing.samples / rate:g}, or build into another folder"
        )
    return existing.samples if samples is None else samples


def own_lengths(clip_ids: Sequence[str], sources: Sequence[SourceInfo], existing: ExistingStore) -> list[SourceInfo]:
    """What is known about sources that were cut or padded to the length of a store's clips, though
    the job gives no length.

    If the store's own clips were cut or padded, its length is meant for all clips. Else it was built
    of clips of one length, and another length is a mistake: such a source gets its own length back,
    which is then reported.

    Args:
        clip_ids: The clips of the table.
        sources: One per clip.
        existing: The store.
    """
    old = set(existing.clips["clip_id"].to_pylist())
    if any(source.padding for clip_id, source in zip(clip_ids, sources, strict=True) if clip_id in old):
        return list(sources)
    return [
        replace(source, samples=source.samples - source.padding, padding=0) if source.padding else source  # most are whole
        for source in sources
    ]
