"""Measure one other loader on the benchmark's clips, in its own environment; bench_stream.py runs
this and reads the line it prints.

    PEER/bin/python tools/bench_stream_peers.py PEER KIND WORK

KIND `audio`: bitstreams in the peer's own format, decoded and converted to log-mel by streamaug's
functions. KIND `rate`: the same as waveforms at 16 kHz. KIND `crop`: clips of 1 to 10 s, of which a
random second is decoded. KIND `features`: static matrices as float16 in the peer's own format,
converted to float32. Both use batches of 64 in a shuffled order, over all conditions, and two worker processes;
each peer is set up as its documentation recommends. The second epoch is timed.
"""

import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from streamaug.codecs import FLAC, Decoding, decode
from streamaug.codecs.decoding import resample_clip
from streamaug.features import LogMel

BATCH, WORKERS, SAMPLES, RATE = 64, 2, 441_000, 44_100
_module = LogMel(rate=RATE)


def from_audio(payload: bytes, row: dict[str, Any]) -> torch.Tensor:
    samples = decode(
        payload, decoding=Decoding(codec=row["codec"], demuxer=row["demuxer"]), rate=RATE, delay=int(row["delay"]), samples=SAMPLES
    )
    features: torch.Tensor = _module(torch.from_numpy(samples))
    return features


def from_audio_at_16_khz(payload: bytes, row: dict[str, Any]) -> torch.Tensor:
    samples = decode(
        payload, decoding=Decoding(codec=row["codec"], demuxer=row["demuxer"]), rate=RATE, delay=int(row["delay"]), samples=SAMPLES
    )
    return torch.from_numpy(resample_clip(samples, RATE, 16_000))


def from_crop(payload: bytes, row: dict[str, Any]) -> torch.Tensor:
    decoding, samples = Decoding(codec=row["codec"], demuxer=row["demuxer"]), int(row["samples"])
    start = int(np.random.default_rng().integers(samples - RATE + 1))
    part = (start, start + RATE)
    return torch.from_numpy(decode(payload, decoding=decoding, rate=RATE, delay=int(row["delay"]), samples=samples, part=part))


def from_features(payload: bytes, _: dict[str, Any]) -> torch.Tensor:
    return torch.from_numpy(np.frombuffer(payload, np.float16).astype(np.float32).reshape(128, 431))


@dataclass(frozen=True, kw_only=True)
class Task:
    """Work of a peer.

    Args:
        rows: Rows of the mixture, one dictionary each.
        kind: Key of the row's file: `audio` or `features`.
        finish: Computes a row's features from its bytes and its dictionary.
        folder: Folder for the peer's own format.
    """

    rows: list[dict[str, Any]]
    kind: str
    finish: Callable[[bytes, dict[str, Any]], torch.Tensor]
    folder: Path


class Rows(Dataset[tuple[torch.Tensor, int]]):
    """Plain files, one per row."""

    def __init__(self, rows: list[dict[str, Any]], kind: str, finish: Callable[[bytes, dict[str, Any]], torch.Tensor]) -> None:
        self.rows, self.kind, self.finish = rows, kind, finish

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        row = self.rows[number]
        return self.finish(Path(row[self.kind]).read_bytes(), row), row["label"]


def files(task: Task) -> Iterable[Any]:
    return DataLoader(Rows(task.rows, task.kind, task.finish), batch_size=BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)


def webdataset(task: Task) -> Iterable[Any]:
    import webdataset as wds

    conditions = sorted({row["condition"] for row in task.rows})
    if not task.folder.exists():
        for condition in conditions:
            (task.folder / condition).mkdir(parents=True)
            with wds.ShardWriter(str(task.folder / condition / "%06d.tar"), maxcount=40, verbose=0) as sink:
                for row in (row for row in task.rows if row["condition"] == condition):
                    metadata = _metadata(row)
                    sink.write({"__key__": row["clip"], "bin": Path(row[task.kind]).read_bytes(), "json": metadata})

    def finished(sample: dict[str, Any]) -> tuple[torch.Tensor, int]:
        metadata = json.loads(sample["json"])
        return task.finish(sample["bin"], metadata), metadata["label"]

    def of(condition: str) -> Any:
        shards = sorted(map(str, (task.folder / condition).glob("*.tar")))
        return wds.WebDataset(shards, resampled=True, shardshuffle=len(shards), nodesplitter=wds.split_by_node).shuffle(200)

    mixed = wds.RandomMix([of(condition) for condition in conditions], [1 / len(conditions)] * len(conditions))
    pipeline = wds.DataPipeline(mixed, wds.map(finished), wds.batched(BATCH))
    loader = wds.WebLoader(pipeline, batch_size=None, num_workers=WORKERS, persistent_workers=True)
    epoch: Iterable[Any] = loader.with_epoch(len(task.rows) // BATCH)
    return epoch


def mosaicml(task: Task) -> Iterable[Any]:
    from streaming import MDSWriter, Stream, StreamingDataset  # type: ignore[import-not-found]  # in the peer's own environment
    from streaming.base.util import clean_stale_shared_memory  # type: ignore[import-not-found]  # as above

    conditions = sorted({row["condition"] for row in task.rows})
    columns = {"data": "bytes", "codec": "str", "demuxer": "str", "delay": "int", "label": "int", "samples": "int"}
    if not task.folder.exists():
        for condition in conditions:
            with MDSWriter(out=str(task.folder / condition), columns=columns, size_limit=1 << 24) as writer:
                for row in (row for row in task.rows if row["condition"] == condition):
                    writer.write({"data": Path(row[task.kind]).read_bytes(), **_metadata(row)})
    clean_stale_shared_memory()

    class Decoded(StreamingDataset):  # type: ignore[misc]  # untyped, as it is not installed here
        def __getitem__(self, at: int) -> tuple[torch.Tensor, int]:
            row = super().__getitem__(at)
            return task.finish(row["data"], row), row["label"]

    dataset = Decoded(streams=[Stream(local=str(task.folder / name), repeat=1) for name in conditions], shuffle=True, batch_size=BATCH)
    return DataLoader(dataset, batch_size=BATCH, num_workers=WORKERS, persistent_workers=True)


def _metadata(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("codec", "demuxer", "delay", "label", "samples")}


def _chunk(row: dict[str, Any]) -> dict[str, Any]:
    return {"data": Path(row["read"]).read_bytes(), **_metadata(row)}


def _finished(finish: Callable[[bytes, dict[str, Any]], torch.Tensor], row: dict[str, Any]) -> tuple[torch.Tensor, int]:
    return finish(row["data"], row), row["label"]


def litdata(task: Task) -> Iterable[Any]:
    from litdata import (  # type: ignore[import-not-found]  # in the peer's own environment
        CombinedStreamingDataset,
        StreamingDataLoader,
        StreamingDataset,
        optimize,
    )

    conditions = sorted({row["condition"] for row in task.rows})
    if not task.folder.exists():
        for condition in conditions:
            own = [{**row, "read": row[task.kind]} for row in task.rows if row["condition"] == condition]
            optimize(fn=_chunk, inputs=own, output_dir=str(task.folder / condition), chunk_bytes="16MB", num_workers=1)

    parts = [
        StreamingDataset(str(task.folder / condition), shuffle=True, transform=partial(_finished, task.finish)) for condition in conditions
    ]
    loader: Iterable[Any] = StreamingDataLoader(
        CombinedStreamingDataset(parts, iterate_over_all=True), batch_size=BATCH, num_workers=WORKERS
    )
    return loader


def datasets(task: Task) -> Iterable[Any]:
    from datasets import Dataset as Table
    from datasets import load_from_disk

    if not task.folder.exists():
        records = [{"data": Path(row[task.kind]).read_bytes(), **_metadata(row)} for row in task.rows]
        Table.from_list(records).save_to_disk(str(task.folder))

    def finished(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        rows = [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]
        return {"features": [task.finish(row["data"], row) for row in rows], "label": batch["label"]}

    table = load_from_disk(str(task.folder)).with_transform(finished)
    return DataLoader(table, batch_size=BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)


def lhotse(task: Task) -> Iterable[Any]:
    """Cuts over files, since lhotse's own format takes no AAC."""
    from lhotse import AudioSource, CutSet, MonoCut, Recording  # type: ignore[import-not-found]  # in the peer's own environment
    from lhotse.dataset import DynamicCutSampler  # type: ignore[import-not-found]  # as above

    def cut(row: dict[str, Any]) -> Any:
        name, seconds = f"{row['clip']}-{row['condition']}", row["samples"] / RATE
        source = AudioSource(type="file", channels=[0], source=row["audio"])
        recording = Recording(id=name, sources=[source], sampling_rate=RATE, num_samples=row["samples"], duration=seconds, channel_ids=[0])
        return MonoCut(id=name, start=0, duration=seconds, channel=0, recording=recording, custom=_metadata(row))

    class Decoded(Dataset[tuple[torch.Tensor, torch.Tensor]]):
        def __getitem__(self, cuts: Any) -> tuple[torch.Tensor, torch.Tensor]:
            features = [task.finish(Path(cut.recording.sources[0].source).read_bytes(), cut.custom) for cut in cuts]
            return torch.stack(features), torch.tensor([cut.custom["label"] for cut in cuts])

    sampler = DynamicCutSampler(CutSet.from_cuts(map(cut, task.rows)), max_cuts=BATCH, shuffle=True)
    return DataLoader(Decoded(), sampler=sampler, batch_size=None, num_workers=WORKERS, persistent_workers=True)


class OnTheFly(Dataset[tuple[torch.Tensor, int]]):
    """The originals, encoded and decoded each time by audiomentations' Mp3Compression at 64 kbps."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        from audiomentations import Mp3Compression  # in the peer's own environment

        self.rows = rows
        self.augment = Mp3Compression(min_bitrate=64, max_bitrate=64, p=1.0)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> tuple[torch.Tensor, int]:
        row = self.rows[number]
        samples = decode(Path(row["audio"]).read_bytes(), decoding=FLAC, rate=RATE, delay=0, samples=SAMPLES)
        return _module(torch.from_numpy(self.augment(samples, sample_rate=RATE))), row["label"]


def audiomentations(task: Task) -> Iterable[Any]:
    originals = [row for row in task.rows if row["condition"] == "original"]
    return DataLoader(OnTheFly(originals), batch_size=BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)


PEERS: dict[str, tuple[str, Any]] = {
    "files": ("torch", files),
    "webdataset": ("webdataset", webdataset),
    "mosaicml": ("mosaicml-streaming", mosaicml),
    "litdata": ("litdata", litdata),
    "datasets": ("datasets", datasets),
    "lhotse": ("lhotse", lhotse),
    "audiomentations": ("audiomentations", audiomentations),
}


def features_of(batch: Any) -> torch.Tensor:
    features: torch.Tensor = batch["features"] if isinstance(batch, dict) else batch[0]
    return features


def main() -> None:
    peer, kind, work = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    package, make = PEERS[peer]
    rows = json.loads((work / ("rows_crop.json" if kind == "crop" else "rows.json")).read_text())
    task = Task(
        rows=[{"samples": SAMPLES, **row} for row in rows],
        kind="features" if kind == "features" else "audio",
        finish={"audio": from_audio, "rate": from_audio_at_16_khz, "crop": from_crop, "features": from_features}[kind],
        folder=work / "peers" / f"{peer}-{kind}",
    )
    loader = make(task)
    for _ in range(2):
        begun, clips = time.perf_counter(), 0
        for batch in loader:
            clips += len(features_of(batch))
        seconds = time.perf_counter() - begun
    print(json.dumps({"clips": clips, "seconds": seconds, "version": f"{package} {version(package)}"}))


if __name__ == "__main__":
    main()
