"""A small real store: 40 clips of one second in three conditions, cut into shards of eight clips."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from torch.utils.data import get_worker_info

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.recipes import Recipe, load_recipe
from streamaug.store import Store
from streamaug.streaming import assembly
from streamaug.streaming.processes import ProcessWorkers
from streamaug.streaming.workers import ThreadWorkers, Workers
from streamaug.testing import build_store
from tests.in_process import InProcess

RATE = 16_000


@pytest.fixture(params=["threads", "processes"], autouse=True)
def workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test of the stream runs under both kinds of workers, whatever number of threads it
    names; inside DataLoader workers there are threads, as by default."""

    def kind(count: int) -> Workers:
        return ThreadWorkers(count) if request.param == "threads" or get_worker_info() else ProcessWorkers(count)

    monkeypatch.setattr(assembly, "ThreadWorkers", kind)
    monkeypatch.setattr(assembly, "ProcessWorkers", kind)
    return request.param


ELSEWHERE = pytest.mark.parametrize("workers", ["threads"], indirect=True)
"""For tests whose rows are decoded in DataLoader workers or other programs, or not at all: the fixture
does not reach there, so once is enough."""


def write_recipe(path: Path, text: str) -> Recipe:
    path.write_text(text)
    return load_recipe(path)


@pytest.fixture(scope="session")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(11)
    time = np.arange(RATE) / RATE
    rows = []
    for number in range(40):
        label = ("bus", "park", "tram", "metro")[number % 4]
        tone = 0.3 * np.sin(2 * np.pi * (300 + 170 * (number % 4) + 3 * number) * time) + 0.05 * rng.standard_normal(RATE)
        path = folder / f"clip{number:02d}.wav"
        soundfile.write(path, tone, RATE, subtype="PCM_16")
        split = "evaluate" if number >= 32 else "train"
        rows.append({"path": str(path), "label": label, "split": split, "group": f"g{number}", "device": "ab"[number % 2]})
    pq.write_table(pa.Table.from_pylist(rows), folder / "clips.parquet")
    store = tmp_path_factory.mktemp("store") / "small"
    build(folder / "clips.parquet", store, conditions=parse_conditions("original,mp3_64,opus_32"), clips_per_shard=8, executor=InProcess())
    return store


@pytest.fixture(scope="session")
def store(store_path: Path) -> Store:
    return Store.open(store_path)


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    """Each training clip once in each condition an epoch: 96 rows."""
    return write_recipe(tmp_path / "recipe.yaml", "draw: union\nmixture: {original: 1, mp3_64: 1, opus_32: 1}\n")


@pytest.fixture(scope="session")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """24 clips of 0.14 to 1.3 s at 8 kHz in three conditions."""
    return build_store(tmp_path_factory.mktemp("varied"))


def first_batches(source: Iterable[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """So many batches, over as many epochs as it takes; the last epoch is left in the middle."""
    served: list[dict[str, Any]] = []
    while len(served) < count:
        for batch in source:
            served.append(batch)
            if len(served) == count:
                break
    return served
