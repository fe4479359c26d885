"""A stream reads the store that it was opened on, wherever its processes run and however they are
started."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader

from streamaug import Cache, Stream
from tests.streaming.conftest import ELSEWHERE

RECIPE = {"draw": "union", "mixture": {"original": 1, "mp3_64": 1, "opus_32": 1}}


def rows(batches: Any) -> list[tuple[int, str, str]]:
    return [row for batch in batches for row in zip(batch["position"].tolist(), batch["clip_id"], batch["condition"], strict=True)]


def opened(store: Any) -> Stream:
    return Stream(RECIPE, store, batch_size=8, features="waveform", threads=2)


@pytest.fixture(scope="module")
def expected(store_path: Path) -> list[tuple[int, str, str]]:
    return rows(opened(store_path))


@ELSEWHERE
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_a_relative_store_after_a_change_of_directory(
    store_path: Path, expected: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.chdir(store_path.parent)
    stream = opened(store_path.name)
    monkeypatch.chdir(tmp_path)
    assert rows(DataLoader(stream, batch_size=None, num_workers=2, multiprocessing_context=method)) == expected


class TestAStoreInsideAZipFile:
    @pytest.fixture
    def url(self, store_path: Path, tmp_path: Path) -> str:
        with zipfile.ZipFile(tmp_path / "store.zip", "w") as file:
            for path in store_path.rglob("*"):
                file.write(path, f"store/{path.relative_to(store_path)}")
        return f"zip://store::file://{tmp_path}/store.zip"

    @ELSEWHERE
    @pytest.mark.parametrize("method", ["fork", "spawn"])
    def test_is_read_by_workers(self, url: str, expected: list[Any], method: str) -> None:
        assert rows(DataLoader(opened(url), batch_size=None, num_workers=2, multiprocessing_context=method)) == expected

    def test_is_listed_before_several_threads_ask_what_is_in_it(self, url: str) -> None:
        [folder] = opened(url)._opened.folders.values()
        assert "store.json" in {Path(name).name for name in folder.fs.dir_cache}

    def test_is_read_by_a_stream_that_was_pickled(self, url: str, expected: list[Any]) -> None:
        assert rows(pickle.loads(pickle.dumps(opened(url)))) == expected

    def test_may_be_named_relative_to_the_working_directory(
        self, url: str, expected: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        stream = opened("zip://store::store.zip")
        monkeypatch.chdir("/")
        assert rows(pickle.loads(pickle.dumps(stream))) == expected


@pytest.mark.parametrize("kind", [str, Path])
def test_the_home_folder_is_meant_in_every_path(
    store_path: Path, expected: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    (tmp_path / "store").symlink_to(store_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert rows(opened(kind("~/store"))) == expected
    assert Cache(folder=kind("~/cache")).folder == tmp_path / "cache"
    if kind is str:
        assert rows(opened("file://~/store")) == expected
