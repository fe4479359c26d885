"""store.json names the conditions that are there, whenever a build stops and whoever removed a
folder."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamaug.building.build import Built, build
from streamaug.conditions import parse_conditions
from streamaug.errors import CorruptError, StoreError
from streamaug.store import Store
from streamaug.store.folder import Folder
from tests.building.clips import content, write_clips


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"), 4)


def make(clips: Path, store: Path, conditions: str) -> Built:
    with ThreadPoolExecutor(1) as executor:
        return build(clips, str(store), conditions=parse_conditions(conditions), executor=executor)


def test_builds_add_their_conditions_original_first(clips: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    make(clips, store, "original,mulaw_64")
    make(clips, store, "alaw_64")
    assert Store.open(store).conditions == ("original", "alaw_64", "mulaw_64")


@pytest.mark.parametrize("last", ["clips-", "original/index-", "mulaw_64/index-", "snapshots/", "store.json"])
def test_a_build_that_stops_while_it_publishes_resumes_and_publishes(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    store, whole = tmp_path / "store", tmp_path / "whole"
    make(clips, whole, "original,mulaw_64")
    write = Folder.write

    def stopping(self: Folder, name: str, data: bytes) -> None:
        if name.startswith(last):
            raise KeyboardInterrupt
        write(self, name, data)

    with monkeypatch.context() as stopped:
        stopped.setattr(Folder, "write", stopping)
        with pytest.raises(KeyboardInterrupt):
            make(clips, store, "original,mulaw_64")
    with pytest.raises(StoreError, match="is not a store: it has no store"):
        Store.open(store)
    assert make(clips, store, "original,mulaw_64").shards_built == 0
    assert content(store) == content(whole)


def test_a_condition_whose_folder_was_removed_is_named_again_only_after_it_was_built_again(clips: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    make(clips, store, "original,mulaw_64")
    shutil.rmtree(store / "mulaw_64")
    with pytest.raises(CorruptError, match=r"mulaw_64/index-\w+\.parquet is missing, though the manifest names it"):
        Store.open(store).index("mulaw_64")
    make(clips, store, "original")
    assert Store.open(store).conditions == ("original",)
    make(clips, store, "mulaw_64")
    assert Store.open(store).conditions == ("original", "mulaw_64")
