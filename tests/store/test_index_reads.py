"""Each file of a store is read once, however often it is used; a build that comes later is seen by
opening again."""

import pickle
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from streamaug.planning.open_plan import open_plan
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from streamaug.testing import replace_tables, write_store

CONDITIONS = ("original", "mp3_64", "aac_32")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    ids = [f"clip{number:02d}" for number in range(40)]
    columns = {"clip_id": ids, "label": ["bus", "park"] * 20, "split": ["train"] * 32 + ["evaluate"] * 8, "group": ids}
    write_store(tmp_path / "store", columns, dict.fromkeys(CONDITIONS), labels=("bus", "park"), clips_per_shard=8)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path / "store"), "/counted-store", recursive=True)
    yield "memory://counted-store"
    memory.rm("/counted-store", recursive=True)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each file was read, by its path in the store."""
    counts = Counter[str]()
    cat_file = MemoryFileSystem.cat_file

    def counted(self: MemoryFileSystem, path: str, **arguments: Any) -> bytes:
        counts[path.removeprefix("/counted-store/")] += 1
        data: bytes = cat_file(self, path, **arguments)
        return data

    monkeypatch.setattr(MemoryFileSystem, "cat_file", counted)
    return counts


def test_a_plan_and_its_streams_read_each_index_once(url: str, tmp_path: Path, reads: Counter[str]) -> None:
    (tmp_path / "recipe.yaml").write_text("draw: union\nmixture: {original: 1, mp3_64: 1, aac_32: 1}\n")
    recipe = load_recipe(tmp_path / "recipe.yaml")
    store = Store.open(url)
    plan = open_plan(recipe, store)
    Stream(plan, store, batch_size=8)
    Stream(recipe, store, batch_size=8)
    Stream.evaluation(store, "mp3_64", batch_size=8)
    files = {f"{name}/{entry.file}": 1 for name, entry in store.manifest.conditions.items()}
    assert reads == {"store.json": 1, store.manifest.clips.file: 1, **files}


def test_a_pickled_store_takes_along_what_it_has_read(url: str, reads: Counter[str]) -> None:
    store = Store.open(url)
    digest = store.index("mp3_64").digest
    copy: Store = pickle.loads(pickle.dumps(store))
    assert copy.index("mp3_64").digest == digest
    assert copy.index("aac_32").digest != digest
    files = {name: f"{name}/{store.manifest.conditions[name].file}" for name in ("mp3_64", "aac_32")}
    assert [reads[file] for file in files.values()] == [1, 1]


def test_what_is_published_later_is_seen_after_opening_again(url: str) -> None:
    store = Store.open(url)
    old = store.index("mp3_64")
    assert "opus_32" not in store.conditions
    changed = old.meta.model_copy(update={"shards": (*old.meta.shards[1:], old.meta.shards[0])})
    other = old.meta.model_copy(update={"condition": "opus_32"})
    replace_tables(store, indexes=[type(old)(meta=meta, table=old.table) for meta in (changed, other)])
    assert store.index("mp3_64") is old
    assert "opus_32" not in store.conditions
    assert store.reopen().index("mp3_64").digest != old.digest
    assert "opus_32" in store.reopen().conditions
    assert store.reopen(store.snapshot).index("mp3_64").digest == old.digest
