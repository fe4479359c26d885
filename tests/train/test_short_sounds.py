"""Sounds of different lengths at 8 kHz are trained on with a crop and a finer log-mel."""

import numpy as np
import pyarrow.compute as pc
import pytest

from streamaug.testing import build_store
from tests.train.runs import config_of
from train.checkpoint import load_model
from train.errors import RunError
from train.evaluate import probabilities_of
from train.preparing import prepare
from train.run import run_training
from train.run_folder import load_run_config

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
    config = settings(digits, recipe, tmp_path, CROP, FINE)
    predictions = run_training(config, row="1", quiet=True)
    assert predictions.num_rows == 3 * 36  # conditions times clips
    model, _ = load_model(config.run / "model.safetensors")
    kept = load_run_config(config.run)
    again = probabilities_of(model, digits, "mp3_24", "train", features=kept.log_mel.feature, crop=kept.crop)
    saved = predictions.filter(pc.equal(predictions["condition"], "mp3_24"))["probabilities"].to_pylist()
    assert np.allclose(again, saved, atol=1e-6)


def test_without_a_crop_the_lengths_are_refused(digits, recipe, tmp_path):
    with pytest.raises(RunError, match=r"0\.14 to 1\.30 s, but the models need one length; give the run a crop"):
        prepare(settings(digits, recipe, tmp_path, FINE))


def test_too_few_frames_name_the_remedies(digits, recipe, tmp_path):
    with pytest.raises(RunError, match=r"clips have 1\.00 s, but the models need 5\.89 s; .* or lower the 'hop' of 'log_mel'"):
        prepare(settings(digits, recipe, tmp_path, CROP))
