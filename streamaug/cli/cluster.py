"""The option --cluster: a Dask cluster's workers in place of this machine's processes."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Annotated

import typer

from streamaug.errors import StreamaugError

_PATIENCE = 15
"""Seconds that a scheduler may take to answer."""

Cluster = Annotated[str | None, typer.Option(help="Address of a Dask scheduler (tcp://host:8786) whose workers do the work.")]


@contextmanager
def executor_of(cluster: str | None) -> Iterator[Executor | None]:
    """The executor of the cluster at an address, None without one. Raises StreamaugError where no scheduler answers there."""
    if cluster is None:
        yield None
        return
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise StreamaugError(f"--cluster needs Dask: {error}; 'pip install streamaug[cluster]'") from error
    try:
        client = Client(cluster, timeout=_PATIENCE)  # type: ignore[no-untyped-call]  # distributed has no types
    except (OSError, ValueError) as error:
        raise StreamaugError(f"no Dask scheduler answers at {cluster}: {error}; start one with 'dask scheduler'") from error
    with client:
        try:
            # Not pure: Dask must not hand out the result of an earlier call with the same arguments.
            with client.get_executor(pure=False) as executor:  # type: ignore[no-untyped-call]  # as above
                yield executor
        except KilledWorker as error:
            raise StreamaugError(f"{error}; look into the workers' logs (memory?), then start again: what is done stays") from error
