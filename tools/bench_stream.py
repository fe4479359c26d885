"""Compare the stream with a bare loop, a bare gather and other loaders: same clips, mixture,
decoder and features.

    python -m tools.bench_stream WORK --recordings ESC-10 [--peers PEERS] [--repeats 3] [--row-7
    STORE] [--workers 1,2] [--decoding-only]

WORK: a folder for clips, store and caches (about 3 GB), filled by the first run. PEERS: a folder of
virtual environments named webdataset, mosaicml, litdata, datasets, lhotse and audiomentations, each with
that package and this project; without it, plain files are the only peer. STORE: a store with row
7's conditions, whose bytes are counted. Everything is measured in turn, `repeats` times, and the
medians are printed as the tables of docs/benchmarks.md; then tools/bench_stream_remote.py and
bench_stream_memory.py measure the network and the memory.
"""

import json
import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import typer

from streamaug.codecs import decoder_version
from streamaug.features import with_deltas
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.streaming import Cache, Stream
from tools import bench_stream_memory, bench_stream_remote, bench_stream_workers
from tools.bench_stream_clips import BATCH, CORES, bare_loops, epoch, prepare
from tools.tables import table

PEERS = ("webdataset", "mosaicml", "litdata", "datasets")
DECODING_PEERS = ("lhotse", "audiomentations")
"""Peers that are measured while decoding only."""
ROW_7 = Path(__file__).parents[1] / "train" / "paper" / "recipes" / "table3" / "row_7_without_spectrum_correction.yaml"


def bare_gather(work: Path, batches: int = 200) -> dict[str, float]:
    """Clips per second of gathering float16 matrices from a memory map into batches as float32, by
    NumPy on one core.

    `static` (128, 431), and `logmel` with its deltas (3, 128, 423).
    """
    rows = json.loads((work / "rows.json").read_text())
    rng, measured = np.random.default_rng(0), {}
    for name, shape in (("static", (128, 431)), ("logmel", (3, 128, 423))):
        path = work / f"gather-{name}.f16"
        if not path.exists():
            with path.open("wb") as file:
                for row in rows:
                    static = np.fromfile(row["features"], np.float16).reshape(128, 431)
                    whole = with_deltas(torch.from_numpy(static).float()).half().numpy() if name == "logmel" else static
                    file.write(whole.tobytes())
        mapped = np.memmap(path, np.float16, "r", shape=(len(rows), *shape))
        selections = [rng.permutation(len(rows))[:BATCH] for _ in range(batches)]
        for rows_of_batch in selections[:20]:
            mapped[rows_of_batch].astype(np.float32)
        begun = time.perf_counter()
        for rows_of_batch in selections:
            mapped[rows_of_batch].astype(np.float32)
        measured[name] = batches * BATCH / (time.perf_counter() - begun)
    return measured


def decoding(work: Path, features: str = "static", **settings: Any) -> float:
    """Clips per second of the second epoch, as for the peers."""
    with Stream(work / "row_6.yaml", work / "store", features=features, batch_size=BATCH, **settings) as stream:
        epoch(stream)
        return epoch(stream)


def cached(work: Path, features: Literal["static", "logmel"], epochs: int = 10) -> float:
    cache = Cache(folder=work / "cache", bound=1 << 34)
    stream = Stream(work / "row_6.yaml", work / "store", features=features, batch_size=BATCH, feature_cache=cache)
    epoch(stream)
    return statistics.median(epoch(stream) for _ in range(epochs))


def first_batch(work: Path, share: float) -> float:
    """Seconds from opening the store to the first batch, from the start of an epoch or after
    resuming inside it.
    """
    begun = time.perf_counter()
    stream = Stream(work / "row_6.yaml", work / "store", features="static", batch_size=BATCH)
    rows = int(stream.plan.epoch_size(0) * share) // BATCH * BATCH
    stream.load_state_dict({**stream.state_dict(), "rows": rows})
    batch = next(iter(stream))
    assert batch["position"][0] == rows
    return time.perf_counter() - begun


def peer(name: str, kind: str, work: Path, python: Path | str) -> dict[str, Any] | str:
    """A peer's measurements, or its last line of output if it failed."""
    if not Path(python).exists():
        return f"no environment at {python}"
    command = [str(python), str(Path(__file__).with_name("bench_stream_peers.py")), name, kind, str(work)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if run.returncode:
        return (run.stderr.strip().splitlines() or ["no output"])[-1]
    measured: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
    return measured


def disk(path: Path) -> list[list[str]]:
    """Lines of a table: the size of row 7's conditions as shards, as coded files and as decoded WAV
    files.
    """
    store, names = Store.open(path), load_recipe(ROW_7).conditions
    indexes = {name: store.index(name) for name in names}
    files = [store.manifest.clips.file, *(f"{name}/{store.manifest.conditions[name].file}" for name in names)]
    tables = sum((path / file).stat().st_size for file in files)
    ways = {
        "store: shards with one JSON per clip, and indexes": tables
        + sum(info.bytes for index in indexes.values() for info in index.meta.shards),
        "one coded file per clip": sum(int(index.column("size").sum()) for index in indexes.values()),
        "one decoded 16-bit WAV per clip": sum(int((44 + 2 * index.column("samples")).sum()) for index in indexes.values()),
    }
    shards, clips = sum(len(index.meta.shards) for index in indexes.values()), sum(map(len, indexes.values()))
    counts = (shards + len(names) + 2, clips, clips)  # one index per condition, store.json and the clips table
    return [[way, f"{size / 1e6:.0f}", str(count)] for (way, size), count in zip(ways.items(), counts, strict=True)]


def run(
    work: Annotated[Path, typer.Argument(help="Folder for clips, store and caches.")],
    recordings: Annotated[Path, typer.Option(help="Folder of ESC-10: clips.csv and audio/.")],
    peers: Annotated[
        Path | None, typer.Option(help="Folder of the peers' virtual environments. Default: plain files are the only peer.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Measurements per median.")] = 3,
    workers: Annotated[
        str | None, typer.Option(help="Numbers of decode processes, for the table of scaling. Default: powers of two up to the cores.")
    ] = None,
    decoding_only: Annotated[bool, typer.Option("--decoding-only", help="Measure the decoding epoch alone.")] = False,
    row_7: Annotated[Path | None, typer.Option("--row-7", help="A store with the conditions of row 7 without spectrum correction.")] = None,
) -> None:
    """Measure everything in turn, and print tables of medians."""
    work = work.absolute()
    prepare(work, recordings)
    versions = f"Python {platform.python_version()}, torch {version('torch')}, {decoder_version()}"
    print(f"{CORES} cores; {versions}\n")
    pythons: dict[str, Path | str] = {"files": sys.executable}
    pythons |= {name: peers / name / "bin" / "python" for name in PEERS} if peers else {}
    measured: dict[str, list[float]] = {}
    peer_versions: dict[str, str] = {}

    def note(name: str, value: float) -> None:
        measured.setdefault(name, []).append(value)

    for _ in range(repeats):
        note("bare loops", bare_loops(work, CORES))
        note("bare loops, mixed", bare_loops(work, CORES, is_mixed=True))
        note("stream, decoding", decoding(work))
        note("stream, threads", decoding(work, workers="threads"))
        note("bare loops, logmel", bare_loops(work, CORES, "logmel", is_mixed=True))
        note("stream, decoding logmel", decoding(work, "logmel"))
        if not decoding_only:
            note("stream, cached static", cached(work, "static"))
            note("stream, cached logmel", cached(work, "logmel"))
            for name, value in bare_gather(work).items():
                note(f"bare gather {name}", value)
            note("first batch, cold", first_batch(work, 0))
            note("first batch at 90 %", first_batch(work, 0.9))
        kinds = ("audio",) if decoding_only else ("audio", "features")
        runs = [(name, kind, python) for name, python in pythons.items() for kind in kinds]
        if peers:
            runs.extend((name, "audio", peers / name / "bin" / "python") for name in DECODING_PEERS)
        for name, kind, python in runs:
            result = peer(name, kind, work, python)
            if isinstance(result, str):
                peer_versions[name] = f"failed: {result}"
            else:
                peer_versions[name] = result["version"]
                note(f"{name} {kind}", result["clips"] / result["seconds"])
    medians = {name: statistics.median(values) for name, values in measured.items()}
    report_decoding(medians, peer_versions)
    if decoding_only:
        return
    report_later_epochs(medians, peer_versions)
    if row_7 is not None:
        table(["row 7 without spectrum correction", "MB", "files"], disk(row_7))
    bench_stream_workers.measure(work, bench_stream_workers.counts(workers), repeats)
    bench_stream_remote.run(work, repeats)
    bench_stream_memory.run(work)


def report_decoding(medians: dict[str, float], versions: dict[str, str]) -> None:
    """Print the table of the decoding epoch."""
    ours = medians["stream, decoding"]
    lines = [["**streamaug**", f"{ours:.0f}", "1"]]
    for name, way in (
        ("bare loops, mixed", f"bare decode + log-mel, {CORES} processes together, rows in random order"),
        ("bare loops", "the same, one codec after the other"),
        ("stream, threads", f"streamaug, {CORES} threads"),
    ):
        lines.append([way, f"{medians[name]:.0f}", f"{ours / medians[name]:.2f}"])
    for name in ("files", *PEERS, *DECODING_PEERS):
        if f"{name} audio" in medians:
            lines.append([versions[name], f"{medians[f'{name} audio']:.0f}", f"{ours / medians[f'{name} audio']:.2f}"])
        elif name in versions:
            lines.append([f"{name}: {versions[name]}", "", ""])
    table(["decoding epoch, row 6", "clips/s", "streamaug / this"], lines)
    deltas, bare = medians["stream, decoding logmel"], medians["bare loops, logmel"]
    print(f"`logmel` with deltas: streamaug {deltas:.0f} clips/s, bare loops in random order {bare:.0f}, ratio {deltas / bare:.2f}\n")


def report_later_epochs(medians: dict[str, float], versions: dict[str, str]) -> None:
    """Print the tables of epochs from a feature cache."""
    gathered = [
        [f"`{name}`", f"{medians[f'stream, cached {name}']:.0f}", f"{medians[f'bare gather {name}']:.0f}",
         f"{medians[f'stream, cached {name}'] / medians[f'bare gather {name}']:.2f}"]
        for name in ("static", "logmel")
    ]  # fmt: skip
    table(["later epochs", "streamaug, clips/s", "bare gather, clips/s", "streamaug / this"], gathered)
    ours = medians["stream, cached static"]
    lines = [["**streamaug**", f"{ours:.0f}", "1"]]
    lines += [
        [versions[name], f"{medians[f'{name} features']:.0f}", f"{ours / medians[f'{name} features']:.1f}"]
        for name in ("files", *PEERS)
        if f"{name} features" in medians
    ]
    table(["later epochs, features as float16", "clips/s", "streamaug / this"], lines)
    print(f"first batch: cold {medians['first batch, cold']:.3f} s, at 90 % {medians['first batch at 90 %']:.3f} s")


if __name__ == "__main__":
    typer.run(run)
