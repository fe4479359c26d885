"""The option --cluster: run the work on a Dask cluster instead of this machine's processes."""

import logging
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager
from typing import Annotated

import typer

from streamaug.cli.console import note
from streamaug.dask_executor import DaskExecutor
from streamaug.errors import StreamaugError

_TIMEOUT_S = 15
"""Seconds that a scheduler may take to answer."""

Cluster = Annotated[str | None, typer.Option(help="Address of a Dask scheduler (tcp://host:8786). Default: processes on this machine.")]


@contextmanager
def executor_of(cluster: str | None) -> Iterator[Executor | None]:
    """The executor of a Dask cluster.

    Args:
        cluster: Address of its scheduler. None: no cluster, and no executor.

    Raises:
        StreamaugError: Dask is not installed, no scheduler answers, the scheduler lacks streamaug or is
            lost, or a worker was killed.
    """
    if cluster is None:
        yield None
        return
    import asyncio

    try:
        from distributed import Client, KilledWorker, Security
        from distributed.comm.core import CommClosedError, connect
    except ImportError as error:
        raise StreamaugError(f"--cluster needs Dask, which is not installed ({error}); run 'pip install streamaug[cluster]'") from error
    # It logs a traceback when the scheduler is lost; the error below says the same in a line.
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)

    async def answers() -> None:
        """The client would wait forever for the greeting of what listens there, but is no scheduler, such as the dashboard."""
        settings = Security().get_connection_args("client")  # type: ignore[no-untyped-call]  # distributed has no types
        comm = await asyncio.wait_for(connect(cluster, timeout=_TIMEOUT_S, **settings), _TIMEOUT_S)  # type: ignore[no-untyped-call]
        await comm.close()

    try:
        asyncio.run(answers())
        client = Client(cluster, timeout=_TIMEOUT_S)  # type: ignore[no-untyped-call]  # distributed has no types
    except (OSError, ValueError, TypeError, ImportError) as error:  # of networks, addresses, TLS, and other versions
        raise StreamaugError(
            f"no Dask scheduler answers at {cluster}: {str(error) or 'it does not greet'}; start one with 'dask scheduler'"
        ) from error
    with client:
        if not client.scheduler_info()["workers"]:
            note(f"no worker has joined the Dask scheduler at {cluster}; the work begins when one does: 'dask worker {cluster}'")
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
