"""The option --cluster: run the work on a Dask cluster instead of this machine's processes."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from streamaug.cli.console import note
from streamaug.dask_executor import DaskExecutor
from streamaug.errors import StreamaugError

_TIMEOUT_S = 15
"""Seconds that a scheduler may take to answer."""

_LOOK_S = 5.0
"""Seconds between two looks whether the cluster has workers."""

Cluster = Annotated[str | None, typer.Option(help="Address of a Dask scheduler (tcp://host:8786). Default: processes on this machine.")]


@contextmanager
def executor_of(cluster: str | None) -> Iterator[Executor | None]:
    """The executor of a Dask cluster. It notes when the cluster has no workers.

    Args:
        cluster: Address of its scheduler. None: no cluster, and no executor.

    Raises:
        StreamaugError: Dask is not installed, no scheduler answers, the scheduler lacks streamaug or is
            lost, or a worker was killed.
    """
    if cluster is None:
        yield None
        return
    with _open_client(cluster) as client, _watched(client, cluster):
        from distributed import KilledWorker
        from distributed.comm.core import CommClosedError

        try:
            yield DaskExecutor(client)
        except RuntimeError as error:
            if "deserialization of the task graph" not in str(error):
                raise
            raise StreamaugError(
                f"the Dask scheduler at {cluster} cannot load the work: it needs the same versions of streamaug and Dask as this machine"
            ) from error
        except KilledWorker as error:
            raise StreamaugError(f"{error}; check the workers' logs, perhaps memory ran out; run the command again to resume") from error
        except (CancelledError, CommClosedError) as error:  # how calls end whose scheduler does not answer any more
            raise StreamaugError(
                f"the Dask scheduler at {cluster} was lost; start it and its workers again, then run the command again to resume"
            ) from error


def _open_client(cluster: str) -> Any:
    import asyncio

    try:
        from distributed import Client, Security
        from distributed.comm.core import connect
    except ImportError as error:
        raise StreamaugError(f"--cluster needs Dask, which is not installed ({error}); run 'pip install streamaug[cluster]'") from error
    # It logs a traceback when the scheduler is lost; the error of `executor_of` says the same in a line.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)

    async def answers() -> None:
        """The client would wait forever for the greeting of what listens there, but is no scheduler, such as the dashboard."""
        settings = Security().get_connection_args("client")  # type: ignore[no-untyped-call]  # distributed has no types
        comm = await asyncio.wait_for(connect(cluster, timeout=_TIMEOUT_S, **settings), _TIMEOUT_S)  # type: ignore[no-untyped-call]
        await comm.close()

    try:
        asyncio.run(answers())
        return Client(cluster, timeout=_TIMEOUT_S)  # type: ignore[no-untyped-call]  # distributed has no types
    except (OSError, ValueError, TypeError, ImportError) as error:  # of networks, addresses, TLS, and other versions
        raise StreamaugError(
            f"no Dask scheduler answers at {cluster}: {str(error) or 'it does not greet'}; start one with 'dask scheduler'"
        ) from error


@contextmanager
def _watched(client: Any, cluster: str) -> Iterator[None]:
    """Note when the cluster has no workers, since the work waits then: at the beginning, and when the last
    one is lost."""
    ended = threading.Event()

    def watch() -> None:
        had_workers = True
        while True:
            try:
                has_workers = bool(client.nthreads())
            except Exception:  # the scheduler is lost, which ends the calls, too
                return
            if had_workers and not has_workers:
                note(f"the Dask scheduler at {cluster} has no worker; the work goes on when one joins: 'dask worker {cluster}'")
            had_workers = has_workers
            if ended.wait(_LOOK_S):
                return

    thread = threading.Thread(target=watch, name="cluster-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(_LOOK_S)
