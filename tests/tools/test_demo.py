"""The demo writes the card of the model that it trained, and says what it left out."""

import json
from fractions import Fraction
from pathlib import Path

import torch

from streamaug.building.build import Built
from streamaug.testing import build_store
from tools.demo import recipes, skipped_conditions, write_card_of
from train.checkpoint import save_model
from train.evaluate import evaluated_rows, probabilities_of
from train.models import MODELS


def test_the_card_has_the_accuracy_of_the_trained_model(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store", clips=16, seconds=(4, 4))
    torch.manual_seed(0)
    model = MODELS["fcnn"](2, Fraction("1/16")).eval()
    save_model(tmp_path / "model.safetensors", model, store.manifest.labels)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("title: original\ndraw: union\nmixture: {original: 1}\n")
    page = write_card_of(tmp_path / "card", tmp_path / "model.safetensors", store, recipe)
    assert page == tmp_path / "card" / "card.html"
    card = json.loads((tmp_path / "card" / "card.json").read_text())
    labels = store.clips["label"].take(evaluated_rows(store, "evaluate", "original")).to_pylist()
    answers = [store.manifest.labels[number] for number in probabilities_of(model, store, "original", "evaluate").argmax(1)]
    right = sum(answer == label for answer, label in zip(answers, labels, strict=True))
    assert card["conditions"][0]["value"] == right / len(labels)
    assert [each["condition"] for each in card["conditions"]] == list(store.conditions)


def test_conditions_that_this_machine_cannot_encode_are_left_out_of_the_mixture_and_named(tmp_path: Path) -> None:
    built = Built(
        conditions=("original", "mp3_64", "aac_32"),
        shards_built=0,
        shards_reused=0,
        clips=0,
        rejected=(),
        skipped_conditions={"he-aac_16": "no encoder"},
    )
    assert skipped_conditions(built) == "Left out: he-aac_16 (no encoder)."
    first, second = recipes(tmp_path, built)
    assert first.name == "row_1.yaml"
    assert second.read_text() == "title: original + aac_32 + mp3_64\ndraw: union\nmixture: {original: 1, aac_32: 1, mp3_64: 1}\n"
