"""Check the sources of a build on its workers: all of them, apart from those that an earlier build
has checked."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager

from streamaug.building.checks import SourceInfo, inspect
from streamaug.building.excerpts import Excerpt
from streamaug.building.facts import FACTS_FILE, Facts, FactWriter, is_facts, read_facts, source_keys, source_versions, to_bytes
from streamaug.building.reading import Reading
from streamaug.building.staging import Staging
from streamaug.executors import started
from streamaug.progress import Progress

_FILES_PER_TASK, _EXCERPTS_PER_TASK = 16, 256
"""Files that one task decodes at most, and clips: most excerpts of a file are in one task."""

Inspected = Iterator[tuple[int, list[SourceInfo]]]
"""Number of a task, and what it found out about its clips."""


class SourceCheck:
    """What is known about each source, and what has to be found out.

    Args:
        excerpts: Audio files, and parts of them.
        reading: How they are read.
        staged: The build's folder, where the facts are noted as they come.
        recheck: Whether to decode sources again that an earlier build has checked.
    """

    def __init__(self, excerpts: Sequence[Excerpt], reading: Reading, staged: Staging, *, recheck: bool) -> None:
        self._excerpts, self._reading = excerpts, reading
        # Before they are read, so that no fact is taken for one about a file that came later.
        self._keys = source_keys(source_versions(excerpts), repr(reading))
        known = Facts() if recheck else read_facts(staged.folder, [FACTS_FILE, *(path for path in staged.found if is_facts(path))])
        self._sources = known.of(self._keys)
        unknown = [row for row, source in enumerate(self._sources) if source is None]
        self._is_known = not unknown and len(known) == len(excerpts)
        self._tasks = list(_tasks(excerpts, unknown))
        self._notes = FactWriter(staged.folder, staged.name)

    @contextmanager
    def started(self, executor: Executor) -> Iterator[Inspected]:
        """Let the workers decode what is unknown; `finish` takes what this yields.

        Args:
            executor: Who does the work.
        """
        calls = [(inspect, ([self._excerpts[row] for row in task], self._reading)) for task in self._tasks]
        with started(executor, calls) as inspected:
            yield inspected

    def finish(self, inspected: Inspected, progress: Progress) -> list[SourceInfo]:
        """Wait for the workers; returns what is known about each source.

        Args:
            inspected: As `started` yields it.
            progress: Advances by one step per clip.

        Raises:
            FetchError: A remote file cannot be read at the moment.
        """
        progress.begin("checking sources", sum(map(len, self._tasks)))
        for number, infos in inspected:
            task = self._tasks[number]
            for row, info in zip(task, infos, strict=True):
                self._sources[row] = info
            self._notes.add([self._keys[row] for row in task], infos)
            progress.advance(len(task))
        return [source for source in self._sources if source is not None]

    def facts(self) -> bytes | None:
        """What the check found out, as a file for the next build; None if the store has it."""
        if self._is_known:
            return None
        return to_bytes(self._keys, [source for source in self._sources if source is not None])


def _tasks(excerpts: Sequence[Excerpt], rows: Sequence[int]) -> Iterator[list[int]]:
    """Divide rows into tasks, such that excerpts of one file that follow one another stay together."""
    task: list[int] = []
    files = 0
    for row in rows:
        is_other = not task or excerpts[row].path != excerpts[task[-1]].path
        if task and (len(task) == _EXCERPTS_PER_TASK or (is_other and files == _FILES_PER_TASK)):
            yield task
            task, files, is_other = [], 0, True
        task.append(row)
        files += is_other
    if task:
        yield task
