"""Run many calls on the workers of any `concurrent.futures.Executor`."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
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

    The processes end with this one, however it ends; when it is interrupted, they end without
    finishing what they do.

    Raises:
        StreamaugError: `workers` is not a positive number, a process was killed, or none could
            start because the script that called this has no `if __name__ == "__main__":`.
    """
    if workers is not None and workers < 1:
        raise StreamaugError(f"workers: {workers} is not a number of processes; give 1 or more, or leave it out for one per core")
    if executor is not None:
        yield executor
        return
    if _is_starting():
        raise SystemExit(_GUARD)  # the process that started this one raises an error; a traceback of each worker would bury it
    # Spawned, since a fork would copy the locks of threads that PyArrow and fsspec keep.
    context = multiprocessing.get_context("spawn")
    started = context.Event()
    # Nothing is ever sent through it. The workers end when this side is closed, and the kernel closes it if this process is killed.
    lifeline, held = context.Pipe(duplex=False)
    try:
        with _Processes(workers or cores(), mp_context=context, initializer=_begin, initargs=(started, lifeline)) as processes:
            try:
                yield processes
            except Exception:
                raise  # not swallowed: only an interrupt ends the workers; what they do meanwhile is finished, and kept
            except BaseException:
                held.close()
                raise
    except WorkerKilledError:
        if started.is_set():
            raise
        raise StreamaugError(f"no worker process could start: {_GUARD}") from None
    finally:
        held.close()
        lifeline.close()


class _Processes(ProcessPoolExecutor):
    """Processes that Ctrl-C does not reach.

    A terminal sends it to all processes of a command. Those that import at this moment would each
    print a traceback; the process that started them ends them anyway.
    """

    def submit(self, function: Callable[..., _T], /, *arguments: Any, **named: Any) -> Future[_T]:
        # The processes start here and inherit the mask of this thread.
        with _signals_deferred():
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                return super().submit(function, *arguments, **named)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _signals_deferred() -> Iterator[None]:
    """Let Python's handlers of Ctrl-C and SIGTERM run after the `with` block.

    One that raises in the middle of starting a process leaves this process with half a message,
    about which it prints a traceback. Handlers run in the main thread, whichever thread the signal
    came to.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    replaced = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in replaced:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
        for arrived in came:
            signal.raise_signal(arrived)


def _begin(started: Event, lifeline: Connection) -> None:
    """What a worker does before its first call."""
    started.set()
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()


def _end_with(lifeline: Connection) -> None:
    try:
        lifeline.poll(None)
    finally:
        os._exit(1)


def _is_starting() -> bool:
    """Whether this process is a worker that still imports the script of the process that started
    it.

    Python itself looks at this attribute before it refuses to start a process of such a worker.
    """
    return getattr(multiprocessing.current_process(), "_inheriting", False)


class WorkerKilledError(StreamaugError):
    """A worker process ended before its work did."""


def worker_count(executor: Executor) -> int:
    """Number of calls that an executor runs at the same time; of one that does not say, the number
    of this machine's cores."""
    return getattr(executor, "_max_workers", None) or cores()


@contextmanager
def started(executor: Executor, calls: Sequence[tuple[Callable[..., _T], tuple[Any, ...]]]) -> Iterator[Iterator[tuple[int, _T]]]:
    """Submit calls, and yield an iterator over their results as they end, for whoever has other work
    to do meanwhile. An error in the block cancels the calls that have not started.

    >>> from concurrent.futures import ThreadPoolExecutor
    >>> with ThreadPoolExecutor() as threads, started(threads, [(abs, (-1,)), (max, (2, 3))]) as ended:
    ...     sorted(ended)
    [(0, 1), (1, 3)]

    Args:
        executor: Who runs the calls.
        calls: Function and arguments of each call.

    Yields:
        An iterator over the number of a call in `calls`, and its result.

    Raises:
        WorkerKilledError: A worker was killed. Errors of the calls are raised as they are.
    """
    futures: dict[Future[_T], int] = {}

    def ended() -> Iterator[tuple[int, _T]]:
        for future in as_completed(futures):
            yield futures.pop(future), future.result()

    try:
        for number, (function, arguments) in enumerate(calls):
            futures[executor.submit(function, *arguments)] = number  # one by one, so that an error cancels those before it
        yield ended()
    except BrokenProcessPool as error:
        _cancel(futures)
        raise WorkerKilledError("a worker was killed, perhaps because memory ran out; run the command again to resume") from error
    except (Exception, GeneratorExit):
        _cancel(futures)
        raise
    except BaseException:
        # `pool` ends its processes now. Their executor would break down over calls that are cancelled.
        if not isinstance(executor, _Processes):
            _cancel(futures)
        raise


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
    with started(executor, calls) as ended:
        yield from ended


def _cancel(futures: Iterable[Future[Any]]) -> None:
    for future in futures:
        future.cancel()
