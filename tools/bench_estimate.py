"""Check `streamaug plan --estimate`: what it extrapolates from a small store, against a large one.

    python -m tools.bench_estimate STORE FOLDER

STORE: any store. Its clips are repeated under other names up to the number of each size; the shards
are hard links (`tools.bench_stream_memory`). Of the larger store, the requests of three times as many
rows are merged as an estimate looks at, opening is measured, and rows are streamed by one thread.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from streamaug.cli.estimate import measured_estimate
from streamaug.planning import Plan
from streamaug.planning.costs import estimate
from streamaug.planning.open_plan import open_plan
from streamaug.planning.probe import measure_opening
from streamaug.planning.reads import simulate_reads
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from tools.bench_stream_memory import grow

MERGED, STREAMED = 300_000, 320
"""Rows whose requests are merged, and that are streamed."""

SHUFFLES: dict[str, dict[str, Any]] = {"full": {}, "windows of 64 shards": {"shuffle": {"window": 64}}}


def opened(folder: Path, shuffle: str) -> tuple[Store, Plan]:
    """A store, and the union of all its conditions."""
    store = Store.open(folder)
    recipe = load_recipe({"draw": "union", "mixture": dict.fromkeys(store.conditions, 1), **SHUFFLES[shuffle]})
    return store, open_plan(recipe, store)


def extrapolated(folder: Path, shuffle: str, clips: int) -> dict[str, float]:
    """What the estimate says of more clips than the store has."""
    store, plan = opened(folder, shuffle)
    locations = [store.locations(name) for name in plan.conditions]
    found = measured_estimate(plan, store, locations, 0, estimate(plan, store, locations, [0]), clips)
    return _figures({**asdict(found), "core_s": (found.decode_s + (found.feature_s or 0)) / found.rows}, asdict(found.opening))


def counted(folder: Path, shuffle: str) -> dict[str, float]:
    """What the store takes: requests merged, opening and rows measured."""
    store, plan = opened(folder, shuffle)
    opening = measure_opening(plan, store)
    locations = [store.locations(name) for name in plan.conditions]
    reads = simulate_reads(plan, locations, 0, most=MERGED)
    sizes = [info.bytes for name in plan.conditions for info in store.index(name).meta.shards]
    share = plan.epoch_size(0) / reads.rows
    epoch = {
        "rows": plan.epoch_size(0),
        "requests": reads.requests * share,
        "read_bytes": reads.read_bytes * share,
        "store_bytes": sum(sizes),
        "shards": len(sizes),
        "core_s": streamed(plan, store),
    }
    return _figures(epoch, asdict(opening))


def _figures(epoch: dict[str, Any], opening: dict[str, Any]) -> dict[str, float]:
    names = {
        "rows": "rows",
        "requests": "requests",
        "read_bytes": "bytes read",
        "store_bytes": "bytes of the shards",
        "shards": "shards",
        "core_s": "core seconds per row",
    }
    return {
        **{text: float(epoch[name]) for name, text in names.items()},
        "bytes to open": float(opening["read_bytes"]),
        "core seconds to open": float(opening["core_s"]),
        "bytes of memory": float(opening["memory_bytes"]),
    }


def streamed(plan: Plan, store: Store) -> float:
    """Processor seconds per row of a stream in this process."""
    batches = iter(Stream(plan, store, batch_size=64, threads=1))
    next(batches)
    begun = time.process_time()
    for _ in range(STREAMED // 64):
        next(batches)
    return (time.process_time() - begun) / STREAMED


def in_a_process(call: str) -> dict[str, float]:
    """Result of a function of this module in a process of its own."""
    code = f"import json; from pathlib import Path; from tools import bench_estimate as it; print(json.dumps(it.{call}))"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stdout
    figures: dict[str, float] = json.loads(printed.splitlines()[-1])
    return figures


def run(
    store: Annotated[Path, typer.Argument(help="Any store on this machine.")],
    folder: Annotated[Path, typer.Argument(help="Folder for the repeated stores, on the same disk.")],
    smaller: Annotated[int, typer.Option(min=100, help="Clips of the store that is measured.")] = 10_000,
    clips: Annotated[int, typer.Option(min=100, help="Clips of the store that is extrapolated to.")] = 200_000,
) -> None:
    """Print a Markdown table."""
    folders = {count: folder.absolute() / f"store-{count}" for count in (smaller, clips)}
    for count, target in folders.items():
        if not (target / "store.json").exists():
            grow(Store.open(store), target, count)
    print(f"| shuffle | of {clips} clips | extrapolated from {smaller} | counted or measured | off by |")
    print("|---|---|---:|---:|---:|", flush=True)
    for shuffle in SHUFFLES:
        expected = in_a_process(f"extrapolated(Path({str(folders[smaller])!r}), {shuffle!r}, {clips})")
        actual = in_a_process(f"counted(Path({str(folders[clips])!r}), {shuffle!r})")
        for name, value in expected.items():
            print(f"| {shuffle} | {name} | {value:.4g} | {actual[name]:.4g} | {value / actual[name] - 1:+.1%} |", flush=True)


if __name__ == "__main__":
    typer.run(run)
