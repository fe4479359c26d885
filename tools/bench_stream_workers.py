"""How decoding scales with the number of decode processes; part of bench_stream.py.

    python -m tools.bench_stream_workers WORK --recordings ESC-10 [--workers 1,2,4] [--repeats 3]

WORK: the folder of bench_stream.py, which is filled if it is empty. For each number of processes, in
turn, `repeats` times: as many bare loops together, and the second epoch of the stream. CPU time is
that of this process and of the decode processes together; memory is what a decode process has for
itself.
"""

import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import psutil  # type: ignore[import-untyped]  # it has no type hints
import typer

from streamaug.streaming import Stream
from tools import bench_stream_clips
from tools.tables import table


def counts(text: str | None) -> list[int]:
    """Numbers of processes from the command line; by default powers of two up to the cores."""
    cores = len(os.sched_getaffinity(0))
    return [int(part) for part in text.split(",")] if text else [1 << power for power in range(cores.bit_length()) if 1 << power <= cores]


def streamed(work: Path, count: int) -> tuple[float, float, float]:
    """Clips per second, CPU milliseconds per clip, and megabytes of the largest process."""
    with Stream(work / "row_6.yaml", work / "store", features="static", batch_size=bench_stream_clips.BATCH, workers=count) as stream:
        bench_stream_clips.epoch(stream)
        everyone = [psutil.Process(), *psutil.Process().children(recursive=True)]
        before, begun, clips = _cpu(everyone), time.perf_counter(), 0
        for batch in stream:
            clips += len(batch["label"])
        seconds = time.perf_counter() - begun
        decoders = [grandchild for child in psutil.Process().children() for grandchild in child.children()]
        return clips / seconds, 1e3 * (_cpu(everyone) - before) / clips, max(each.memory_full_info().uss for each in decoders) / 1e6


def _cpu(processes: Sequence[psutil.Process]) -> float:
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


def measure(work: Path, numbers: Sequence[int], repeats: int) -> None:
    """Measure and print the table of medians.

    Args:
        work: Folder of bench_stream.py, filled.
        numbers: Of decode processes.
        repeats: Measurements per median.
    """
    bare: dict[int, list[float]] = {count: [] for count in numbers}
    ours: dict[int, list[tuple[float, float, float]]] = {count: [] for count in numbers}
    for _ in range(repeats):
        for count in numbers:
            bare[count].append(bench_stream_clips.bare_loops(work, count, is_mixed=True))
            ours[count].append(streamed(work, count))
    lines = []
    for count in numbers:
        rate, cpu, memory = (statistics.median(values) for values in zip(*ours[count], strict=True))
        alone = statistics.median(rate for rate, _, _ in ours[numbers[0]]) / numbers[0]
        loops = statistics.median(bare[count])
        ratios = f"{rate / (count * alone):.2f}", f"{loops:.0f}", f"{rate / loops:.2f}"
        lines.append([str(count), f"{rate:.0f}", *ratios, f"{cpu:.1f}", f"{memory:.0f}"])
    table(["processes", "clips/s", "of linear", "bare loops, clips/s", "streamaug / this", "CPU ms per clip", "MB per process"], lines)


def run(
    work: Annotated[Path, typer.Argument(help="Folder for clips and store.")],
    recordings: Annotated[Path, typer.Option(help="Folder of ESC-10: clips.csv and audio/.")],
    workers: Annotated[str | None, typer.Option(help="Numbers of decode processes. Default: powers of two up to the cores.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Measurements per median.")] = 3,
) -> None:
    """Measure the stream with several numbers of decode processes."""
    bench_stream_clips.prepare(work.absolute(), recordings)
    measure(work.absolute(), counts(workers), repeats)


if __name__ == "__main__":
    typer.run(run)
