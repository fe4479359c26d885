"""Columns of the clips table in the batch: numbers as tensors, the rest as lists."""

import math
import pickle
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.utils.data import DataLoader

from streamaug.errors import StoreError
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from streamaug.testing import build_store, replace_tables, write_store
from tests.streaming.conftest import ELSEWHERE
from tests.streaming.test_faults import flip
from tests.streaming.test_shared_arrays import pickled  # noqa: F401  # a fixture
from tests.streaming.test_stream import same

COUNT = 40
COLUMNS = {
    "take": pa.array(range(COUNT), pa.int16()),
    "snr": pa.array([None, *np.linspace(-3, 20, COUNT - 1)], pa.float64()),
    "gain": pa.array(np.arange(COUNT) / 3, pa.float32()),
    "is_quiet": pa.array([number % 3 == 0 for number in range(COUNT)]),
    "city": pa.array(["lisbon", None, "vienna", "oslo"] * 10).dictionary_encode(),
    "recorded": pa.array([date(2026, 1, 1 + number % 28) for number in range(COUNT)]),
    "mos": pa.array([f"{number / 8:g}" for number in range(COUNT)]),
    "fold": pa.array([str(number % 4) for number in range(COUNT)]),
    "speaker": pa.array([f"{number:04d}" for number in range(COUNT)]),
    "sensor": pa.array([str(10**19 + number) for number in range(COUNT)]),
}
LISTS = ("city", "recorded", "speaker", "sensor", "device")
TENSORS = {
    "take": torch.int64,
    "snr": torch.float64,
    "gain": torch.float32,
    "is_quiet": torch.bool,
    "mos": torch.float64,
    "fold": torch.int64,
}


def with_columns(store: Store, /, **columns: pa.Array) -> Store:
    """The store with more columns in its clips table."""
    clips = store.clips
    for name, values in columns.items():
        clips = clips.append_column(name, values)
    return replace_tables(store, clips=clips)


@pytest.fixture
def copied(store_path: Path, tmp_path: Path) -> Store:
    shutil.copytree(store_path, tmp_path / "copy")
    return with_columns(Store.open(tmp_path / "copy"), **COLUMNS)


def test_numbers_become_tensors_of_their_kind_and_all_else_lists(copied: Store, recipe: Recipe) -> None:
    rows = {row["clip_id"]: row for row in copied.clips.to_pylist()}
    stream = Stream(recipe, copied, batch_size=16, features="waveform", columns=[*TENSORS, *LISTS])
    for batch in stream:
        assert {name: batch[name].dtype for name in TENSORS} == TENSORS
        shown = [rows[name] for name in batch["clip_id"]]
        for name in LISTS:
            assert batch[name] == [row[name] for row in shown], name
        for name in TENSORS:
            expected = [math.nan if row[name] is None else float(row[name]) for row in shown]
            assert np.array_equal(batch[name].tolist(), expected, equal_nan=name == "snr"), name


@ELSEWHERE
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_of_a_dataloader_serve_the_same_columns_and_labels(kinds: dict[str | None, Path], context: str) -> None:
    settings = {"batch_size": 9, "features": "waveform", "columns": ["device", "group"]}
    recipe = {"draw": "union", "mixture": {"original": 1, "mp3_64": 1}}
    alone, stream = list(Stream(recipe, kinds["labels"], **settings)), Stream(recipe, kinds["labels"], **settings)
    loaded = list(DataLoader(stream, batch_size=None, num_workers=2, multiprocessing_context=context))
    assert len(loaded) == len(alone) == 4
    assert all(map(same, alone, loaded))


def test_a_replaced_clip_brings_its_own_values(copied: Store, recipe: Recipe) -> None:
    flip(Path(copied.url), "mp3_64", "clip07")
    settings = {"batch_size": 16, "features": "waveform", "on_corrupt": "replace", "columns": ["take"]}
    batches = list(Stream(recipe, copied, **settings))
    assert any(name == "clip07" for batch in batches for name in batch["replaced"])
    assert all([f"clip{number:02d}" for number in batch["take"]] == batch["clip_id"] for batch in batches)


def test_views_share_the_values_of_their_clip(copied: Store) -> None:
    recipe = {"draw": "views", "views": 2, "mixture": {"original": 1, "mp3_64": 1}}
    batch = next(iter(Stream(recipe, copied, batch_size=8, features="waveform", columns=["take", "device"])))
    assert batch["take"].shape == (8,)
    assert len(batch["device"]) == 8


def test_an_evaluation_has_columns_and_tensors_go_to_the_device(copied: Store) -> None:
    stream = Stream.evaluation(copied, "original", batch_size=4, features="waveform", columns=["take", "city"], device="meta")
    batch = next(iter(stream))
    assert batch["take"].device.type == "meta"
    assert batch["city"] == copied.clips["city"].to_pylist()[32:36]


def test_a_resumed_stream_and_one_on_another_snapshot_keep_their_columns(copied: Store, recipe: Recipe) -> None:
    stream = Stream(recipe, copied, batch_size=16, features="waveform", columns=["take"])
    first = next(iter(stream))
    state = stream.state_after(first)
    clips = copied.clips
    changed = clips.set_column(clips.column_names.index("label"), clips.schema.field("label"), pa.array(["bus"] * COUNT))
    newer = Stream(recipe, replace_tables(copied, clips=changed), batch_size=16, features="waveform", columns=["take"])
    newer.load_state_dict(state)
    assert same(next(iter(newer)), list(Stream(recipe, copied, batch_size=16, features="waveform", columns=["take"]))[1])


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("device", "columns='device': write a list of names, such as columns=['device', 'city']"),
        ([3], "write a list of names"),
        (["devise"], "the clips table has no column 'devise'. Did you mean 'device'?"),
        (["label"], "a batch has the key 'label' already; leave it out"),
        (["waveform"], "a feature has the key 'waveform', too; give it another one, such as features={'feature': 'waveform'}"),
        (
            ["holes"],
            "'holes' is empty for 4 of 32 clips, for example 'clip00', but a tensor of int64 has no gaps; write a value such as -1",
        ),
        (
            ["unknown"],
            "'unknown' is empty for 32 of 32 clips, for example 'clip00', but a tensor of bool has no gaps; write a value such as false",
        ),
        (["huge"], "'huge' has numbers above 2^63 - 1, which a tensor cannot hold; write them as text"),
    ],
)
def test_what_cannot_be_a_column_is_refused_with_the_remedy(copied: Store, recipe: Recipe, columns: object, expected: str) -> None:
    store = with_columns(
        copied,
        waveform=pa.array(range(COUNT)),
        holes=pa.array([None if number % 8 == 0 else str(number) for number in range(COUNT)]),
        unknown=pa.array([None] * 32 + [True] * 8, pa.bool_()),
        huge=pa.array([2**63 + number for number in range(COUNT)], pa.uint64()),
    )
    with pytest.raises(StoreError) as caught:
        Stream(recipe, store, batch_size=16, features="waveform", columns=columns)
    assert expected in str(caught.value)


def test_a_column_called_store_is_one_like_others_unless_there_are_several_stores(copied: Store, recipe: Recipe) -> None:
    shops = with_columns(copied, store=pa.array([f"shop {number % 3}" for number in range(COUNT)]))
    batch = next(iter(Stream(recipe, shops, batch_size=16, features="waveform", columns=["store"])))
    expected = {row["clip_id"]: row["store"] for row in shops.clips.to_pylist()}
    assert batch["store"] == [expected[name] for name in batch["clip_id"]]
    several = {"draw": "union", "mixture": {"shop:original": 1}}
    with pytest.raises(StoreError, match="a batch has the key 'store' already"):
        Stream(several, {"shop": copied}, batch_size=16, features="waveform", columns=["store"])


def test_an_empty_cell_of_one_of_several_stores_is_named_with_its_store(copied: Store, store_path: Path, tmp_path: Path) -> None:
    folder = build_store(tmp_path / "other", conditions="original")
    several = {"draw": "union", "mixture": {"takes:original": 1, "other:original": 1}}
    with pytest.raises(StoreError, match="'take' is empty for 18 of 50 clips, for example 'clip00' of store 'other', but a tensor"):
        Stream(several, {"takes": copied, "other": folder}, batch_size=16, features="waveform", columns=["take"], rate=8_000)


def test_clips_that_are_not_served_may_lack_a_number(copied: Store) -> None:
    store = with_columns(copied, take_b=pa.array([number if number % 2 else None for number in range(COUNT)], pa.int32()))
    recipe = {"draw": "union", "mixture": {"original": 1}, "where": {"device": ["b"]}}
    batches = list(Stream(recipe, store, batch_size=4, features="waveform", columns=["take_b"]))
    assert sorted(number for batch in batches for number in batch["take_b"].tolist()) == list(range(1, 32, 2))


def test_only_the_requested_columns_travel_and_they_are_mapped(tmp_path: Path, pickled) -> None:  # noqa: F811  # a fixture is imported by its name
    count = 10_000
    ids = [f"clip{number:05d}" for number in range(count)]
    own = {"speaker": [f"speaker {number}" for number in range(count)], "age": list(range(count)), "other": ids}
    columns = {"clip_id": ids, "label": ["bus"] * count, "split": ["train"] * count, "group": ids, **own}
    store = write_store(tmp_path / "store", columns, {"original": None}, labels=("bus",))
    recipe = {"draw": "union", "mixture": {"original": 1}}
    stream = Stream(recipe, store, features="waveform", columns=["speaker", "age"])
    assert list(stream._opened.columns) == ["speaker", "age"]
    assert pickled(stream) < 30_000
    assert len(pickle.dumps(stream)) > len(pickle.dumps(Stream(recipe, store, features="waveform"))) + 100_000
