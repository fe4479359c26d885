"""Measure how a build grows with its clips: `python -m tools.bench_scale FOLDER`.

It makes many tiny clips, builds a store of them under two cheap conditions, then builds again with
nothing new, with one more clip, with one more condition and with one more condition that is an
effect. Each build is a process of its own; time, processor time of all its processes and the memory
of the largest worker and of the parent are printed, for some of the clips, by default half, and for
all.
"""

import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil  # type: ignore[import-untyped]  # it has no type hints
import soundfile
import typer

RATE, SAMPLES = 8_000, 800
CLIPS_PER_FOLDER = 2_000
CONDITIONS = "original,alaw_64"
_INTERVAL_S = 0.5


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a build cost.

    Args:
        seconds: Time.
        cpu: Processor time of all processes in seconds.
        parent_mb: Largest memory of the builder itself in MB.
        worker_mb: Largest memory of one worker in MB.
    """

    seconds: float
    cpu: float
    parent_mb: float
    worker_mb: float


def write_clips(folder: Path, count: int) -> Path:
    """Write tiny clips of noise and their table; clips that exist are kept.

    Args:
        folder: Where.
        count: Number of clips.
    """
    rows = ["path,label,split"]
    base = np.random.default_rng(0).integers(-8_000, 8_000, SAMPLES, np.int16)
    for number in range(count):
        name = f"{number // CLIPS_PER_FOLDER:04d}/clip{number:07d}.wav"
        path = folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            base[:4] = np.array([number], np.int64).view(np.int16)  # no two alike
            soundfile.write(path, base, RATE)
        rows.append(f"{name},{'abcdefgh'[number % 8]},{'train' if number % 5 else 'evaluate'}")
    table = folder / f"clips-{count}.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


def measured(table: Path, store: Path, conditions: str, workers: int) -> Cost:
    """Build, and watch the processes.

    Args:
        table: The clips.
        store: Folder of the store.
        conditions: What to build.
        workers: Number of worker processes.

    Raises:
        CalledProcessError: The build failed.
    """
    command = [sys.executable, "-m", "streamaug", "build", str(table), str(store), "--name", "scale", "--conditions", conditions]
    before, begun = _children_cpu(), time.perf_counter()
    process = subprocess.Popen([*command, "--workers", str(workers)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    largest, ended = {"parent": 0, "worker": 0}, threading.Event()

    def watch() -> None:
        while not ended.wait(_INTERVAL_S):
            for kind, memory in _memory(process.pid):
                largest[kind] = max(largest[kind], memory)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    ended.set()
    watcher.join()
    if code:
        raise subprocess.CalledProcessError(code, command)
    return Cost(
        seconds=time.perf_counter() - begun,
        cpu=_children_cpu() - before,
        parent_mb=largest["parent"] / 1e6,
        worker_mb=largest["worker"] / 1e6,
    )


def _children_cpu() -> float:
    times = os.times()
    return times.children_user + times.children_system


def _memory(pid: int) -> Iterator[tuple[str, int]]:
    try:
        parent = psutil.Process(pid)
        yield "parent", parent.memory_info().rss
        for child in parent.children(recursive=True):
            yield "worker", child.memory_info().rss
    except psutil.NoSuchProcess:
        return


def builds(clips: Path, store: Path, count: int, workers: int) -> Iterator[tuple[str, Cost]]:
    """The builds of a store of so many clips, in their order."""
    table, more = write_clips(clips, count), write_clips(clips, count + 1)
    yield "first build", measured(table, store, CONDITIONS, workers)
    yield "nothing new", measured(table, store, CONDITIONS, workers)
    yield "one more clip", measured(more, store, CONDITIONS, workers)
    yield "one more condition", measured(more, store, "mulaw_64", workers)
    yield "one more effect", measured(more, store, "noise", workers)


def run(
    folder: Annotated[Path, typer.Argument(help="Folder for clips and stores.")],
    clips: Annotated[int, typer.Option(min=10, help="Number of clips.")] = 200_000,
    smaller: Annotated[int | None, typer.Option(min=10, help="Number of clips of the smaller store. Default: half of --clips.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = os.cpu_count() or 1,
) -> None:
    """Print a Markdown table."""
    print(f"Python {platform.python_version()}, {workers} workers, clips of {SAMPLES} samples\n")
    print("| clips | build | s | CPU s | CPU, share of the first | CPU per clip, ms | parent, MB | largest worker, MB |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for count in (smaller or clips // 2, clips):
        first = 0.0
        for name, cost in builds(folder / "clips", folder / f"store-{count}", count, workers):
            first = first or cost.cpu
            print(
                f"| {count} | {name} | {cost.seconds:.0f} | {cost.cpu:.1f} | {cost.cpu / first:.1%} | {1000 * cost.cpu / count:.2f} "
                f"| {cost.parent_mb:.0f} | {cost.worker_mb:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    typer.run(run)
