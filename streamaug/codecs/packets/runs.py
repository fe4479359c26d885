"""Runs of packets that arrived, and of packets that were lost."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Run:
    """Packets in a row that all arrived, or were all lost.

    Args:
        first: Number of the first packet.
        last: That of the packet after the last.
        is_lost: Whether they were lost.
    """

    first: int
    last: int
    is_lost: bool


def runs_of(lost: np.ndarray) -> Iterator[Run]:
    """The runs of some packets, in their order.

    Args:
        lost: Which packets are lost, bool of shape (packets,).

    >>> [(run.first, run.last) for run in runs_of(np.array([False, True, True]))]
    [(0, 1), (1, 3)]
    """
    edges = [0, *(np.flatnonzero(lost[1:] != lost[:-1]) + 1).tolist(), len(lost)] if len(lost) else [0]
    for first, last in pairwise(edges):
        yield Run(first, last, bool(lost[first]))


def spread(decoded: np.ndarray, runs: list[Run], starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put what was decoded of the packets that arrived into their places; also where the gaps are,
    int64 of shape (gaps, 2).

    Args:
        decoded: Of shape (channels, samples).
        runs: Of all packets.
        starts: Samples at which each packet begins, and the end of the last.
    """
    whole = np.zeros((len(decoded), int(starts[runs[-1].last]) if runs else 0), np.float32)
    gaps, taken = list[tuple[int, int]](), 0
    for run in runs:
        start, stop = int(starts[run.first]), int(starts[run.last])
        if run.is_lost:
            gaps.append((start, stop))
        else:
            whole[:, start:stop] = decoded[:, taken : taken + stop - start]
            taken += stop - start
    return whole, np.array(gaps, np.int64).reshape(-1, 2)
