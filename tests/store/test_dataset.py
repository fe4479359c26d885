"""A condition of a store as a map-style dataset."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch.utils.data import DataLoader

from streamaug import Store, Stream, build
from streamaug.conditions import parse_conditions
from streamaug.errors import FeatureError, StoreError
from tests.in_process import InProcess

RATE = 16_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """12 clips, of which four are in the split `test`."""
    folder, lines = tmp_path_factory.mktemp("clips"), ["path,label,split,fold"]
    for number in range(12):
        soundfile.write(folder / f"c{number:02d}.wav", np.random.default_rng(number).normal(0, 0.1, RATE), RATE)
        lines.append(f"c{number:02d}.wav,{'ba'[number % 2]},{'test' if number % 3 == 2 else 'train'},{number % 4}")
    (folder / "clips.csv").write_text("\n".join(lines))
    build(
        folder / "clips.csv", str(folder / "store"), conditions=parse_conditions("original,mp3_64"), executor=InProcess(), clips_per_shard=3
    )
    return Store.open(folder / "store")


@pytest.mark.parametrize("condition", ["original", "mp3_64"])
@pytest.mark.parametrize("split", ["test", "fold=1,2"])
def test_has_the_clips_of_the_evaluation_stream_in_its_order_bit_for_bit(store: Store, condition: str, split: str) -> None:
    dataset = store.dataset(condition, split)
    (batch,) = Stream.evaluation(store, condition, split=split, features="waveform")
    items = list(dataset)
    assert [item["clip_id"] for item in items] == batch["clip_id"]
    assert [item["label"] for item in items] == batch["label"].tolist()
    assert {item["condition"] for item in items} == {condition}
    assert torch.equal(torch.stack([item["waveform"] for item in items]), batch["waveform"])


def test_without_a_split_has_all_clips_of_the_condition(store: Store) -> None:
    assert [item["clip_id"] for item in store.dataset("mp3_64")] == store.clips["clip_id"].to_pylist()


def test_features_are_those_of_streams(store: Store) -> None:
    (batch,) = Stream.evaluation(store, "mp3_64", split="test", features={"mel": "static", "sound": "waveform"})
    items = list(store.dataset("mp3_64", "test", features={"mel": "static", "sound": "waveform"}))
    for name in ("mel", "sound"):
        assert torch.equal(torch.stack([item[name] for item in items]), batch[name])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_serve_it_shuffled_and_in_batches(store: Store, method: str) -> None:
    dataset = store.dataset("mp3_64", "train")
    loader = DataLoader(dataset, batch_size=3, shuffle=True, num_workers=2, multiprocessing_context=method)
    batches = list(loader)
    assert [tuple(batch["waveform"].shape) for batch in batches] == [(3, RATE), (3, RATE), (2, RATE)]
    served = {
        clip: (label, row)
        for batch in batches
        for clip, label, row in zip(batch["clip_id"], batch["label"], batch["waveform"], strict=True)
    }
    for item in dataset:
        label, row = served.pop(item["clip_id"])
        assert label == item["label"]
        assert torch.equal(row, item["waveform"])
    assert not served


def test_can_be_pickled_and_counts_from_the_end(store: Store) -> None:
    dataset = pickle.loads(pickle.dumps(store.dataset("mp3_64", "test")))
    assert len(dataset) == 4
    assert dataset[-1]["clip_id"] == dataset[np.int64(3)]["clip_id"] == dataset[torch.tensor(3)]["clip_id"] == "c11"
    with pytest.raises(IndexError, match="clip 4 of 4"):
        dataset[4]
    assert dataset.labels[dataset[-1]["label"]] == "a"


def test_what_the_store_lacks_is_refused_when_it_is_opened(store: Store) -> None:
    with pytest.raises(StoreError, match="no clip has split = evaluate; choose from test, train"):
        store.dataset("mp3_64", "evaluate")
    with pytest.raises(StoreError, match="no condition 'mp3_46'"):
        store.dataset("mp3_46")
    with pytest.raises(FeatureError, match="write a mapping"):
        store.dataset("mp3_64", features=["logmel"])


def test_a_shard_that_has_gone_is_named(store: Store, tmp_path: Path) -> None:
    dataset = store.dataset("original", "test")
    shard = Path(store.url) / store.location("original", "c02").shard
    shard.rename(tmp_path / "shard.tar")
    try:
        with pytest.raises(StoreError, match=r"clip 'c02': the shard does not exist"):
            dataset[0]
    finally:
        (tmp_path / "shard.tar").rename(shard)
