"""Grade the clips of one shard, in one worker: decode each clip and its original, and compare them."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from streamaug.quality.pcm import at_48_khz
from streamaug.quality.peaq import peaq
from streamaug.quality.peaq.ear import RATE
from streamaug.quality.table import table_of
from streamaug.store.folder import Folder
from streamaug.store.location import Location, read_clip


@dataclass(frozen=True, kw_only=True)
class Task:
    """Clips to grade.

    Args:
        folder: Folder of the store.
        rate: Sample rate of the store in Hz.
        references: The originals.
        tests: The coded clips, in the same order.
    """

    folder: Folder
    rate: int
    references: tuple[Location, ...]
    tests: tuple[Location, ...]


def grade(task: Task) -> pa.Table:
    """Grade a task's clips on one core.

    Args:
        task: Clips to grade.

    Returns:
        A table of QUALITY_SCHEMA.

    Raises:
        CorruptError: A bitstream does not match its index, or cannot be decoded.
        StoreError: A shard no longer exists.
        FetchError: The store cannot be reached.
    """
    with threadpool_limits(1):
        graded = []
        for reference, test in zip(task.references, task.tests, strict=True):
            graded.append(peaq(_signal(task, reference), _signal(task, test), RATE))
    return table_of([test.clip_id for test in task.tests], graded)


def _signal(task: Task, location: Location) -> np.ndarray:
    """A decoded clip in PEAQ's format: (samples,), or (samples, 2)."""
    return at_48_khz(read_clip(task.folder, location, task.rate).samples.T, task.rate)
