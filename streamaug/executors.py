"""Run many calls on the workers of any `concurrent.futures.Executor`."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from streamaug.errors import StreamaugError

_T = TypeVar("_T")


@contextmanager
def pool(executor: Executor | None, workers: int | None = None) -> Iterator[Executor]:
    """An executor to submit calls to.

    Args:
        executor: One that is open already; it stays open. Default: processes on this machine, which
            are closed at the end.
        workers: Number of these processes. Default: one per core that this process may use.
    """
    if executor is not None:
        yield executor
        return
    # Spawned, since a fork would copy the locks of threads that PyArrow and fsspec keep.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers or len(os.sched_getaffinity(0)), mp_context=context) as processes:
        yield processes


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
        StreamaugError: A worker was killed. Errors of the calls are raised as they are.
    """
    futures = {executor.submit(function, *arguments): number for number, (function, arguments) in enumerate(calls)}
    try:
        for future in as_completed(futures):
            yield futures.pop(future), future.result()
    except BrokenProcessPool as error:
        raise StreamaugError("a worker was killed, perhaps because memory ran out; run the command again to resume") from error
    finally:
        for future in futures:
            future.cancel()
