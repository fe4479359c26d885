"""What a batch has of stores of every kind: a class number, several labels, a number, or nothing."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from streamaug.store import Store
from streamaug.streaming import Stream
from tests.building.kinds import LABELS
from tests.streaming.test_faults import flip
from tests.streaming.test_stream import same

RECIPE = {"draw": "union", "mixture": {"original": 1, "mp3_64": 1}}
SETTINGS = {"batch_size": 6, "features": "waveform"}
KEYS = {"label", "labels", "target"}


def expected(store: Store, clip_ids: list[str]) -> torch.Tensor | None:
    """What the batch with these clips must have."""
    target = store.manifest.target
    rows = {clip["clip_id"]: clip for clip in store.clips.to_pylist()}
    match target:
        case "label":
            return torch.tensor([LABELS.index(rows[name]["label"]) for name in clip_ids])
        case "labels":
            return torch.tensor([[float(label in rows[name]["labels"]) for label in LABELS] for name in clip_ids])
        case "target":
            return torch.tensor([rows[name]["target"] for name in clip_ids])
        case _:
            return None


@pytest.mark.parametrize("target", ["label", "labels", "target", None])
def test_a_batch_has_the_targets_of_its_clips_under_the_key_of_the_store(kinds: dict[str | None, Path], target: str | None) -> None:
    store = Store.open(kinds[target])
    stream = Stream(RECIPE, store, **SETTINGS)
    assert stream.labels == (LABELS if target in ("label", "labels") else ())
    batches = list(stream)
    assert len(batches) == 6
    for batch in batches:
        assert KEYS & batch.keys() == ({target} if target else set())
        if target:
            truth = expected(store, batch["clip_id"])
            assert batch[target].dtype == (torch.int64 if target == "label" else torch.float32)
            assert torch.equal(batch[target], truth)


@pytest.mark.parametrize("target", ["labels", "target", None])
def test_workers_of_a_dataloader_serve_the_same(kinds: dict[str | None, Path], target: str | None) -> None:
    alone, loaded = list(Stream(RECIPE, kinds[target], **SETTINGS)), Stream(RECIPE, kinds[target], **SETTINGS)
    loader = DataLoader(loaded, batch_size=None, num_workers=2)
    assert all(same(one, other) for one, other in zip(alone, loader, strict=True))


@pytest.mark.parametrize("target", ["label", "labels", "target", None])
def test_views_padding_and_the_device_keep_the_targets(kinds: dict[str | None, Path], target: str | None) -> None:
    recipe = {"draw": "views", "views": 2, "mixture": {"original": 1, "mp3_64": 1}}
    stream = Stream(recipe, kinds[target], batch_size=8, tail="pad", features="waveform")
    last = list(stream)[-1]
    assert len(last["clip_id"]) == 8
    if target:
        assert torch.equal(last[target], expected(Store.open(kinds[target]), last["clip_id"]))
        assert next(iter(Stream(RECIPE, kinds[target], **SETTINGS, device="meta")))[target].device.type == "meta"


@pytest.mark.parametrize("target", ["label", "labels", "target", None])
def test_a_broken_clip_is_replaced_by_one_with_the_same_labels_if_it_has_any(kinds: dict, tmp_path: Path, target: str | None) -> None:
    path = Path(shutil.copytree(kinds[target], tmp_path / "copy"))
    flip(path, "mp3_64", "clip005")
    store = Store.open(path)
    rows = {clip["clip_id"]: clip for clip in store.clips.to_pylist()}
    replaced = [
        (broken, clip)
        for batch in Stream(RECIPE, store, **SETTINGS, on_corrupt="replace")
        for broken, clip in zip(batch["replaced"], batch["clip_id"], strict=True)
        if broken
    ]
    assert [broken for broken, _ in replaced] == ["clip005"]
    (_, clip) = replaced[0]
    assert clip != "clip005"
    if target in ("label", "labels"):
        assert rows[clip][target] == rows["clip005"][target]


@pytest.mark.parametrize("target", ["label", "labels", "target", None])
def test_a_dataset_has_the_same_targets(kinds: dict[str | None, Path], target: str | None) -> None:
    store = Store.open(kinds[target])
    dataset = store.dataset("mp3_64", "evaluate")
    clips = [dataset[number] for number in range(len(dataset))]
    assert all(KEYS & clip.keys() == ({target} if target else set()) for clip in clips)
    if target:
        truth = expected(store, [clip["clip_id"] for clip in clips])
        assert np.array_equal(np.stack([np.asarray(clip[target], np.float32) for clip in clips]), truth.numpy())
    assert dataset[-1]["clip_id"] == clips[-1]["clip_id"]


def test_a_position_of_a_store_of_several_labels_resumes(kinds: dict[str | None, Path]) -> None:
    stream = Stream(RECIPE, kinds["labels"], **SETTINGS)
    batches = list(stream)
    again = Stream(RECIPE, kinds["labels"], **SETTINGS)
    again.load_state_dict(stream.state_after(batches[2]))
    assert all(map(same, again, batches[3:]))
