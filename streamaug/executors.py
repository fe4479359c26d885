"""Run many calls on the workers of any `concurrent.futures.Executor`."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from streamaug.errors import StreamaugError
from streamaug.machine import cores

_T = TypeVar("_T")

_GUARD = "worker processes import the script that starts them; put the script's calls under: if __name__ == '__main__':"


@contextmanager
def pool(executor: Executor | None, workers: int | None = None) -> Iterator[Executor]:
    """An executor to submit calls to.

    Args:
        executor: One that is open already; it stays open. Default: processes on this machine, which
            are closed at the end.
        workers: Number of these processes. Default: one per core that this process may use.

    Raises:
        StreamaugError: A process was killed, or none could start because the script that called
            this has no `if __name__ == "__main__":`.
    """
    if executor is not None:
        yield executor
        return
    if _is_starting():
        raise SystemExit(_GUARD)  # the process that started this one raises an error; a traceback of each worker would bury it
    # Spawned, since a fork would copy the locks of threads that PyArrow and fsspec keep.
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    try:
        with ProcessPoolExecutor(workers or cores(), mp_context=context, initializer=started.set) as processes:
            yield processes
    except WorkerKilledError:
        if started.is_set():
            raise
        raise StreamaugError(f"no worker process could start: {_GUARD}") from None


def _is_starting() -> bool:
    """Whether this process is a worker that still imports the script of the process that started
    it.

    Python itself looks at this attribute before it refuses to start a process of such a worker.
    """
    return getattr(multiprocessing.current_process(), "_inheriting", False)


class WorkerKilledError(StreamaugError):
    """A worker process ended before its work did."""


def results(executor: Executor, calls: Sequence[tuple[Callable[..., _T], tuple[Any, ...]]]) -> Iterator[tuple[int, _T]]:
    """The results of calls, as they end; the first error cancels the calls that have not started.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor() as threads:
    ...     sorted(results(threads, [(abs, (-1,)), (max, (2, 3))]))
    [(0, 1), (1, 3)]

    Args:
        executor: Who runs the calls.
        calls: Function and arguments of each call.

    Yields:
        Number of a call in `calls`, and its result.

    Raises:
        WorkerKilledError: A worker was killed. Errors of the calls are raised as they are.
    """
    futures = {executor.submit(function, *arguments): number for number, (function, arguments) in enumerate(calls)}
    try:
        for future in as_completed(futures):
            yield futures.pop(future), future.result()
    except BrokenProcessPool as error:
        raise WorkerKilledError("a worker was killed, perhaps because memory ran out; run the command again to resume") from error
    finally:
        for future in futures:
            future.cancel()
