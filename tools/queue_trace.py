"""Simulate a call that shares a full queue with other traffic, and write which of its packets are lost:
train/recipes/links/queue.csv.

python -m tools.queue_trace TRACE.csv

The queue is that of a router in front of a slow line: it drops what does not fit (drop-tail). Sources
of other traffic are on and off for times with heavy tails (Pareto), so that losses come in clusters of
many lengths, as in W. E. Leland et al., On the Self-Similar Nature of Ethernet Traffic, 1994. That is
unlike the link `{loss, burst}`, whose bursts have a geometric length. A simulation, not a recording.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from streamaug.files import write_whole

PACKETS = 15_000
"""Five minutes of packets of 20 ms."""

PACKET_MS = 20
LINE_BYTES_PER_MS = 250.0  # 2 Mbit/s
QUEUE_BYTES = 12_500.0  # 50 ms of the line
SOURCES = 4
SOURCE_BYTES_PER_MS = 150.0  # 1.2 Mbit/s while it is on
ON_MS, OFF_MS = 60.0, 120.0  # the shortest times
TAIL = 1.5
"""Exponent of the Pareto distribution: a finite mean, three times the shortest time, and no variance."""


def other_traffic(milliseconds: int, random: np.random.Generator) -> np.ndarray:
    """Bytes that all sources send in each millisecond, float64 of shape (milliseconds,).

    Args:
        milliseconds: How long they send.
        random: Draws their times.
    """
    total = np.zeros(milliseconds)
    for _ in range(SOURCES):
        shortest = np.tile([ON_MS, OFF_MS], milliseconds // 100)
        changes = np.cumsum(shortest * (1 + random.pareto(TAIL, len(shortest)))).astype(int)
        is_on = np.searchsorted(changes, np.arange(milliseconds), side="right") % 2 == 0
        total += SOURCE_BYTES_PER_MS * is_on
    return total


def lost_packets(seed: int) -> np.ndarray:
    """Which packets of the call are dropped, bool of shape (PACKETS,).

    Args:
        seed: Of the other traffic, and of which packets a full queue drops.
    """
    random = np.random.default_rng(seed)
    arriving = other_traffic(PACKETS * PACKET_MS, random)
    queued, dropped = 0.0, np.zeros(len(arriving))
    for now, size in enumerate(arriving):
        queued = max(queued + size - LINE_BYTES_PER_MS, 0.0)
        if queued > QUEUE_BYTES:
            dropped[now] = (queued - QUEUE_BYTES) / size
            queued = QUEUE_BYTES
    return np.asarray(random.random(PACKETS) < dropped[::PACKET_MS])


def main(
    trace: Annotated[Path, typer.Argument(help="CSV to write.", metavar="TRACE.csv")],
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 0,
) -> None:
    """Write the trace."""
    lost = lost_packets(seed)
    write_whole(trace, "lost\n" + "".join(f"{int(each)}\n" for each in lost))
    edges = np.flatnonzero(np.diff(lost, prepend=False, append=False)).reshape(-1, 2)
    lengths = edges[:, 1] - edges[:, 0]
    print(
        f"{trace}: {PACKETS} packets, {100 * lost.mean():.1f} % lost, in bursts of {lengths.mean():.1f} on average, {lengths.max()} at most"
    )


if __name__ == "__main__":
    typer.run(main)
