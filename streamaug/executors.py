"""Running many calls on the workers of any `concurrent.futures.Executor`."""

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
    """The given executor, left open; or processes on this machine, as many as we may use cores, closed at the end."""
    if executor is not None:
        yield executor
        return
    # Spawned, since a fork would copy the locks of threads that PyArrow and fsspec keep.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers or len(os.sched_getaffinity(0)), mp_context=context) as processes:
        yield processes


def results(executor: Executor, calls: Sequence[tuple[Callable[..., _T], tuple[Any, ...]]]) -> Iterator[tuple[int, _T]]:
    """Number and result of each call (function, arguments) as it ends; the first error cancels those that wait.

    Raises what a call raises, StreamaugError where a worker was killed.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor() as threads:
    ...     sorted(results(threads, [(abs, (-1,)), (max, (2, 3))]))
    [(0, 1), (1, 3)]
    """
    futures = {executor.submit(function, *arguments): number for number, (function, arguments) in enumerate(calls)}
    try:
        for future in as_completed(futures):
            yield futures.pop(future), future.result()
    except BrokenProcessPool as error:
        raise StreamaugError("a worker was killed, for want of memory perhaps; start again, it goes on where it stopped") from error
    finally:
        for future in futures:
            future.cancel()
