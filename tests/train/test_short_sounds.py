"""Sounds of different lengths at 8 kHz are trained on with a crop and a finer log-mel."""

import pytest
import torch

from streamaug.testing import build_store
from tests.train.runs import config_of
from train.errors import RunError
from train.preparing import prepare
from train.run import run_training

torch.set_num_threads(1)

CROP = "crop={seconds: 1, where: centre, pad: repeat}"
FINE = "log_mel={n_fft: 512, hop: 128, mels: 64}"


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return build_store(tmp_path_factory.mktemp("digits"), clips=48)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "both.yaml"
    path.write_text("title: both\ndraw: union\nmixture: {original: 1, alaw_64: 1}\n")
    return path


def settings(digits, recipe, tmp_path, *overrides):
    return config_of(digits.url, recipe, tmp_path, "evaluate_on=train", *overrides)


@pytest.mark.filterwarnings("ignore::streamaug.errors.LeakageWarning")
def test_crops_of_one_length_are_trained_on_and_evaluated(digits, recipe, tmp_path):
    predictions = run_training(settings(digits, recipe, tmp_path, "steps=60", CROP, FINE), row="1", quiet=True)
    assert predictions.num_rows == 3 * 36  # conditions times clips
    right = [
        label == predicted for label, predicted in zip(*(predictions[name].to_pylist() for name in ("label", "predicted")), strict=True)
    ]
    assert sum(right) > 0.8 * len(right)  # two in three are of one label


def test_without_a_crop_the_lengths_are_refused(digits, recipe, tmp_path):
    with pytest.raises(RunError, match=r"0\.14 to 1\.30 s, but the models need one length; give the run a crop"):
        prepare(settings(digits, recipe, tmp_path, FINE))


def test_too_few_frames_name_the_remedies(digits, recipe, tmp_path):
    with pytest.raises(RunError, match=r"clips have 1\.00 s, but the models need 5\.89 s; .* or lower the 'hop' of 'log_mel'"):
        prepare(settings(digits, recipe, tmp_path, CROP))
