"""Warn of an evaluation that sees a part of the clips only."""

import warnings
from functools import cache

from streamaug.streaming.partition import RankPartition


def warn_of_ranks(partition: RankPartition) -> None:
    """Warn, once per process, that the ranks share an evaluation although nobody asked for it.

    Many programs evaluate on rank 0 alone, which then sees its own share of the clips.

    Args:
        partition: This rank's slice of each batch, from the environment.
    """
    if partition.world > 1:
        _warn_once(partition.rank, partition.world)


@cache
def _warn_once(rank: int, world: int) -> None:
    warnings.warn(
        f"this evaluation runs under {world} ranks, and rank {rank} is served its share of the clips only; write rank=0, world=1 "
        f"if one rank evaluates alone, or rank={rank}, world={world} if all ranks share the clips and their results are gathered",
        stacklevel=4,
    )
