"""What a store consists of: manifest, clips table, index, shard; and a cache's file."""

import atexit
import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

from streamaug.explore.explorer import Explorer
from streamaug.explore.filters import Filter, Query
from streamaug.planning.identity import Identity
from streamaug.planning.open_plan import open_plan
from streamaug.reading.segments import KEY, Segment, Segments
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.store.index import Index
from streamaug.store.manifest import content_name, parse_manifest
from streamaug.store.parquet import from_parquet
from streamaug.store.tars import members
from streamaug.streaming.state import State
from streamaug.testing import write_store
from tests.fuzz.edits import edit_json
from tests.fuzz.table_edits import edit_table
from tests.fuzz.target import Target
from tests.store.test_tars import tar

_CLIPS = {
    "clip_id": [f"clip{number}" for number in range(6)],
    "split": ["train", "evaluate"] * 3,
    "group": [f"place{number // 2 + number % 2 * 9}" for number in range(6)],
    "device": ["a", "b", "c"] * 2,
}
_KINDS = {"label": ["cat", "dog"] * 3, "labels": [["cat"], ["cat", "dog"], []] * 2, "target": [0.5, -1.0, 3.0] * 2}
_RECIPE = {"draw": "union", "mixture": {"original": 1, "mp3_64": 1}, "where": {"device": ["a", "b"]}}


def small_store(folder: Path, target: str = "label") -> Store:
    labels = () if target == "target" else ("cat", "dog")
    return write_store(folder, {**_CLIPS, target: _KINDS[target]}, {"original": None, "mp3_64": None}, labels=labels, clips_per_shard=2)


def _used(store: Store) -> None:
    """Use the tables of a store as training does."""
    plan = open_plan(load_recipe(_RECIPE), store)
    rows = plan.rows(0, np.arange(min(plan.epoch_size(0), 50)))
    for clip, conditions in zip(rows.clip.tolist(), rows.condition.tolist(), strict=True):
        for condition in conditions:
            store.location(plan.conditions[condition], store.clips["clip_id"][clip].as_py())


@cache
def _stores() -> dict[str, Store]:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    return {target: small_store(folder / target, target) for target in _KINDS}


@cache
def _examples() -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {"manifest": [], "clips": [], "index": []}
    for store in _stores().values():
        found["manifest"].append(store.folder.read("store.json"))
        found["clips"].append(store.folder.read(store.manifest.clips.file))
        found["index"].append(store.folder.read(f"mp3_64/{store.manifest.conditions['mp3_64'].file}"))
    return found


def _parse_manifest(data: bytes, _folder: Path) -> None:
    parse_manifest(data, "store.json").to_bytes()


def _with(target: str, data: bytes, kind: str, folder: Path) -> Store:
    """A store of a kind with another clips table, or with another index of mp3_64, whose hash its
    manifest has. The files are written as they are: `Folder.write` would wait for the disk."""
    manifest = _stores()[target].manifest
    shutil.copytree(_stores()[target].url, folder / target)
    name, sha256 = content_name(kind, data)
    if kind == "clips":
        (folder / target / name).write_bytes(data)
        manifest = manifest.changed(clips=manifest.clips.model_copy(update={"file": name, "sha256": sha256}))
    else:
        (folder / target / "mp3_64" / name).write_bytes(data)
        entry = manifest.conditions["mp3_64"].model_copy(update={"file": name, "sha256": sha256})
        manifest = manifest.changed(conditions={**manifest.conditions, "mp3_64": entry})
    (folder / target / "store.json").write_bytes(manifest.to_bytes())
    return Store.open(folder / target)


def _parse_clips(data: bytes, folder: Path) -> None:
    columns = from_parquet(data, "clips.parquet", "copy it again").column_names
    _used(_with(next((kind for kind in _KINDS if kind in columns), "label"), data, "clips", folder))


def _parse_explored(data: bytes, folder: Path) -> None:
    """As the clips table of a store that is shown in a browser."""
    columns = from_parquet(data, "clips.parquet", "copy it again").column_names
    store = _with(next((kind for kind in _KINDS if kind in columns), "label"), data, "clips", folder)
    (folder / "scratch").mkdir()
    explorer = Explorer(store, folder / "scratch")
    shown = explorer.overview()
    for column in shown["columns"]:
        explorer.values(column)
        explorer.search(Query(filters=(Filter(column=column, operator="is", values=("1",)),)), 0)
    for clip in explorer.search(Query(text="clip"), 0)["clips"]:
        json.dumps(explorer.clip(clip["clip_id"]))


def _parse_index(data: bytes, folder: Path) -> None:
    index = Index.from_bytes(data, "index.parquet")
    index.locations()
    for number in range(len(index.meta.shards)):
        index.shard(number)
    _used(_with("label", data, "index", folder))


def _parse_shard(data: bytes, _folder: Path) -> None:
    source = io.BytesIO(data)

    def read(count: int) -> bytes:
        assert count <= max(len(data), 1 << 16), "more was requested than there is"
        return source.read(count)

    for _ in members(read, len(data)):
        pass


def _shards() -> Sequence[bytes]:
    return [tar({"a.mp3": bytes(700), "a.json": b"{}", "b.mp3": b"\xff" * 1024, "b.json": b"[]"}), tar({})]


_IDENTITY = Identity(recipe="ab" * 32, split="train", seed=0, clips="cd" * 32, conditions={"original": "12" * 32, "mp3_64": "34" * 32})


def _parse_state(data: bytes, _folder: Path) -> None:
    try:
        saved = json.loads(data)
    except (ValueError, RecursionError):
        return  # which the program that keeps the position reads
    State.from_dict(saved, _IDENTITY)


def _states() -> Sequence[bytes]:
    return [
        json.dumps(State(identity=_IDENTITY, snapshot=snapshot, epoch=1, rows=64).to_dict()).encode()
        for snapshot in ("0" * 16, {"tau": "0" * 16, "esc": "1" * 16})
    ]


_KIND = "0" * 16


def _parse_segment(data: bytes, folder: Path) -> None:
    path = folder / f"{_KIND}-{'0' * 32}.segment"
    path.write_bytes(data)
    segment = Segment.open(path)
    for number in range(len(segment.keys) if segment else 0):
        assert segment is not None
        assert len(segment.entry(number)) <= len(data)


def _segments() -> Sequence[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        segments = Segments(Path(folder), bound=1 << 20, kind=_KIND, largest=1000)
        for number in range(3):
            segments.add(hashlib.sha256(bytes([number])).digest()[:KEY], memoryview(bytes(number * 100)), protected=set)
        segments.seal()
        return [path.read_bytes() for path in Path(folder).glob("*.segment")]


TARGETS = (
    Target("manifest", _parse_manifest, lambda: _examples()["manifest"], (edit_json,)),
    Target("clips", _parse_clips, lambda: _examples()["clips"], (edit_table,)),
    Target("explore", _parse_explored, lambda: _examples()["clips"], (edit_table,)),
    Target("index", _parse_index, lambda: _examples()["index"], (edit_table,)),
    Target("shard", _parse_shard, _shards),
    Target("state", _parse_state, _states, (edit_json,)),
    Target("cache", _parse_segment, _segments),
)
