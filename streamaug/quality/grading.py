"""The work of one worker: the clips of one shard, each decoded and graded against its original."""

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
    """Clips to grade: `tests` against `references`, row by row. rate: the store's."""

    folder: Folder
    rate: int
    references: tuple[Location, ...]
    tests: tuple[Location, ...]


def grade(task: Task) -> pa.Table:
    """Grade a task's clips, on one core; a table of QUALITY_SCHEMA. Raises CorruptError, FetchError."""
    with threadpool_limits(1):
        graded = []
        for reference, test in zip(task.references, task.tests, strict=True):
            graded.append(peaq(_signal(task, reference), _signal(task, test), RATE))
    return table_of([test.clip_id for test in task.tests], graded)


def _signal(task: Task, location: Location) -> np.ndarray:
    """A clip as PEAQ takes it."""
    return at_48_khz(read_clip(task.folder, location, task.rate).samples, task.rate)
