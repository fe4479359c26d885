"""Decode in processes: this one reads and checks bitstreams and sends them out, the others write
rows into batches in shared memory.

Threads share an interpreter and a heap, and wait for both; processes do not. The processes come
from a server, see `decode_server.py`. The script that iterates a stream is not imported again, so
it needs no `if __name__ == "__main__":`.
"""

import contextlib
import socket
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import cached_property
from queue import Empty, SimpleQueue
from typing import Any

import cloudpickle
from torch import Tensor

from streamaug import errors
from streamaug.errors import FeatureError, StreamaugError, WorkerError
from streamaug.streaming.buffers import Buffers, SharedMemory
from streamaug.streaming.decode import DecodedRow, DecodeTask, Processing
from streamaug.streaming.forking import fork, keep_from_forks
from streamaug.streaming.messages import Failure, Work
from streamaug.streaming.shared import SharedTable
from streamaug.streaming.wire import receive, send
from streamaug.streaming.workers import start_threads

_AHEAD = 2
"""Messages that a process has in hand: while the rows of one are decoded, the next one has arrived.
"""

_ROWS = 16
"""Most rows of one message. To send, wake up and answer for each row costs a fiftieth of decoding
it."""


def pickle_processing(processing: Processing) -> bytes:
    """Features and augmentation as they go to decode processes: functions of the main script and
    lambdas, too.

    Raises:
        FeatureError: One of them cannot be sent.
    """
    try:
        pickled: bytes = cloudpickle.dumps(processing)
        return pickled
    except Exception as error:  # of anything that a user's object holds
        raise FeatureError(
            f"the features or the augmentation cannot be sent to decode processes ({type(error).__name__}: {error}); "
            "give Stream(workers='threads'), or ones that can be pickled"
        ) from error


class ProcessWorkers:
    """Processes, each with one core and an interpreter of its own."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._memory = SharedMemory()
        self._buffers = Buffers(self._memory.allocate)
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._processes = [_Process(self._jobs, self._memory, count) for _ in range(count)]
        # If nobody closes them, they end with this object.
        weakref.finalize(self, _end, self._jobs, count)

    def buffer(self, shape: tuple[int, ...]) -> Tensor:
        return self._buffers.take(shape)

    def pin(self) -> None:
        self._buffers.pin()

    def submit(self, prepare: Callable[[], DecodeTask], outs: Sequence[Tensor]) -> Future[DecodedRow]:
        job = _Job(prepare, outs)
        self._jobs.put(job)
        return job.future

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return start_threads(self.count)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        return self._threads.submit(function, *arguments)

    def close(self) -> None:
        with contextlib.suppress(Empty):
            while (job := self._jobs.get_nowait()) is not None:
                job.future.cancel()
        _end(self._jobs, self.count)
        for process in self._processes:
            process.join()
        if "_threads" in vars(self):
            self._threads.shutdown(cancel_futures=True)


def _end(jobs: "SimpleQueue[_Job | None]", count: int) -> None:
    for _ in range(count):
        jobs.put(None)


class _Job:
    """A row to decode. While it is decoded its memory is not used again, since `outs` holds it.

    Args:
        prepare: Makes the task, perhaps after waiting for the bitstream.
        outs: Where the features go.
    """

    def __init__(self, prepare: Callable[[], DecodeTask], outs: Sequence[Tensor]) -> None:
        self.outs, self.future = outs, Future[DecodedRow]()
        self._prepare: Callable[[], DecodeTask] | None = prepare
        self.task: DecodeTask

    def prepare(self) -> bool:
        """Whether there is a task; if not, the future says why."""
        if self._prepare is None:  # a process that had it has ended
            return True
        prepare, self._prepare = self._prepare, None
        if not self.future.set_running_or_notify_cancel():
            return False
        try:
            self.task = prepare()
        except BaseException as error:
            self.future.set_exception(error)
            return False
        return True


class _Process:
    """A decode process, and the thread of this one that sends it rows and receives its answers.

    Args:
        jobs: Where the rows come from; None ends the thread.
        memory: Of the batches.
        count: Threads that take from `jobs`.
    """

    def __init__(self, jobs: "SimpleQueue[_Job | None]", memory: SharedMemory, count: int) -> None:
        self._jobs, self._memory, self._count = jobs, memory, count
        self._connection: socket.socket | None = None
        self._processing: Processing | None = None
        self._opened = self._answered = 0
        self._progress = SharedTable(1)
        self._sent: deque[Sequence[_Job]] = deque()
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name="streamaug-decode", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of the thread and of the process."""
        self._thread.join()

    def _run(self) -> None:
        while not self._is_ending:
            self._send(self._next_jobs(wait=True))
            while self._sent:
                if len(self._sent) < _AHEAD:
                    self._send(self._next_jobs(wait=False))
                self._receive()
        if self._connection is not None:
            self._connection.close()

    def _next_jobs(self, *, wait: bool) -> list["_Job"]:
        """Jobs for one message, prepared; perhaps none."""
        jobs: list[_Job] = []
        # Few at a time when few are left, so that all processes end together.
        most = max(1, min(_ROWS, self._jobs.qsize() // (_AHEAD * self._count)))
        with contextlib.suppress(Empty):
            while len(jobs) < most and not self._is_ending:
                if (job := self._jobs.get(block=wait and not jobs)) is None:
                    self._is_ending = True
                elif job.prepare():
                    jobs.append(job)
        return jobs

    def _send(self, jobs: Sequence["_Job"]) -> None:
        if not jobs:
            return
        processing = jobs[0].task.processing
        assert processing is not None
        try:
            if self._connection is None or self._has_ended():
                self._start()
            assert self._connection is not None
            segments = self._memory.segments[self._opened :]
            message = Work(
                tasks=tuple(replace(job.task, processing=None) for job in jobs),
                outs=tuple(tuple(map(self._memory.place, job.outs)) for job in jobs),
                processing=None if processing is self._processing else (pickle_processing(processing), tuple(sys.path)),
                opened=tuple(segment.size for segment in segments),
            )
        except Exception as error:  # the processing cannot be pickled, or no process can be started
            for job in jobs:
                job.future.set_exception(error)
            return
        self._sent.append(jobs)
        with contextlib.suppress(OSError):  # the process is gone, which `_receive` sees, too
            send(self._connection, message, [segment.file for segment in segments])
        self._opened += len(segments)
        self._processing = processing

    def _has_ended(self) -> bool:
        """Whether the process ended while it had nothing to do."""
        assert self._connection is not None
        if self._sent:  # there are answers to read first
            return False
        with contextlib.suppress(BlockingIOError):
            return not self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        return False

    def _start(self) -> None:
        self._connection = fork()
        keep_from_forks(self._connection)
        self._processing = None
        self._opened = self._answered = 0
        self._progress = SharedTable(1)  # the process counts the rows that it has done
        with contextlib.suppress(OSError):  # it has ended already, which `_receive` sees, too
            send(self._connection, "progress", [self._progress.descriptor])

    def _receive(self) -> None:
        """Wait for the answer to the earliest message."""
        assert self._connection is not None
        if (message := receive(self._connection)) is None:
            self._fail()
            return
        jobs = self._sent.popleft()
        self._answered += len(jobs)
        for job, answer in zip(jobs, message[0], strict=True):
            if isinstance(answer, Failure):
                job.future.set_exception(_error(answer))
            else:
                job.future.set_result(answer)

    def _fail(self) -> None:
        """The process has ended: the row that it was at gets an error, others go to another process,
        unless this one ended before its first row, as others would."""
        assert self._connection is not None
        self._connection.close()
        self._connection = None
        done = int(self._progress.words[0])
        for number, job in enumerate(job for jobs in self._sent for job in jobs):
            if done == 0 or number == done - self._answered:
                text = "the decode process ended at this row, perhaps because memory ran out; resume after the last batch"
                job.future.set_exception(WorkerError(text))
            else:
                self._jobs.put(job)
        self._sent.clear()


def _error(failure: Failure) -> Exception:
    """What a decode process raised."""
    kind = getattr(errors, failure.kind, None)
    if isinstance(kind, type) and issubclass(kind, StreamaugError):
        return kind(failure.text)
    return WorkerError(f"a decode process failed: {failure.kind}: {failure.text}")
