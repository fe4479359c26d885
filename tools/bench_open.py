"""Measure what opening a large store takes, and what goes to the workers of a DataLoader that are
spawned.

    python -m tools.bench_open FOLDER

FOLDER: where the first run writes the store (0.3 GB): 10^6 clips in four conditions. It has tables
but no shards, since opening reads none. Opening is `Store.open`, `Stream` and the plan's first
rows; it is measured in fresh processes, without the time and memory of the imports. CPU time is
that of the quickest of three runs, memory the largest.
"""

import json
import multiprocessing
import platform
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from multiprocessing import reduction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil  # type: ignore[import-untyped]  # it has no type hints
import pyarrow as pa
import typer

from streamaug.store.folder import Folder
from streamaug.store.format import ShardInfo, clips_schema, shard_name
from streamaug.store.index import Index
from streamaug.store.manifest import Manifest
from streamaug.store.targets import OneLabel
from streamaug.store.writing import Tables, write_manifest
from streamaug.streaming import Stream
from streamaug.testing import index_meta
from tools.bench_plan import measured_memory

CONDITIONS = ("original", "mp3_64", "he-aac_16", "aac_32")
RECIPES: dict[str, dict[str, Any]] = {
    "union": {},
    "union, window of 64": {"shuffle": {"window": 64}},
    "union, balance": {"balance": ["label", "device"]},
}
LABELS, DEVICES, PER_GROUP, PER_SHARD, SAMPLES = 10, 9, 10, 1000, 441_000
REPEATS, WORKERS, ROWS, RUN = 3, 2, 1000, 100_000
COLUMNS = ("shard", "offset", "size", "delay", "sha256")


def recipe(name: str) -> dict[str, Any]:
    return {"title": name, "draw": "union", "mixture": dict.fromkeys(CONDITIONS, 1), **RECIPES[name]}


def write_store(folder: Path, clips: int) -> None:
    """Write the tables of a store as a build does: clips by clip_id, indexes by shard."""
    rng = np.random.default_rng(0)
    number = np.arange(clips)
    label, device = rng.integers(0, LABELS, clips), rng.integers(0, DEVICES, clips)
    ids = [f"scene{label[each]}-{each // PER_GROUP:06d}-{each:07d}-{device[each]}" for each in range(clips)]
    shard = np.empty(clips, np.int32)
    shard[rng.permutation(clips)] = np.arange(clips) // PER_SHARD
    columns = {
        "clip_id": ids,
        "label": [f"scene{each}" for each in label],
        "split": ["train" if place % 5 else "evaluate" for place in (number // PER_GROUP)],
        "group": [f"place {place}" for place in number // PER_GROUP],
        "shard": shard,
        "samples": np.full(clips, SAMPLES),
        "depth": np.full(clips, 16),
        "sha256": hashes(rng, clips),
        "device": [f"device {each}" for each in device],
    }
    order = np.argsort(np.array(ids))
    table = pa.table(columns).take(pa.array(order)).cast(pa.schema([*clips_schema("label"), pa.field("device", pa.string())]))
    target, tables = Folder.at(folder), Tables()
    indexes = {name: tables.add_index(index(name, table, rng)) for name in CONDITIONS}
    labels = tuple(sorted(set(columns["label"])))
    manifest = Manifest(name="large", labels=labels, rate=44_100, shard_by="split", clips=tables.add_clips(table), conditions=indexes)
    tables.write(target)
    write_manifest(target, manifest)


def hashes(rng: np.random.Generator, count: int) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), count, [None, pa.py_buffer(rng.bytes(32 * count))])


def index(name: str, clips: pa.Table, rng: np.random.Generator) -> Index:
    """An index whose clips are in every shard by clip_id."""
    numbers = clips["shard"].to_numpy()
    rows = np.argsort(numbers, kind="stable")
    shard, size = numbers[rows], rng.integers(20_000, 120_000, len(rows))
    ends = np.cumsum(size + 1024)
    counts = np.bincount(shard)
    first = np.cumsum(counts) - counts
    offset = ends - size - np.concatenate([[0], ends])[first][shard]
    settings = f"{CONDITIONS.index(name):08x}"
    shards = [
        ShardInfo(name=shard_name(settings, sha256), number=place, bytes=1 << 30, sha256=sha256)
        for place in range(len(counts))
        for sha256 in [rng.bytes(32).hex()]
    ]
    table = pa.table(
        {
            "clip_id": clips["clip_id"].take(pa.array(rows)),
            "shard": pa.array(shard, pa.int32()),
            "offset": pa.array(offset, pa.int64()),
            "size": pa.array(size, pa.int64()),
            "sha256": hashes(rng, len(rows)),
            "delay": pa.array(np.full(len(rows), 1105), pa.int32()),
            "samples": pa.array(np.full(len(rows), SAMPLES), pa.int64()),
            "kbps": pa.array(size * 8e-4, pa.float32()),
        }
    )
    return Index(meta=index_meta(name, settings, shards), table=table)


def opened(store: Path, name: str) -> Stream:
    stream = Stream(recipe(name), store, features="waveform", threads=1)
    stream.plan.rows(0, np.arange(ROWS))
    return stream


def opening(store: Path, name: str) -> dict[str, float]:
    """CPU seconds and peak of memory."""
    pa.array(np.zeros(1))  # imports pandas, if it is installed
    start = time.process_time()
    peak = measured_memory(lambda: opened(store, name))
    return {"seconds": time.process_time() - start, "peak": peak}


@contextmanager
def counted_pickles() -> Iterator[list[int]]:
    """The bytes of all that is pickled for processes that are started meanwhile."""
    sizes: list[int] = []
    dump = reduction.dump

    def counted(value: Any, file: Any, protocol: int | None = None) -> None:
        before = file.tell()
        dump(value, file, protocol)
        sizes.append(file.tell() - before)

    reduction.dump = counted  # type: ignore[assignment]  # its file must also say where it is
    try:
        yield sizes
    finally:
        reduction.dump = dump


def worker(stream: Stream | None, answers: Any, ended: Any) -> None:
    """Look at everything that a stream needs of its store, and say what memory is this process's
    own while all workers run."""
    if stream is not None:
        size, store = stream.plan.epoch_size(0), stream._opened
        for first in range(0, size, RUN):
            stream.plan.rows(0, np.arange(first, min(first + RUN, size)))
        assert isinstance(store.targets, OneLabel)
        for array in (store.targets.numbers, *(getattr(each, name) for each in store.locations for name in COLUMNS)):
            array.max()
        store.clip_ids.validate(full=True)
    ended.wait()
    answers.put(int(psutil.Process().memory_full_info().uss))
    ended.wait()


def spawning(store: Path, name: str) -> dict[str, float]:
    """Bytes pickled into a spawned worker, and memory of its own above that of one without a
    stream."""
    context = multiprocessing.get_context("spawn")

    def workers_of(stream: Stream | None) -> tuple[int, int]:
        answers, ended = context.Queue(), context.Barrier(WORKERS)
        workers = [context.Process(target=worker, args=(stream, answers, ended)) for _ in range(WORKERS)]
        with counted_pickles() as sizes:
            for each in workers:
                each.start()
        used = [answers.get() for _ in workers]
        for each in workers:
            each.join()
        return max(sizes), max(used)

    _, empty = workers_of(None)
    pickled, used = workers_of(opened(store, name))
    return {"pickled": pickled, "own": used - empty}


def in_a_process(expression: str) -> dict[str, float]:
    """Result of a function of this module in a new process."""
    code = f"import json; from pathlib import Path; from tools import bench_open; print(json.dumps(bench_open.{expression}))"
    ran = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, float] = json.loads(ran.stdout)
    return result


def run(
    folder: Annotated[Path, typer.Argument(help="Folder for the store.")],
    clips: Annotated[int, typer.Option(min=10_000, help="Number of clips.")] = 1_000_000,
) -> None:
    """Print a Markdown table."""
    store = folder.absolute() / f"store-{clips}"
    if not (store / "store.json").exists():
        write_store(store, clips)
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "pyarrow", "torch"))
    print(f"Python {platform.python_version()}, {versions}, {clips} clips in {len(CONDITIONS)} conditions\n")
    print("| recipe | opening, CPU s | peak, MB | pickled per worker, MB | own memory of a worker, MB |\n|---|---:|---:|---:|---:|")
    for name in RECIPES:
        runs = [in_a_process(f"opening(Path({str(store)!r}), {name!r})") for _ in range(REPEATS)]
        spawned = in_a_process(f"spawning(Path({str(store)!r}), {name!r})")
        print(
            f"| {name} | {min(each['seconds'] for each in runs):.2f} | {max(each['peak'] for each in runs) / 1e6:.0f} "
            f"| {spawned['pickled'] / 1e6:.2f} | {spawned['own'] / 1e6:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    typer.run(run)
