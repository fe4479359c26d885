"""Grade the clips of one shard, in one worker: decode each clip and its original, and compare them."""

from dataclasses import dataclass
from functools import partial

import pyarrow as pa
from threadpoolctl import threadpool_limits

from streamaug.codecs.base import Audio
from streamaug.links import Link, evaluation_key, lost_packets
from streamaug.quality.measures import open_measure
from streamaug.quality.pcm import at_rate
from streamaug.quality.table import table_of
from streamaug.store.folder import Folder
from streamaug.store.location import Location, read_clip, read_lossy


@dataclass(frozen=True, kw_only=True)
class Lossy:
    """What loses packets of the coded clips.

    Args:
        condition: Name of the condition, with its link.
        link: The link.
        encoder: Name of the encoder that made the bitstreams.
    """

    condition: str
    link: Link
    encoder: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """Clips to grade.

    Args:
        folder: Folder of the store.
        rate: Sample rate of the store in Hz.
        measure: Name of the measure.
        lossy: The link that they travel. Default: none.
        references: The originals.
        tests: The coded clips, in the same order.
    """

    folder: Folder
    rate: int
    measure: str
    lossy: Lossy | None = None
    references: tuple[Location, ...]
    tests: tuple[Location, ...]


def grade(task: Task) -> pa.Table:
    """Grade a task's clips on one core.

    Args:
        task: Clips to grade.

    Returns:
        A table of the measure's schema.

    Raises:
        CorruptError: A bitstream does not match its index, or cannot be decoded.
        StoreError: A shard no longer exists.
        FetchError: The store cannot be reached.
        MissingPackageError: This worker lacks the measure's package.
    """
    measure = open_measure(task.measure)
    with threadpool_limits(1):
        graded = []
        for reference, test in zip(task.references, task.tests, strict=True):
            original, coded = read_clip(task.folder, reference, task.rate), _read_coded(task, test)
            graded.append(measure.compare(*(at_rate(each.samples.T, task.rate, measure.rate) for each in (original, coded))))
    return table_of(measure, [test.clip_id for test in task.tests], graded)


def _read_coded(task: Task, location: Location) -> Audio:
    lossy = task.lossy
    if lossy is None:
        return read_clip(task.folder, location, task.rate)
    key = evaluation_key(lossy.condition, location.clip_id)
    return read_lossy(task.folder, location, task.rate, lossy.encoder, partial(lost_packets, lossy.link, key))
