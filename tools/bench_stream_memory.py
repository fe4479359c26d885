"""What a stream keeps in memory: for each clip of its store, and over twenty epochs; called by bench_stream.py, or alone.

    python -m tools.bench_stream_memory WORK

WORK: bench_stream.py's folder. Its store of 320 clips is grown to a million, in every table: clips have names of their own, their
shards are hard links to the small store's.
"""

import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import psutil
import pyarrow as pa
import typer

from streamaug.store import Store
from streamaug.store.format import INDEX_SCHEMA
from streamaug.store.index import Index
from streamaug.store.parquet import to_parquet
from streamaug.streaming import Stream
from streamaug.streaming.heap import trim_heap

SIZES = (1_000, 10_000, 100_000, 1_000_000)
EPOCHS = 20


def grow(small: Store, folder: Path, clips: int) -> None:
    """A store of so many clips that holds the small one's bitstreams again and again."""
    whole = small.clips.num_rows
    copies = -(-clips // whole)
    repeats = np.repeat(np.arange(copies), whole)
    folder.mkdir(parents=True)
    (folder / "store.json").write_text(small.meta.model_dump_json())

    def repeated(table: pa.Table, shards: int) -> pa.Table:
        ids = np.tile(table["clip_id"].to_numpy(zero_copy_only=False).astype(str), copies)
        names = np.char.add(np.char.add(ids, "-"), np.char.zfill(repeats.astype(str), 6))
        tiled = pa.concat_tables([table] * copies).combine_chunks()
        shard = pa.array(np.tile(table["shard"].to_numpy(), copies) + shards * repeats, pa.int32())
        tiled = tiled.set_column(tiled.column_names.index("clip_id"), "clip_id", pa.array(names))
        return tiled.set_column(tiled.column_names.index("shard"), "shard", shard)

    for condition in small.conditions:
        index = small.index(condition)
        (folder / condition).mkdir()
        infos = []
        for copy in range(copies):
            for number, info in enumerate(index.meta.shards):
                name = f"{index.meta.settings}-{copy * len(index.meta.shards) + number:06d}.tar"
                os.link(small.folder.local_path(f"{condition}/{info.name}"), folder / condition / name)
                infos.append(info.model_copy(update={"name": name}))
        meta = index.meta.model_copy(update={"shards": tuple(infos)})
        table = repeated(index.table, len(index.meta.shards)).slice(0, clips).cast(INDEX_SCHEMA)
        (folder / condition / "index.parquet").write_bytes(Index(meta=meta, table=table).to_bytes())
    table = repeated(small.clips, len(small.index("original").meta.shards)).slice(0, clips).sort_by("clip_id")
    (folder / "clips.parquet").write_bytes(to_parquet(table))


def resident() -> int:
    gc.collect()
    pa.default_memory_pool().release_unused()
    trim_heap()
    return int(psutil.Process().memory_full_info().uss)


def streaming(recipe: Path, store: Path) -> int:
    """Bytes that this process holds after ten batches, itself and torch included."""
    stream = Stream(recipe, store, features="static", batch_size=64)
    for _, _ in zip(range(10), stream, strict=False):
        pass
    return resident()


def epochs(recipe: Path, store: Path) -> list[int]:
    """Bytes that this process holds after each of twenty epochs."""
    stream = Stream(recipe, store, features="static", batch_size=64)
    held = []
    for _ in range(EPOCHS):
        for _ in stream:
            pass
        held.append(int(psutil.Process().memory_full_info().uss))
    return held


def called(call: str) -> int | list[int]:
    """What a function of this module says in a process of its own."""
    code = f"import json; from pathlib import Path; from tools import bench_stream_memory as it; print(json.dumps(it.{call}))"
    told: int | list[int] = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    return told


def run(work: Annotated[Path, typer.Argument(help="Folder of bench_stream.py.")]) -> None:
    """Print a table, and a line on the epochs."""
    work = work.absolute()
    small, recipe = Store.open(work / "store"), work / "row_6.yaml"
    held = {}
    print("| clips of the store, under 4 conditions | memory, MB | more, bytes a clip |\n|---:|---:|---:|")
    for clips in SIZES:
        if not (work / f"store-{clips}" / "clips.parquet").exists():
            grow(small, work / f"store-{clips}", clips)
        held[clips] = called(f"streaming(Path({str(recipe)!r}), Path({str(work / f'store-{clips}')!r}))")
        more = "" if clips == SIZES[0] else f"{(held[clips] - held[SIZES[0]]) / (clips - SIZES[0]):.0f}"
        print(f"| {clips} | {held[clips] / 1e6:.0f} | {more} |")
    after = called(f"epochs(Path({str(recipe)!r}), Path({str(work / 'store')!r}))")
    assert isinstance(after, list)
    print(f"\nafter epoch 1, 2, 5, 10, 20: {', '.join(f'{after[number - 1] / 1e6:.0f}' for number in (1, 2, 5, 10, 20))} MB")


if __name__ == "__main__":
    typer.run(run)
