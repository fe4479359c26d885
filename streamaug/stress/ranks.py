"""Share work among the ranks that torchrun or another launcher has started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch.distributed as dist

from streamaug.errors import StreamaugError

T = TypeVar("T")

_LONGEST = timedelta(days=30)
"""For which a rank waits for the others: their shares may take hours. One that dies is noticed
before, since its connections close."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those that share the work.

    Args:
        rank: Number of this one, from 0.
        world: Number of all.
        group: Connects them; None for one rank alone.
    """

    rank: int = 0
    world: int = 1
    group: dist.ProcessGroup | None = None

    def gather(self, value: T) -> list[T]:
        """What each rank has for a value, rank by rank; waits for all of them.

        Args:
            value: This rank's.

        Raises:
            StreamaugError: Another rank has ended.
        """
        if self.group is None:
            return [value]
        values: list[Any] = [None] * self.world
        try:
            dist.all_gather_object(values, value, group=self.group)
        except RuntimeError as error:
            raise StreamaugError(
                f"rank {self.rank} lost another rank, which ended with an error of its own; read its message, and run the command again to "
                "resume"
            ) from error
        return values


@contextmanager
def open_ranks() -> Iterator[Ranks]:
    """The ranks of the process group, or else those that the launcher has started, connected as long
    as the `with` block runs.

    Raises:
        StreamaugError: The launcher has not said which rank this is, or ranks do not come.
    """
    is_own = not dist.is_initialized()
    if is_own and os.environ.get("WORLD_SIZE", "1") == "1":
        yield Ranks()
        return
    if is_own:
        try:
            dist.init_process_group("gloo")
        except (ValueError, RuntimeError) as error:
            raise StreamaugError(
                f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but the ranks cannot meet: {error}; use torchrun, or unset WORLD_SIZE"
            ) from error
    try:
        yield Ranks(rank=dist.get_rank(), world=dist.get_world_size(), group=dist.new_group(timeout=_LONGEST, backend="gloo"))
    finally:
        if is_own:
            dist.destroy_process_group()
