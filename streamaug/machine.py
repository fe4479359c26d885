"""Count the cores that this process may use: affinity, container quotas and other ranks reduce
them."""

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from streamaug.errors import StreamaugError

_LOCAL_WORLD = ("LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS")
"""Where launchers write the number of ranks on this machine: torchrun and accelerate, Open MPI,
Intel MPI and MPICH."""


def cores(root: Path = Path("/")) -> int:
    """Cores that this process may use, at least 1: those it is bound to, or fewer if a container
    has a CPU quota.

    Args:
        root: Folder that contains `proc` and `sys`.
    """
    # macOS and Windows cannot bind a process to cores, and their Python lacks the function.
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([bound, *(math.ceil(quota) for quota in _quotas(root))]))


def cores_per_rank(environment: Mapping[str, str] = os.environ) -> int:
    """This rank's share of `cores()`, at least 1, if a launcher started several ranks on this
    machine.

    Args:
        environment: Environment variables.

    Raises:
        StreamaugError: A launcher's variable is not a number.
    """
    for name in _LOCAL_WORLD:
        if text := environment.get(name):
            if not text.isdecimal() or int(text) < 1:
                raise StreamaugError(f"{name}='{text}' is not a number of ranks; unset it, or set it to the ranks on this machine")
            return max(1, cores() // int(text))
    return cores()


def _quotas(root: Path) -> Iterator[float]:
    """The CPU quotas of this process's control groups and of those above them, in cores; none
    outside Linux."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2, whose single tree has all controllers
            top, read = root / "sys/fs/cgroup", _quota_v2
        elif "cpu" in controllers.split(","):
            top, read = root / "sys/fs/cgroup" / controllers, _quota_v1
        else:
            continue
        group = PurePosixPath(path.lstrip("/"))
        # A container may see the path that its group has on the host; its own group is then the
        # top.
        for folder in (group, *group.parents):
            quota = read(top / folder)
            if quota is not None:
                yield quota


def _quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _quota_v1(folder: Path) -> float | None:
    try:
        quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None  # -1 means no quota
