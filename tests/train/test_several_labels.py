"""A run on clips with several labels: sigmoid, binary cross-entropy, mean average precision."""

import re
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import torch

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.store import Store
from tests.in_process import InProcess
from tests.train.conftest import LABELS, RATE, SECONDS, recording
from tests.train.runs import config_of
from train.checkpoint import load_model
from train.errors import RunError
from train.evaluate import probabilities_of
from train.paper import experiment_b
from train.precision import precisions
from train.predictions import LABELS_SCHEMA, read_predictions
from train.preparing import prepare
from train.run import fit, run_training
from train.run_folder import create_run_folder, read_log
from train.task import OneLabel, SeveralLabels, divergence, task_of

SETS = list(chain.from_iterable(combinations(LABELS, size) for size in range(4)))
"""All eight sets of labels, the empty one among them."""


def mixed(labels: tuple[str, ...], number: int) -> np.ndarray:
    """A sum of sounds, one for each label, in noise."""
    noise = 0.01 * np.random.default_rng(number).standard_normal(int(RATE * SECONDS))
    return noise + sum(recording(label, number) for label in labels) / 2


def build_sums(folder: Path, target: str | None) -> Path:
    """72 training and 24 evaluation clips, under the original and MP3; `target` as a column of the table, or none."""
    rows = []
    for number in range(96):
        labels = SETS[number % 8]
        soundfile.write(folder / f"clip{number}.wav", mixed(labels, number), RATE, subtype="PCM_16")
        learned = {"labels": list(labels), "target": float(len(labels)), None: ""}[target]
        rows.append({"path": f"clip{number}.wav", "split": "train" if number < 72 else "evaluate", target or "note": learned})
    pq.write_table(pa.Table.from_pylist(rows), folder / "clips.parquet")
    build(
        folder / "clips.parquet", str(folder / "store"), conditions=parse_conditions("original,mp3_64"), name="sums", executor=InProcess()
    )
    return folder / "store"


@pytest.fixture(scope="module")
def sums(tmp_path_factory) -> Path:
    return build_sums(tmp_path_factory.mktemp("sums"), "labels")


@pytest.fixture(scope="module")
def finished(sums, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    recipe = folder / "row_3.yaml"
    recipe.write_text("title: original + mp3_64\ndraw: union\nmixture: {original: 1, mp3_64: 1}\n")
    config = config_of(sums, recipe, folder, "steps=60", "learning_rate=0.3")
    run_training(config, row="3", quiet=True)
    return config


def test_the_loss_falls_and_the_labels_are_found(finished):
    _, losses, _ = read_log(finished.run)
    assert losses[-15:].mean() < losses[:15].mean() - 0.03
    table = precisions(read_predictions(finished.run / "predictions.parquet"), Store.open(finished.store).manifest.labels)
    assert table.shares.tolist() == [[0.5, 0.5]] * 3
    assert table.conditions == ("original", "mp3_64")
    assert (table.means > 0.65).all()


def test_predictions_are_those_of_every_clip_with_all_its_labels(finished):
    store = Store.open(finished.store)
    predictions = read_predictions(finished.run / "predictions.parquet")
    assert predictions.schema.equals(LABELS_SCHEMA)
    clips = [clip for clip in store.clips.to_pylist() if clip["split"] == "evaluate"]
    assert predictions["condition"].to_pylist() == [name for name in ("original", "mp3_64") for _ in clips]
    assert predictions["labels"].to_pylist() == [clip["labels"] for clip in clips] * 2
    probabilities = np.stack(predictions["probabilities"].to_numpy())
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert np.abs(probabilities.sum(1) - 1).max() > 0.1, "a softmax would add up to 1"


def average_precision(truth: list[bool], scores: list[float]) -> float:
    """The mean of the precision at the rank of every clip that has the label; no two scores are equal."""
    ranked = np.array(truth)[np.argsort(scores)[::-1]]
    return float((np.cumsum(ranked) / np.arange(1, len(ranked) + 1))[ranked].mean())


def test_average_precision_is_that_of_another_implementation(finished):
    labels = Store.open(finished.store).manifest.labels
    predictions = read_predictions(finished.run / "predictions.parquet")
    table = precisions(predictions, labels)
    lines = [line for line in predictions.to_pylist() if line["condition"] == "mp3_64"]
    for number, label in enumerate(labels):
        truth, scores = [label in line["labels"] for line in lines], [line["probabilities"][number] for line in lines]
        assert table.values[number, 1] == pytest.approx(average_precision(truth, scores), abs=1e-6)


def test_a_label_that_a_condition_lacks_does_not_count(finished):
    predictions = read_predictions(finished.run / "predictions.parquet")
    table, wider = (precisions(predictions, labels) for labels in (LABELS, (*LABELS[:2], "owl")))
    assert np.isnan(wider.values[2]).all()
    assert wider.means == pytest.approx(table.values[:2].mean(0))


def test_the_report_says_map_and_what_guessing_gives(finished):
    report = (finished.run / "report.html").read_text()
    assert "Mean average precision" in report
    assert "Guessing gives 0.500" in report
    assert "confusion" not in report
    assert not re.search(r'(src|href)="(?!data:)', report)
    header, *lines = (finished.run / "table.csv").read_text().splitlines()
    assert header == "condition,mean average precision,in training"
    assert [line.split(",")[::2] for line in lines] == [["original", "original"], ["mp3_64", "seen"]]
    assert float(lines[0].split(",")[1]) > 0.65
    ledger = (finished.run / "ledger.csv").read_text()
    assert ledger == "condition,-,hiss,hum,tick,all\noriginal,9,36,36,36,72\nmp3_64,9,36,36,36,72\n"
    assert (finished.run / "by_condition.png").exists()


def test_views_of_clips_with_several_labels_are_trained_on(sums, tmp_path):
    recipe = tmp_path / "views.yaml"
    recipe.write_text("title: two views\ndraw: views\nviews: 2\nmixture: {original: 1, mp3_64: 1}\n")
    run = prepare(config_of(sums, recipe, tmp_path))
    create_run_folder(run)
    assert all(tensor.isfinite().all() for tensor in fit(run, quiet=True).state_dict().values())


def test_the_divergence_of_sigmoids_is_that_of_two_classes_each():
    agreeing, opposed = torch.tensor([[[3.0, -2.0]], [[3.0, -2.0]]]), torch.tensor([[[99.0, 5.0]], [[-99.0, 5.0]]])
    assert SeveralLabels().divergence(agreeing).item() == pytest.approx(0, abs=1e-6)
    assert SeveralLabels().divergence(opposed).item() == pytest.approx(np.log(2) / 2)
    assert torch.equal(OneLabel().divergence(opposed), divergence(opposed))


@pytest.mark.parametrize(
    ("target", "message"),
    [("target", "has numbers as targets, but the models of train/ are classifiers"), (None, "has no labels to train a classifier on")],
)
def test_a_store_without_labels_is_refused_before_the_folder_is_made(tmp_path, recipe, target, message):
    store = build_sums(tmp_path, target)
    with pytest.raises(RunError, match=message):
        run_training(config_of(store, recipe, tmp_path), row="3", quiet=True)
    assert not (tmp_path / "run").exists()


def test_a_label_missing_from_a_split_is_named(sums, recipe, tmp_path):
    with pytest.raises(RunError, match=r"'clip_id=clip1' of .* has no clip of hum, tick"):
        prepare(config_of(sums, recipe, tmp_path, "evaluate_on='clip_id=clip1'"))


def test_the_papers_experiments_are_refused(sums, tmp_path):
    with pytest.raises(RunError, match="the paper's experiments need one label per clip"):
        experiment_b.experiment([], [0], None, tmp_path, {"store": str(sums)}, None)


def test_the_task_is_that_of_the_store(sums, built, finished):
    assert isinstance(task_of(Store.open(sums)), SeveralLabels)
    assert isinstance(task_of(Store.open(built)), OneLabel)
    model, _ = load_model(finished.run / "model.safetensors")
    saved = np.stack(read_predictions(finished.run / "predictions.parquet")["probabilities"].to_numpy())[:24]
    assert np.abs(probabilities_of(model, Store.open(sums), "original", "evaluate") - saved).max() < 1e-6
