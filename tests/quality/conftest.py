"""A small store of real bitstreams: six clips of noise and tones, three shards, two codecs."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamaug.store import Store
from tests.quality.stores import build_store, write_clips


@pytest.fixture(scope="session")
def clips_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="session")
def built(clips_table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "store"
    build_store(clips_table, str(folder))
    return folder


@pytest.fixture
def store(built: Path, tmp_path: Path) -> Store:
    """A copy that a test may do with what it likes."""
    return Store.open(shutil.copytree(built, tmp_path / "store"))


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor
