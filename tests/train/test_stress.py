"""`streamaug stress` opens the classifier of a run, and gives the probabilities that the run has."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from streamaug.errors import ModelError
from streamaug.store import Store
from streamaug.stress.models import open_model
from streamaug.stress.run import prepare, run_all
from streamaug.testing import build_store
from train.checkpoint import save_model
from train.evaluate import probabilities_of
from train.models import MODELS


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return build_store(tmp_path_factory.mktemp("store"), clips=16, seconds=(4, 4))


def test_the_classifier_of_a_run_is_stressed_under_the_runs_own_labels(store: Store, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = MODELS["fcnn"](2, Fraction("1/16")).eval()
    save_model(tmp_path / "model.safetensors", model, ["low", "high"])  # not the order of the store
    opened = open_model(str(tmp_path / "model.safetensors"), opener="train.stress:classifier", device="cpu")
    assert opened.class_names == ("low", "high")
    predictions = run_all(prepare(opened, store, features="logmel", conditions=["mp3_24"]), tmp_path / "out")
    assert predictions is not None
    assert predictions.columns == store.manifest.labels == ("high", "low")
    probabilities = torch.tensor(predictions.scores("mp3_24")).softmax(1).numpy()
    assert np.allclose(probabilities[:, ::-1], probabilities_of(model, store, "mp3_24", "evaluate"), atol=1e-6)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"PK\3\4")
    with pytest.raises(ModelError, match=r"'train.stress:classifier' cannot open .*: CheckpointError: .* is a pickle"):
        open_model(str(tmp_path / "model.safetensors"), opener="train.stress:classifier")
