"""Measure a stream's memory: per clip of its store, and over twenty epochs; run by bench_stream.py,
or alone.

    python -m tools.bench_stream_memory WORK

WORK: bench_stream.py's folder. Its store of 320 clips is repeated up to a million clips with their
own names in every table; their shards are hard links to those of the small store.
"""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil  # type: ignore[import-untyped]  # it has no type hints
import pyarrow as pa
import typer

from streamaug.store import Store
from streamaug.store.folder import Folder
from streamaug.store.format import INDEX_SCHEMA, shard_name
from streamaug.store.index import Index
from streamaug.store.writing import Tables, write_manifest
from streamaug.streaming import Stream
from streamaug.streaming.heap import trim_heap

SIZES = (1_000, 10_000, 100_000, 1_000_000)
EPOCHS = 20


def grow(small: Store, folder: Path, clips: int) -> None:
    """Write a store of this many clips that repeats the bitstreams of the small one."""
    whole = small.clips.num_rows
    copies = -(-clips // whole)
    repeats = np.repeat(np.arange(copies), whole)
    folder.mkdir(parents=True)
    target, tables = Folder.at(folder), Tables()

    def repeated(table: pa.Table, shards: int) -> pa.Table:
        ids = np.tile(table["clip_id"].to_numpy(zero_copy_only=False).astype(str), copies)
        names = np.char.add(np.char.add(ids, "-"), np.char.zfill(repeats.astype(str), 6))
        tiled = pa.concat_tables([table] * copies).combine_chunks()
        shard = pa.array(np.tile(table["shard"].to_numpy(), copies) + shards * repeats, pa.int32())
        tiled = tiled.set_column(tiled.column_names.index("clip_id"), "clip_id", pa.array(names))
        return tiled.set_column(tiled.column_names.index("shard"), "shard", shard)

    conditions = {}
    for condition in small.conditions:
        index = small.index(condition)
        (folder / condition).mkdir()
        infos = []
        for copy in range(copies):
            for number, info in enumerate(index.meta.shards):
                place = copy * len(index.meta.shards) + number
                name = shard_name(index.meta.settings, f"{place:016x}")  # another name for each copy, though the bytes are the same
                os.link(small.folder.local_path(f"{condition}/{info.name}"), folder / condition / name)
                infos.append(info.model_copy(update={"name": name, "number": place}))
        meta = index.meta.model_copy(update={"shards": tuple(infos)})
        table = repeated(index.table, len(index.meta.shards)).slice(0, clips).cast(INDEX_SCHEMA)
        conditions[condition] = tables.add_index(Index(meta=meta, table=table))
    table = repeated(small.clips, len(small.index("original").meta.shards)).slice(0, clips).sort_by("clip_id")
    manifest = small.manifest.changed(clips=tables.add_clips(table), conditions=conditions)
    tables.write(target)
    write_manifest(target, manifest)


def resident() -> int:
    gc.collect()
    pa.default_memory_pool().release_unused()
    trim_heap()
    return int(psutil.Process().memory_full_info().uss)


def streaming(recipe: Path, store: Path) -> int:
    """Bytes that this process uses after ten batches, including the interpreter and torch."""
    stream = Stream(recipe, store, features="static", batch_size=64)
    for _, _ in zip(range(10), stream, strict=False):
        pass
    return resident()


def epochs(recipe: Path, store: Path) -> list[int]:
    """Bytes that this process uses after each of twenty epochs."""
    stream = Stream(recipe, store, features="static", batch_size=64)
    used = []
    for _ in range(EPOCHS):
        for _ in stream:
            pass
        used.append(int(psutil.Process().memory_full_info().uss))
    return used


def call(expression: str) -> Any:
    """Result of a function of this module in a new process."""
    code = f"import json; from pathlib import Path; from tools import bench_stream_memory as it; print(json.dumps(it.{expression}))"
    return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def run(work: Annotated[Path, typer.Argument(help="Folder of bench_stream.py.")]) -> None:
    """Print a table of memory by clips, and a line of memory by epochs."""
    work = work.absolute()
    small, recipe = Store.open(work / "store"), work / "row_6.yaml"
    used: dict[int, int] = {}
    print("| clips of the store, in 4 conditions | memory, MB | more, bytes per clip |\n|---:|---:|---:|")
    for clips in SIZES:
        if not (work / f"store-{clips}" / "store.json").exists():
            grow(small, work / f"store-{clips}", clips)
        used[clips] = call(f"streaming(Path({str(recipe)!r}), Path({str(work / f'store-{clips}')!r}))")
        more = "" if clips == SIZES[0] else f"{(used[clips] - used[SIZES[0]]) / (clips - SIZES[0]):.0f}"
        print(f"| {clips} | {used[clips] / 1e6:.0f} | {more} |")
    after: list[int] = call(f"epochs(Path({str(recipe)!r}), Path({str(work / 'store')!r}))")
    print(f"\nafter epoch 1, 2, 5, 10, 20: {', '.join(f'{after[number - 1] / 1e6:.0f}' for number in (1, 2, 5, 10, 20))} MB")


if __name__ == "__main__":
    typer.run(run)
