"""Measure how fast a plan opens and gives rows, next to MosaicML Streaming's planning.

    python -m tools.bench_plan
    python -m venv PEER && PEER/bin/pip install mosaicml-streaming && python -m tools.bench_plan
    --peer PEER/bin/python

10^9 rows over 10^5 shards: ten complete conditions of 10^8 clips in 10^4 shards each (`balance`:
10^7 clips). Every case runs in a process of its own, on one core. Times are CPU times, the best of
five; memory is the peak of resident memory above the store's arrays.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil  # type: ignore[import-untyped]  # it has no type hints
import typer

from streamaug.planning import Column, Grouping, Groups, Inventory, Plan
from streamaug.recipes import Recipe, Schedule, Share

CONDITIONS = ("original", "aac_32", "aac_48", "aac_64", "he-aac_16", "he-aac_32", "mp3_32", "mp3_64", "opus_32", "opus_64")
RUN, REPEATS, SINGLES = 1_000_000, 5, 400
PEER_SIZES = (10**6, 10**7, 10**8)
TAU = {"train": 13_962, "evaluate": 2_968, "device_a": 10_215}


def recipe(draw: str, weight: float = 1, options: Mapping[str, Any] | None = None, **settings: Any) -> Recipe:
    mixture = {name: Share(weight=Schedule.of(weight)) for name in CONDITIONS}
    return Recipe(title=draw, draw=draw, mixture=mixture, options=options or {}, **settings)


def columns(clips: int) -> list[Column]:
    """Label and device of clips; together they make 90 groups."""
    rng = np.random.default_rng(0)
    return [
        Column(values=tuple(f"{name} {number}" for number in range(count)), codes=rng.integers(0, count, clips, dtype=np.int32))
        for name, count in (("label", 10), ("device", 9))
    ]


def inventory(clips: int, shards: int, *, grouped: bool = False) -> Inventory:
    """Ten complete conditions, clips in the order of equal shards, and optionally in groups."""
    return Inventory(
        clips=range(clips),
        available=dict.fromkeys(CONDITIONS),
        shards=Grouping(order=None, sizes=np.full(shards, clips // shards)),
        groups=Groups.of(columns(clips)) if grouped else None,
    )


def cases() -> dict[str, Callable[[], tuple[Recipe, Inventory]]]:
    groups = ("label", "device")
    return {
        "union": lambda: (recipe("union"), inventory(10**8, 10**4)),
        "union, stratify 256": lambda: (recipe("union", stratify=256), inventory(10**8, 10**4)),
        "union, window of 64": lambda: (recipe("union", window=64), inventory(10**8, 10**4)),
        "weighted": lambda: (recipe("weighted", options={"rows": 10**9}), inventory(10**8, 10**4)),
        "weighted, window of 64": lambda: (recipe("weighted", options={"rows": 10**9}, window=64), inventory(10**8, 10**4)),
        "one-per-clip": lambda: (recipe("one-per-clip"), inventory(10**9, 10**5)),
        "one-per-clip, window of 64": lambda: (recipe("one-per-clip", window=64), inventory(10**9, 10**5)),
        "four views": lambda: (recipe("views", options={"views": 4}), inventory(10**9, 10**5)),
        "four views, window of 128": lambda: (recipe("views", options={"views": 4}, window=128), inventory(10**9, 10**5)),
        "union, balance": lambda: (recipe("union", weight=10, balance=groups), inventory(10**7, 10**4, grouped=True)),
        "weighted, balance": lambda: (recipe("weighted", options={"rows": 10**9}, balance=groups), inventory(10**7, 10**4, grouped=True)),
        "one-per-clip, balance": lambda: (recipe("one-per-clip", balance=groups), inventory(10**7, 10**4, grouped=True)),
    }


def best(action: Callable[[], object], repeats: int = REPEATS) -> float:
    """CPU seconds of the quickest of some runs."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def measured_memory(action: Callable[[], object]) -> int:
    """Peak of resident bytes during an action, above those before it."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts again from here
    before: int = psutil.Process().memory_info().rss
    action()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 - before


def measure(name: str) -> dict[str, float]:
    """One case: rows, seconds to open, for RUN rows in order and for a single row, bytes."""
    mixed, clips = cases()[name]()
    size = Plan(recipe=mixed, inventory=clips).epoch_size(0)
    opening = best(lambda: Plan(recipe=mixed, inventory=clips).epoch_size(0))
    plan = Plan(recipe=mixed, inventory=clips)
    memory = measured_memory(lambda: plan.rows(0, np.arange(RUN)))
    run = best(lambda: plan.rows(0, np.arange(size // 2, size // 2 + RUN)))
    positions = np.random.default_rng(0).integers(0, size, SINGLES).tolist()
    single = best(lambda: [plan.row(0, position) for position in positions]) / SINGLES
    return {"rows": size, "opening": opening, "run": run, "single": single, "memory": memory}


def measure_peer_size(rows: int) -> dict[str, float]:
    """streamaug with as many rows as the peer: seconds to open and for all rows, bytes."""
    clips = inventory(rows // 10, max(1, rows // 10 // 10_000))
    mixed = recipe("union", window=64)
    memory = measured_memory(lambda: Plan(recipe=mixed, inventory=clips).rows(0, np.arange(min(rows, RUN))))
    opening = best(lambda: Plan(recipe=mixed, inventory=clips).epoch_size(0))
    plan = Plan(recipe=mixed, inventory=clips)

    def all_rows() -> None:
        for start in range(0, rows, RUN):
            plan.rows(0, np.arange(start, min(start + RUN, rows)))

    return {"opening": opening, "whole": best(all_rows, 1 if rows > 10**7 else 3), "memory": memory}


PEER = """
import json, sys, time
from importlib.metadata import version
from pathlib import Path
from types import MethodType, SimpleNamespace
import numpy as np
from streaming import StreamingDataset
from streaming.base.batching import generate_work

rows, streams = int(sys.argv[1]), 10
shards = max(1, rows // streams // 10_000)
per_shard = np.full(streams * shards, rows // streams // shards, np.int64)
dataset = SimpleNamespace(
    num_streams=streams, shards_per_stream=[shards] * streams, shard_offset_per_stream=[shards * number for number in range(streams)],
    samples_per_shard=per_shard, sample_offset_per_shard=np.cumsum(per_shard) - per_shard, epoch_size=rows, batch_size=256,
    streams=[SimpleNamespace(choose=rows // streams)] * streams, sampling_granularity=1, sampling_method="balanced",
    epoch_seed_change=True, num_canonical_nodes=1, initial_physical_nodes=None, partition_algo="relaxed",
    shuffle=True, shuffle_algo="py1e", shuffle_seed=0, shuffle_block_size=64 * int(per_shard[0]),
)
dataset.resample_streams = MethodType(StreamingDataset.resample_streams, dataset)
world = SimpleNamespace(num_nodes=1, ranks_per_node=1, workers_per_rank=1)
Path("/proc/self/clear_refs").write_text("5")
before = int(Path("/proc/self/status").read_text().split("VmRSS:")[1].split()[0])
times = []
for _ in range(1 if rows > 10**7 else 3):
    start = time.process_time()
    order = generate_work("random", dataset, world, 0, 0)
    times.append(time.process_time() - start)
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
assert np.bincount(order[order >= 0]).tolist() == [1] * rows if rows <= 10**6 else True
print(json.dumps({"whole": min(times), "memory": (peak - before) * 1024, "version": version("mosaicml-streaming")}))
"""
"""What StreamingDataset does when an epoch begins: its own functions, on shards without data."""


def in_a_process(code: str, *arguments: object, python: str = sys.executable) -> dict[str, Any]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    ran = subprocess.run([python, "-c", code, *map(str, arguments)], capture_output=True, text=True, env=environment, check=False)
    if ran.returncode:
        raise SystemExit(f"{python} failed:\n{ran.stderr}")
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return result


def command_seconds() -> float:
    """CPU seconds of `streamaug plan` for row 7 of Table 3, imports included."""
    from streamaug.testing import tau2020_store

    with tempfile.TemporaryDirectory() as folder:
        store = tau2020_store(Path(folder) / "store", **TAU)
        code = "from streamaug.cli.main import main; main()"
        command = [sys.executable, "-c", code, "plan", "train/paper/recipes/table3/row_7.yaml", store.url]
        times = []
        for _ in range(REPEATS):
            before = os.times()
            subprocess.run(command, check=True, capture_output=True)
            after = os.times()
            times.append(after.children_user + after.children_system - before.children_user - before.children_system)
        return min(times)


def main(peer: Annotated[Path | None, typer.Option(help="Python of an environment with mosaicml-streaming.")] = None) -> None:
    """Print the tables of docs/benchmarks.md."""
    print(f"Python {platform.python_version()}, NumPy {version('numpy')}, pyarrow {version('pyarrow')}, one core of {os.cpu_count()}")
    print("\n| plan | rows | open | 10^6 rows in a run | one row | memory |\n|---|---|---|---|---|---|")
    ours = "import json, sys; from tools import bench_plan; print(json.dumps(bench_plan.{}({})))"
    for name in cases():
        result = in_a_process(ours.format("measure", "sys.argv[1]"), name)
        print(
            f"| {name} | {result['rows']:.0e} | {result['opening'] * 1e3:.1f} ms | {result['run'] * 1e3:.0f} ms | "
            f"{result['single'] * 1e6:.0f} µs | {result['memory'] / 1e6:.0f} MB |",
            flush=True,
        )
    factorized = columns(10**7)
    print(f"\ngrouping 10^7 clips for `balance`: {best(lambda: Groups.of(factorized)) * 1e3:.0f} ms")
    print(f"\n`streamaug plan` of row 7 on the data set's counts, imports included: {command_seconds():.2f} s")
    if peer is None:
        return
    print("\n| rows | streamaug: open | all rows | memory | MosaicML Streaming: all rows | memory |\n|---|---|---|---|---|---|")
    for rows in PEER_SIZES:
        mine = in_a_process(ours.format("measure_peer_size", "int(sys.argv[1])"), rows)
        theirs = in_a_process(PEER, rows, python=str(peer))
        print(
            f"| {rows:.0e} | {mine['opening'] * 1e3:.1f} ms | {mine['whole']:.2f} s | {mine['memory'] / 1e6:.0f} MB | "
            f"{theirs['whole']:.2f} s | {theirs['memory'] / 1e6:.0f} MB |",
            flush=True,
        )
    print(f"\nMosaicML Streaming {theirs['version']}")


if __name__ == "__main__":
    typer.run(main)
