"""Run calls on the workers of a Dask cluster."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import Any, TypeVar

_T = TypeVar("_T")


class DaskExecutor(Executor):
    """A Dask cluster as an executor: `build(..., executor=DaskExecutor(client))`.

    Dask's own, `client.get_executor()`, waits forever if the scheduler is lost while a result is on
    its way from the worker; here the call ends with Dask's error.

    Args:
        client: A `distributed.Client`. Whoever opened it closes it.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def submit(self, function: Callable[..., _T], /, *arguments: Any, **named: Any) -> Future[_T]:
        """Run a call on some worker.

        Args:
            function: What to call; it and what it is given are pickled.
            arguments: Positional arguments.
            named: Keyword arguments.
        """
        # Not pure: Dask must not return the result of an earlier call with the same arguments. It would take some named
        # arguments, such as `key` and `workers`, for its own.
        call = self._client.submit(partial(function, **named), *arguments, pure=False)
        answer: Future[_T] = Future()
        answer.add_done_callback(lambda _: call.cancel() if answer.cancelled() and call.status == "pending" else None)
        call.add_done_callback(partial(_pass_on, answer))
        return answer


def _pass_on(answer: Future[_T], call: Any) -> None:
    """Give a call's result or error to whoever waits for it. Dask runs this in a thread of its own."""
    if not answer.set_running_or_notify_cancel():
        return
    try:
        answer.set_result(call.result())
    except BaseException as error:  # goes to the one who waits
        answer.set_exception(error)
