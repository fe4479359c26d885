"""Run the command in processes of their own, which a test may kill.

Each is forked from a server that has imported what the command needs, so that it takes a fraction of
a second.
"""

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from streamaug.store import Store
from tests.forked import fork_server

MODEL = "tests.stress.models:stopping"


def arguments(store: Store, out: Path) -> list[str]:
    """Of the command: six clips in two conditions, with a model that can end its process."""
    return ["stress", MODEL, store.url, "--out", str(out), "--batch-size", "4", "--device", "cpu"]


def run(store: Store, out: Path, *environments: dict[str, str]) -> list[tuple[int, str]]:
    """Run the command in one process for each environment, at the same time.

    Returns:
        Exit code and output of each.
    """
    logs = [out.with_name(f"{out.name}.log{number}") for number in range(len(environments))]
    processes = [
        fork_server().Process(target=_command, args=(arguments(store, out), environment, log))
        for environment, log in zip(environments, logs, strict=True)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        process.kill()
    return [(int(process.exitcode or 0), log.read_text()) for process, log in zip(processes, logs, strict=True)]


def rank_environments(world: int) -> Sequence[dict[str, str]]:
    """The environment of each rank, as torchrun sets it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    return [{**common, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(world)]


def _command(arguments: Sequence[str], environment: dict[str, str], log: Path) -> None:
    # One core for each: it decodes in a thread then, and no decode process is started.
    os.environ |= {"CUDA_VISIBLE_DEVICES": "", "LOCAL_WORLD_SIZE": "1024", **environment}
    output = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    import torch

    from streamaug.cli.main import main

    torch.set_num_threads(1)
    sys.argv = ["streamaug", *arguments]
    main()
