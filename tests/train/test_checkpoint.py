"""Checkpoints hold numbers, name their model and labels, and refuse everything else."""

from fractions import Fraction

import pytest
import torch
from safetensors.torch import load_file, save_file

from train.checkpoint import load_model, refuse_pickle, save_model
from train.errors import CheckpointError
from train.models import FCNN, MODELS

WIDTH = Fraction(1, 48)
LABELS = ("cat", "dog", "rain")


@pytest.mark.parametrize("model_class", MODELS.values())
def test_a_model_comes_back_as_it_was(tmp_path, model_class):
    model = model_class(3, WIDTH).eval()
    save_model(tmp_path / "model.safetensors", model, LABELS)
    loaded, labels = load_model(tmp_path / "model.safetensors", LABELS)
    features = torch.rand(2, 3, 128, 40)
    with torch.no_grad():
        assert torch.equal(loaded(features), model(features))
    assert labels == LABELS
    assert (type(loaded), loaded.width, loaded.training) == (model_class, WIDTH, False)


def test_a_checkpoint_of_other_labels_is_refused_and_both_sets_are_named(tmp_path):
    save_model(tmp_path / "model.safetensors", FCNN(3, WIDTH), LABELS)
    with pytest.raises(CheckpointError, match="labels cat, dog, rain, but the store has dog, cat, rain"):
        load_model(tmp_path / "model.safetensors", ("dog", "cat", "rain"))


@pytest.mark.parametrize("legacy", [False, True])
def test_a_pickle_is_refused_before_it_is_read(tmp_path, legacy):
    path = tmp_path / "model.safetensors"
    torch.save(FCNN(3, WIDTH).state_dict(), path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(CheckpointError, match="is a pickle"):
        load_model(path)


@pytest.mark.parametrize("length", [0x0280, 0x4B50])
def test_a_header_whose_length_looks_like_a_pickle_is_none(tmp_path, length):
    path = tmp_path / "model.safetensors"
    save_file({}, path, {"filling": ""})
    empty = int.from_bytes(path.read_bytes()[:8], "little")
    save_file({}, path, {"filling": "x" * (length - empty)})
    assert path.read_bytes()[:2] in (b"\x80\x02", b"PK")
    refuse_pickle(path)


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({}, "is not a checkpoint of fcnn"),
        ({"model": "vgg"}, "is not a checkpoint of fcnn"),
        ({"model": "fcnn", "classes": "3", "width": "1/0", "labels": "[]"}, "is not a checkpoint of fcnn"),
        ({"model": "resnet17", "classes": "3", "width": "1/48", "labels": '["a", "b", "c"]'}, "does not have the weights of a resnet17"),
        ({"model": "fcnn", "classes": "3", "width": "1/48", "labels": '["a"]'}, "has 1 labels for 3 classes"),
    ],
)
def test_weights_that_are_not_what_the_file_says_are_refused(tmp_path, about, message):
    path = tmp_path / "model.safetensors"
    save_model(path, FCNN(3, WIDTH), LABELS)
    save_file(load_file(path), path, about)
    with pytest.raises(CheckpointError, match=message):
        load_model(path)


@pytest.mark.parametrize("content", [None, b"", b"rubbish", b"\xff" * 40])
def test_a_missing_or_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        load_model(path)
