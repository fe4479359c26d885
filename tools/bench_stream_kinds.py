"""Compare streams of other kinds with bare loops and other loaders: random crops of clips of any
length, waveforms at 16 kHz, and two stores in one mixture.

    python -m tools.bench_stream_kinds WORK --recordings ESC-10 [--peers PEERS] [--repeats 5]

WORK and PEERS as for bench_stream.py; the peers are plain files, Hugging Face datasets and lhotse,
the fastest of its table. lhotse's own format takes no AAC, so its cuts are of files. A peer's crops
are decoded by streamaug's decoder too, which ends with the crop. Everything takes turns, and the
medians of the second epochs are printed.

- Crops: the clips of bench_stream.py cut to 1 to 10 s, a random second of each as a waveform.
- 16 kHz: all of the 10 s clips, decoded and resampled.
- Two stores: half of the clips in one, half in another, as log-mel. What peers and bare loops do is
  the same as for one store.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
import typer

from streamaug import Crop
from streamaug.building.build import build
from streamaug.codecs import Decoding, decode
from streamaug.conditions import parse_conditions
from streamaug.store import Store
from streamaug.streaming import Stream
from tools.bench_stream import peer
from tools.bench_stream_clips import BATCH, CONDITIONS, CORES, RATE, bare_loops, epoch, in_processes, prepare, rows_of
from tools.tables import table

PEERS = ("datasets", "lhotse")
KINDS = {"crop": "random crops of 1 s", "rate": "waveforms at 16 kHz", "audio": "two stores, log-mel"}


def prepare_kinds(work: Path) -> None:
    """Build the store of clips of different lengths, and two stores of half of the clips each."""
    if (work / "rows_crop.json").exists():
        return
    clips = pq.read_table(work / "clips.parquet")
    folder = work / "lengths_clips"
    folder.mkdir(exist_ok=True)
    lengths = np.random.default_rng(0).permutation(np.linspace(1, 10, len(clips)))
    cut = []
    for clip, seconds in zip(clips.to_pylist(), lengths.tolist(), strict=True):
        samples = soundfile.read(clip["path"], dtype="int16", frames=round(seconds * RATE))[0]
        path = folder / Path(clip["path"]).name
        soundfile.write(path, samples, RATE, subtype="PCM_16")
        cut.append({**clip, "path": str(path)})
    pq.write_table(pa.Table.from_pylist(cut), work / "lengths.parquet")
    conditions = parse_conditions(CONDITIONS)
    build(work / "lengths.parquet", str(work / "lengths"), conditions=conditions)
    for name, part in (("first", clips[::2]), ("second", clips[1::2])):
        pq.write_table(part, work / f"{name}.parquet")
        build(work / f"{name}.parquet", str(work / name), conditions=conditions)
    mixture = ", ".join(f"{store}:{name}: 1" for store in ("first", "second") for name in CONDITIONS.split(","))
    (work / "both.yaml").write_text(f"title: two stores\ndraw: union\nstores: {{first: first, second: second}}\nmixture: {{{mixture}}}\n")
    rows = rows_of(Store.open(work / "lengths"), work / "lengths_files")
    (work / "rows_crop.json").write_text(json.dumps(rows))  # written last


def bare_crops(work: Path) -> float:
    """Clips per second of one core that decodes a random second of each clip, from memory."""
    rows = json.loads((work / "rows_crop.json").read_text())[::4]
    rng = np.random.default_rng(0)
    rows = [rows[number] for number in rng.permutation(len(rows))]
    payloads = [Path(row["audio"]).read_bytes() for row in rows]
    starts = [int(rng.integers(row["samples"] - RATE + 1)) for row in rows]
    for _ in range(2):
        begun = time.perf_counter()
        for row, payload, start in zip(rows, payloads, starts, strict=True):
            decoding = Decoding(codec=row["codec"], demuxer=row["demuxer"])
            decode(payload, decoding=decoding, rate=RATE, delay=row["delay"], samples=row["samples"], part=(start, start + RATE))
        seconds = time.perf_counter() - begun
    return len(rows) / seconds


def bare(work: Path, kind: str) -> float:
    """Clips per second of bare loops on all cores together."""
    if kind == "crop":
        return in_processes(f"bench_stream_kinds.bare_crops(Path({str(work)!r}))", CORES)
    if kind == "rate":
        return bare_loops(work, CORES, "waveform", is_mixed=True, rate=16_000)
    return bare_loops(work, CORES, is_mixed=True)


def streamed(work: Path, kind: str) -> float:
    """Clips per second of the stream's second epoch."""
    settings: dict[str, Any] = {"batch_size": BATCH, "features": "static" if kind == "audio" else "waveform"}
    if kind == "crop":
        stream = Stream(work / "row_6.yaml", work / "lengths", crop=Crop(seconds=1), **settings)
    elif kind == "rate":
        stream = Stream(work / "row_6.yaml", work / "store", rate=16_000, **settings)
    else:
        stream = Stream(work / "both.yaml", **settings)
    with stream:
        epoch(stream)
        return epoch(stream)


def run(
    work: Annotated[Path, typer.Argument(help="Folder for clips and stores.")],
    recordings: Annotated[Path, typer.Option(help="Folder of ESC-10: clips.csv and audio/.")],
    peers: Annotated[Path | None, typer.Option(help="Folder of the peers' virtual environments. Default: plain files alone.")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Measurements per median.")] = 5,
) -> None:
    """Measure everything in turn, and print a table of medians."""
    work = work.absolute()
    prepare(work, recordings)
    prepare_kinds(work)
    pythons: dict[str, Path | str] = {"files": sys.executable}
    pythons |= {name: peers / name / "bin" / "python" for name in PEERS} if peers else {}
    measured: dict[tuple[str, str], list[float]] = {}
    for _ in range(repeats):
        for kind in KINDS:
            measured.setdefault((kind, "bare"), []).append(bare(work, kind))
            measured.setdefault((kind, "streamaug"), []).append(streamed(work, kind))
            for name, python in pythons.items():
                result = peer(name, kind, work, python)
                if isinstance(result, str):
                    print(f"{name}: {result}", file=sys.stderr)
                else:
                    measured.setdefault((kind, result["version"]), []).append(result["clips"] / result["seconds"])
    medians = {key: statistics.median(values) for key, values in measured.items()}
    names = list(dict.fromkeys(name for _, name in medians))
    lines = [[title, *(f"{medians[kind, name]:.0f}" if (kind, name) in medians else "" for name in names)] for kind, title in KINDS.items()]
    ratios = [f"{medians[kind, 'streamaug'] / medians[kind, 'bare']:.2f}" for kind in KINDS]
    table(["clips/s", *names, "streamaug / bare"], [[*line, ratio] for line, ratio in zip(lines, ratios, strict=True)])


if __name__ == "__main__":
    typer.run(run)
