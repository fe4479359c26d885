"""A small store of real bitstreams: six clips of noise and tones, three shards, two codecs."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.store import Store

RATE = 44_100
CODED = ("mp3_32", "sbc_64")


@pytest.fixture(scope="session")
def clips_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    time = np.arange(int(0.8 * RATE)) / RATE
    lines = ["path,label,split"]
    for number in range(6):
        random = np.random.default_rng(number)
        tone = np.sin(2 * np.pi * 300 * (number + 1) * time)
        signal = 0.1 * tone + 0.02 * random.standard_normal(len(time))
        soundfile.write(folder / f"clip{number}.wav", signal, RATE)
        lines.append(f"clip{number}.wav,{'ab'[number % 2]},train")
    (folder / "clips.csv").write_text("\n".join(lines))
    return folder / "clips.csv"


def build_store(clips_table: Path, url: str) -> Store:
    with ThreadPoolExecutor(1) as executor:
        build(clips_table, url, conditions=parse_conditions(f"original,{','.join(CODED)}"), clips_per_shard=2, executor=executor)
    return Store.open(url)


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
