"""store.json names the conditions that are there, whenever a build stops and whoever removed a
folder."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamaug.building.build import Built, build
from streamaug.conditions import parse_conditions
from streamaug.errors import CorruptError
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


@pytest.mark.parametrize("last", ["original", "mulaw_64"])
def test_a_build_that_stops_before_it_names_a_condition_resumes_and_names_it(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    store, whole = tmp_path / "store", tmp_path / "whole"
    make(clips, whole, "original,mulaw_64")
    write = Folder.write

    def stopping(self: Folder, name: str, data: bytes) -> None:
        if name == "store.json" and f'"{last}"'.encode() in data:
            raise KeyboardInterrupt
        write(self, name, data)

    with monkeypatch.context() as stopped:
        stopped.setattr(Folder, "write", stopping)
        with pytest.raises(KeyboardInterrupt):
            make(clips, store, "original,mulaw_64")
    opened = Store.open(store)
    assert last not in opened.conditions
    assert (store / last / "index.parquet").exists()
    for name in opened.conditions:
        assert len(opened.index(name)) == 4
    assert make(clips, store, "original,mulaw_64").shards_built == 0
    assert content(store) == content(whole)


def test_a_condition_whose_folder_was_removed_is_named_again_only_after_it_was_built_again(clips: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    make(clips, store, "original,mulaw_64")
    shutil.rmtree(store / "mulaw_64")
    with pytest.raises(CorruptError, match=r"mulaw_64/index\.parquet is missing, though store\.json names the condition"):
        Store.open(store).index("mulaw_64")
    make(clips, store, "original")
    assert Store.open(store).conditions == ("original",)
    make(clips, store, "mulaw_64")
    assert Store.open(store).conditions == ("original", "mulaw_64")
