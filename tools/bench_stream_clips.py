"""The clips and the bare loop of the streaming benchmarks."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq
import soundfile
import torch

from streamaug.building.build import build
from streamaug.codecs import Decoding, decode
from streamaug.codecs.decoding import resample_clip
from streamaug.conditions import parse_conditions
from streamaug.features import LogMel
from streamaug.features.lengths import Lengths
from streamaug.features.registry import open_features
from streamaug.store import Store
from streamaug.store.locations import BitstreamLocations
from streamaug.streaming import Stream
from streamaug.streaming.forking import ENVIRONMENT

RATE, SECONDS, BATCH = 44_100, 10, 64
CONDITIONS = "original,mp3_64,he-aac_16,aac_32"
CORES = len(os.sched_getaffinity(0))


def prepare(work: Path, recordings: Path) -> None:
    """Write 320 clips of 10 s, each two ESC-10 recordings of one label end to end; their store; and
    one file per row for the peers.
    """
    if (work / "rows.json").exists():
        return
    folder = work / "clips"
    folder.mkdir(parents=True, exist_ok=True)
    listed = csv.read_csv(recordings / "clips.csv").to_pylist()
    by_label: dict[str, list[str]] = {}
    for row in listed:
        by_label.setdefault(row["label"], []).append(row["path"])
    clips = []
    for label, paths in by_label.items():
        for number, path in enumerate(paths):
            pair = [soundfile.read(recordings / each, dtype="float32")[0] for each in (path, paths[(number + 1) % len(paths)])]
            half = RATE * SECONDS // 2
            joined = np.concatenate([np.resize(samples, half) for samples in pair])
            clip = folder / f"{label}{number:03d}.wav"
            soundfile.write(clip, joined, RATE, subtype="PCM_16")
            clips.append({"path": str(clip), "label": label, "split": "train"})
    pq.write_table(pa.Table.from_pylist(clips), work / "clips.parquet")
    build(work / "clips.parquet", str(work / "store"), conditions=parse_conditions(CONDITIONS))
    (work / "row_6.yaml").write_text("title: row 6\ndraw: union\nmixture: {original: 1, mp3_64: 1, he-aac_16: 1, aac_32: 1}\n")
    (work / "windowed.yaml").write_text((work / "row_6.yaml").read_text() + "shuffle: {window: 8}\n")
    module, rows = LogMel(rate=RATE), rows_of(Store.open(work / "store"), work / "files")
    for row in rows:
        decoding = Decoding(codec=row["codec"], demuxer=row["demuxer"])
        audio = Path(row["audio"])
        samples = decode(audio.read_bytes(), decoding=decoding, delay=row["delay"], rate=RATE, samples=row["samples"])
        features = audio.with_suffix(".f16")
        features.write_bytes(module(torch.from_numpy(samples)).half().contiguous().numpy().tobytes())
        row["features"] = str(features)
    (work / "rows.json").write_text(json.dumps(rows))


def rows_of(store: Store, folder: Path) -> list[dict[str, Any]]:
    """Write each clip of a store in each condition into a file of its own, and describe them.

    Args:
        store: The opened store.
        folder: Folder to write, which does not exist.
    """
    labels, rows = {label: number for number, label in enumerate(store.manifest.labels)}, []
    for condition in store.conditions:
        bitstreams = store.locations(condition)
        (folder / condition).mkdir(parents=True)
        for number, clip in enumerate(store.clips.select(["clip_id", "label", "samples"]).to_pylist()):
            audio = folder / condition / f"{clip['clip_id']}.{bitstreams.meta.extension}"
            audio.write_bytes(payload_of(store, bitstreams, number))
            decoding = bitstreams.meta.decoding
            rows.append(
                {
                    "clip": clip["clip_id"],
                    "condition": condition,
                    "label": labels[clip["label"]],
                    "samples": clip["samples"],
                    "audio": str(audio),
                    "codec": decoding.codec,
                    "demuxer": decoding.demuxer,
                    "delay": int(bitstreams.delay[number]),
                }
            )
    return rows


def payload_of(store: Store, bitstreams: BitstreamLocations, clip: int) -> bytes:
    start = int(bitstreams.offset[clip])
    return store.folder.read_range(bitstreams.path(clip), start, start + int(bitstreams.size[clip]))


def bare_loop(work: Path, features: str = "static", *, is_mixed: bool = False, rate: int = RATE) -> float:
    """Clips per second of one core that decodes bitstreams from memory and computes a feature, over
    the mixture's rows.

    Args:
        work: As `prepare` made it.
        features: `static`, `logmel` with its deltas, or `waveform`.
        is_mixed: Whether the rows come in random order, as they do in training. Otherwise one codec
            comes after the other: its code and tables then stay in the processor's cache.
        rate: Sample rate in Hz that clips are resampled to.
    """
    torch.set_num_threads(1)
    rows = json.loads((work / "rows.json").read_text())[::4]
    if is_mixed:
        rows = [rows[number] for number in np.random.default_rng(0).permutation(len(rows))]
    payloads = [Path(row["audio"]).read_bytes() for row in rows]
    lengths = Lengths(shortest=rate * SECONDS, longest=rate * SECONDS, clip="any")
    feature = open_features(features, rate=rate, lengths=lengths)[features]
    out = torch.empty(feature.shape(rate * SECONDS))
    for _ in range(2):  # the second time everything is loaded, as for the stream and its peers
        begun = time.perf_counter()
        for row, payload in zip(rows, payloads, strict=True):
            decoding = Decoding(codec=row["codec"], demuxer=row["demuxer"])
            samples = decode(payload, decoding=decoding, rate=RATE, delay=row["delay"], samples=RATE * SECONDS)
            feature.expand(feature.compute(torch.from_numpy(resample_clip(samples, RATE, rate))), out)
        seconds = time.perf_counter() - begun
    return len(rows) / seconds


def bare_loops(work: Path, count: int, features: str = "static", *, is_mixed: bool = False, rate: int = RATE) -> float:
    """The same in so many processes at the same time, together, with the settings of decode
    processes.
    """
    return in_processes(f"bench_stream_clips.bare_loop(Path({str(work)!r}), {features!r}, is_mixed={is_mixed}, rate={rate})", count)


def in_processes(call: str, count: int) -> float:
    """The sum of what a call gives in so many processes at the same time.

    Args:
        call: Of a function in a module of `tools`, such as `bench_stream_clips.bare_loop(...)`.
        count: Number of processes.
    """
    code = f"from pathlib import Path; from tools import {call.partition('.')[0]}; print({call})"
    environment = {**os.environ, **ENVIRONMENT}
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) for _ in range(count)]
    return sum(float(process.communicate()[0]) for process in running)


def epoch(stream: Stream) -> float:
    """Clips per second of one epoch."""
    begun, clips = time.perf_counter(), 0
    for batch in stream:
        clips += len(batch["label"])
    return clips / (time.perf_counter() - begun)
