"""Check what a build is asked for before anything is read, and take from a store what it fixes."""

import math
import os
from collections.abc import Sequence
from typing import get_args

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
        return common_channels(paths, job.origins) if existing is None else existing.manifest.channels
    if existing is not None and existing.manifest.channels > 1:
        raise StoreError(
            f"{existing.url} has {existing.manifest.channels} channels, but --channels mono makes one; "
            "leave --channels out, or build into another folder"
        )
    return None


def clip_length(job: Job, rate: int, existing: ExistingStore | None) -> int | None:
    """The length that sources are cut or padded to in samples: what the job says, else what the
    store's clips were cut or padded to; None if each keeps its own.

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
    if samples is None:
        return existing.manifest.samples
    if existing.samples is None:
        raise StoreError(
            f"the clips of {existing.url} have their own lengths, but --seconds {job.seconds:g} gives all {samples} samples; "
            "leave --seconds out, or build into another folder"
        )
    if samples != existing.samples:
        raise StoreError(
            f"the clips of {existing.url} have {existing.samples} samples, but --seconds {job.seconds:g} are {samples}; "
            f"leave --seconds out or give --seconds {existing.samples / rate:g}, or build into another folder"
        )
    return samples
