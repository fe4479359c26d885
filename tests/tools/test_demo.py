"""The demo writes the card of the model that it trained, and says what it left out."""

import json
from fractions import Fraction
from pathlib import Path

import torch

from streamaug.building.build import Built
from streamaug.recipes import load_recipe
from streamaug.testing import build_store
from tools.demo import RECIPE_STEPS, ROWS, recipes, skipped_conditions, write_card_of
from train.checkpoint import save_model
from train.evaluate import evaluated_rows, probabilities_of
from train.models import MODELS
from train.paper.experiment_b import find_recipe


def test_the_card_has_the_accuracy_of_the_trained_model(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store", clips=16, seconds=(4, 4))
    torch.manual_seed(0)
    model = MODELS["fcnn"](2, Fraction("1/16")).eval()
    save_model(tmp_path / "model.safetensors", model, store.manifest.labels)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("title: original\ndraw: union\nmixture: {original: 1}\n")
    page = write_card_of(tmp_path / "card", tmp_path / "model.safetensors", "ours", store, recipe)
    assert page == tmp_path / "card" / "card.html"
    card = json.loads((tmp_path / "card" / "card.json").read_text())
    labels = store.clips["label"].take(evaluated_rows(store, "evaluate", "original")).to_pylist()
    answers = [store.manifest.labels[number] for number in probabilities_of(model, store, "original", "evaluate").argmax(1)]
    right = sum(answer == label for answer, label in zip(answers, labels, strict=True))
    assert card["headline"].startswith("ours: ")
    assert card["conditions"][0]["value"] == right / len(labels)
    assert [each["condition"] for each in card["conditions"]] == list(store.conditions)


def built(*left_out: str) -> Built:
    """A build of the paper's conditions that left some out."""
    named = {name for row in ROWS for name in load_recipe(find_recipe(row)).conditions}
    return Built(
        conditions=tuple(sorted(named - set(left_out))),
        shards_built=0,
        shards_reused=0,
        clips=0,
        rejected=(),
        skipped_conditions=dict.fromkeys(left_out, "no encoder"),
    )


def test_conditions_that_this_machine_cannot_encode_are_left_out_of_the_mixtures_and_named(tmp_path: Path) -> None:
    without = built("he-aac_16", "he-aac_32")
    assert skipped_conditions(without) == "Left out: he-aac_16 (no encoder). Left out: he-aac_32 (no encoder)."
    first, sixth, curriculum = recipes(tmp_path, without, RECIPE_STEPS)
    assert [path.name for path in (first, sixth)] == ["row_1.yaml", "row_6_without_he-aac_16.yaml"]
    assert load_recipe(sixth).title == "original + mp3_64 + he-aac_16 + aac_32, without he-aac_16"
    assert load_recipe(sixth).conditions == ("original", "aac_32", "mp3_64")
    assert not {"he-aac_16", "he-aac_32"} & set(load_recipe(curriculum).conditions)


def test_the_recipes_are_the_projects_own_and_in_shorter_trainings_the_curriculum_changes_as_early(tmp_path: Path) -> None:
    assert recipes(tmp_path, built(), RECIPE_STEPS) == [find_recipe(row) for row in ROWS]
    *others, curriculum = recipes(tmp_path, built(), RECIPE_STEPS // 2)
    assert others == [find_recipe(row) for row in ROWS[:2]]
    assert curriculum.name == "bitrate_curriculum.yaml"
    changes = load_recipe(curriculum).plain()["mixture"]
    assert (changes["original"], changes["aac_64"], changes["mp3_32"]) == (1, {0: 1, 10: 0.5, 20: 0.25}, {0: 0, 20: 1})
