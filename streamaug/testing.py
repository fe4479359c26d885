"""Small stores: without audio, clips table and indexes alone, with made-up places of the bitstreams;
and real ones of short sounds."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import soundfile

from streamaug.building.build import build
from streamaug.codecs.base import Decoding
from streamaug.conditions import Condition, parse_conditions
from streamaug.store import Store
from streamaug.store.folder import Folder
from streamaug.store.format import FORMAT, TARGET_FIELDS, IndexMeta, ShardInfo, clips_schema, shard_name
from streamaug.store.index import Index
from streamaug.store.manifest import IndexFile, Manifest
from streamaug.store.writing import Tables, write_manifest

RATE = 44_100
SCENES = (
    "airport",
    "bus",
    "metro",
    "metro_station",
    "park",
    "public_square",
    "shopping_mall",
    "street_pedestrian",
    "street_traffic",
    "tram",
)
SOUNDS = (
    "baby_cry",
    "chainsaw",
    "clock_tick",
    "dog_bark",
    "fire_crackling",
    "helicopter",
    "person_sneeze",
    "rain",
    "rooster",
    "sea_waves",
)
AUGMENTED = ("add", "noise", "pitch", "speed", "spectrum-correction", "reverb-drc-1", "reverb-drc-2", "reverb-drc-3")
CODED = ("mp3_64", "he-aac_16", "he-aac_32", "aac_32")


def write_store(
    folder: Path,
    clips: Mapping[str, Sequence[object]],
    conditions: Mapping[str, np.ndarray | None],
    *,
    labels: Sequence[str],
    clips_per_shard: int = 100,
) -> Store:
    """A store with the clips given as columns: clip_id, split, group, any others, and label, labels,
    target or none of them.

    conditions: for each one, which of the clips it holds, bool; None for all. A clip's bitstream is
    as long as its place says.
    """
    count = len(clips["clip_id"])
    order = np.argsort(np.array(clips["clip_id"]))
    columns: dict[str, Any] = {name: [values[place] for place in order] for name, values in clips.items()}
    shard = np.empty(count, np.int32)
    shard[np.random.default_rng(0).permutation(count)] = np.arange(count) // clips_per_shard
    sha256 = [hashlib.sha256(name.encode()).digest() for name in columns["clip_id"]]  # as if each clip had a sound of its own
    columns |= {"shard": shard, "samples": [10 * RATE] * count, "depth": [16] * count, "sha256": sha256}
    table = pa.table(columns)
    target = next((name for name in TARGET_FIELDS if name in clips), None)
    schema = clips_schema(target)
    own = [table.schema.field(name) for name in table.column_names if name not in schema.names]
    table = table.select([*schema.names, *(field.name for field in own)]).cast(pa.schema([*schema, *own]))
    at, tables = Folder.at(folder), Tables()
    indexes = {}
    for name, held in conditions.items():
        kept = np.ones(count, bool) if held is None else np.asarray(held)[order]
        indexes[name] = tables.add_index(_index(name, table, shard, kept))
    manifest = Manifest(
        name=folder.name,
        target=target,
        labels=tuple(labels),
        rate=RATE,
        shard_by="split",
        clips=tables.add_clips(table),
        conditions=indexes,
    )
    tables.write(at)
    write_manifest(at, manifest)
    return Store.open(folder)


def replace_tables(store: Store, *, clips: pa.Table | None = None, indexes: Sequence[Index] = ()) -> Store:
    """The store with other tables in a new snapshot, as a faulty build could have published them.

    Args:
        store: The store.
        clips: A clips table in place of the store's.
        indexes: Indexes in place of those of their conditions, or of new ones.
    """
    tables = Tables()
    conditions: dict[str, IndexFile] = {index.meta.condition: tables.add_index(index) for index in indexes}
    manifest = store.manifest.changed(
        clips=store.manifest.clips if clips is None else tables.add_clips(clips),
        conditions={**store.manifest.conditions, **conditions},
    )
    tables.write(store.folder)
    write_manifest(store.folder, manifest)
    return store.reopen()


def _index(name: str, table: pa.Table, shard: np.ndarray, kept: np.ndarray) -> Index:
    rows = np.flatnonzero(kept)
    rows = rows[np.argsort(shard[rows], kind="stable")]
    numbers, place = np.unique(shard[rows], return_inverse=True)
    size = 80_000 + rows % 1000
    before = np.concatenate([[0], np.cumsum(size)])[:-1]
    first = np.searchsorted(place, np.arange(len(numbers)))
    offset = before - before[first][place] + 512
    step = Condition.parse(name)
    settings = hashlib.sha256(str(step).encode()).hexdigest()[:8]
    shards = [
        ShardInfo(name=shard_name(settings, sha256), number=number, bytes=1 << 30, sha256=sha256)
        for number in numbers.tolist()
        for sha256 in [hashlib.sha256(f"{name} {number}".encode()).hexdigest()]
    ]
    return Index(
        meta=index_meta(name, settings, shards),
        table=pa.table(
            {
                "clip_id": table["clip_id"].take(pa.array(rows)),
                "shard": pa.array(place, pa.int32()),
                "offset": pa.array(offset, pa.int64()),
                "size": pa.array(size, pa.int64()),
                "sha256": pa.array([bytes(32)] * len(rows), pa.binary(32)),
                "delay": pa.array(np.full(len(rows), 1105), pa.int32()),
                "samples": pa.array(np.full(len(rows), 10 * RATE), pa.int64()),
                "kbps": pa.array(np.full(len(rows), 64.0), pa.float32()),
            }
        ),
    )


def index_meta(condition: str, settings: str, shards: Sequence[ShardInfo]) -> IndexMeta:
    """The footer of an index, as if MP3s were in the shards.

    Args:
        condition: Name of the condition.
        settings: Eight hexadecimal digits.
        shards: The shards.
    """
    return IndexMeta(
        format=FORMAT,
        condition=condition,
        settings=settings,
        extension="mp3",
        decoding=Decoding(codec="mp3", demuxer="mp3"),
        steps=(),
        shards=tuple(shards),
    )


def tau2020_columns(train: int = 13_962, evaluate: int = 2_968, device_a: int = 10_215) -> dict[str, list[str]]:
    """Clips in the numbers of the TAU 2020 Mobile development set: scenes, devices, and locations
    apart between train and evaluate."""
    others = ("b", "c", "s1", "s2", "s3")
    rows = []
    for split, count in (("train", train), ("evaluate", evaluate)):
        for number in range(count):
            scene = SCENES[number % len(SCENES)]
            device = "a" if split == "train" and number < device_a else others[number % len(others)]
            location = f"{'barcelona' if split == 'train' else 'helsinki'}-{number % 97}"
            rows.append((f"{scene}-{location}-{number}-{device}", scene, split, location, device))
    return dict(zip(("clip_id", "label", "split", "group", "device"), map(list, zip(*rows, strict=True)), strict=True))


def esc10_store(folder: Path, *, clips_per_shard: int = 20) -> Store:
    """A store in the shape of ESC-10: ten sounds in five folds of 80 clips, the last for evaluation,
    as originals and in one codec."""
    rows = [
        (f"{fold}-{number:02d}", SOUNDS[number % len(SOUNDS)], "train" if fold < 5 else "evaluate", f"source-{fold}-{number}", str(fold))
        for fold in range(1, 6)
        for number in range(80)
    ]
    columns = dict(zip(("clip_id", "label", "split", "group", "fold"), map(list, zip(*rows, strict=True)), strict=True))
    return write_store(folder, columns, {"original": None, "mp3_64": None}, labels=SOUNDS, clips_per_shard=clips_per_shard)


def tau2020_store(folder: Path, *, clips_per_shard: int = 100, **counts: int) -> Store:
    """A store of those clips in all conditions that the rows of Table 3 name; spectrum correction
    for device a's training clips."""
    columns = tau2020_columns(**counts)
    device_a = np.array([device == "a" for device in columns["device"]])
    conditions = {name: device_a if name == "spectrum-correction" else None for name in ("original", *AUGMENTED, *CODED)}
    return write_store(folder, columns, conditions, labels=SCENES, clips_per_shard=clips_per_shard)


def build_store(
    folder: Path,
    *,
    clips: int = 24,
    seconds: tuple[float, float] = (0.14, 1.3),
    rate: int = 8_000,
    conditions: str = "original,alaw_64,mp3_24",
) -> Store:
    """A real store of short sounds of different lengths: three in four of split `train`, the others
    of `evaluate`; labels `high` and `low`.

    Args:
        folder: Where the recordings and the store go, in folders of their own.
        clips: Number of clips.
        seconds: Length of the shortest and of the longest.
        rate: Sample rate in Hz.
        conditions: Names of conditions, joined by commas.
    """
    source = folder / "recordings"
    source.mkdir(parents=True)
    lengths = np.random.default_rng(clips).permutation(np.linspace(*seconds, clips))
    lines = ["path,label,split"]
    for number, length in enumerate(lengths.tolist()):
        rng, time = np.random.default_rng(number), np.arange(round(length * rate)) / rate
        label, tone = ("high", 900) if number % 2 else ("low", 300)
        sound = 0.3 * np.sin(2 * np.pi * (tone + 11 * number) * time) + 0.1 * rng.standard_normal(len(time))
        soundfile.write(source / f"clip{number:02d}.wav", sound, rate, subtype="PCM_16")
        lines.append(f"clip{number:02d}.wav,{label},{'evaluate' if number % 8 in (3, 6) else 'train'}")
    (source / "clips.csv").write_text("\n".join(lines) + "\n")
    with ThreadPoolExecutor(1) as executor:  # a process imports for a second
        build(source / "clips.csv", str(folder / "store"), conditions=parse_conditions(conditions), clips_per_shard=5, executor=executor)
    return Store.open(folder / "store")
