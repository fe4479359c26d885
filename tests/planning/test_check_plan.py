"""A plan is carried out on the store that it was opened on, or not at all."""

from pathlib import Path

import pytest

from streamaug.errors import StoreError
from streamaug.planning.check_plan import check_plan
from streamaug.planning.open_plan import open_plan
from streamaug.planning.sequential import SequentialPlan
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.testing import write_store


def store_of(folder: Path, labels: str = "abab", clips_per_shard: int = 10) -> Store:
    count = 40
    clips = {
        "clip_id": [f"clip{number:02d}" for number in range(count)],
        "label": [labels[number % 4] for number in range(count)],
        "split": ["train" if number < 30 else "evaluate" for number in range(count)],
        "group": [None] * count,
    }
    conditions = {"original": None, "mp3_64": None}
    return write_store(folder, clips, conditions, labels=("a", "b"), clips_per_shard=clips_per_shard)


@pytest.fixture
def recipe(tmp_path: Path):
    path = tmp_path / "recipe.yaml"
    path.write_text("draw: one-per-clip\nmixture: {original: 1, mp3_64: 1}\n")
    return load_recipe(path)


def test_a_plan_fits_the_store_that_it_was_opened_on(tmp_path, recipe):
    store = store_of(tmp_path / "store")
    plan = open_plan(recipe, store, seed=3)
    check_plan(plan, Store.open(store.url), split="train", seed=3)
    check_plan(SequentialPlan.of(store, ["original"], "evaluate"), store, split="evaluate")


def test_a_store_with_other_bitstreams_is_refused_by_condition(tmp_path, recipe):
    plan = open_plan(recipe, store_of(tmp_path / "one"))
    with pytest.raises(StoreError, match=r"opened on another store than .*condition 'mp3_64' has other content"):
        check_plan(plan, store_of(tmp_path / "two", clips_per_shard=20))


def test_a_store_whose_clips_have_other_labels_is_refused(tmp_path, recipe):
    plan = open_plan(recipe, store_of(tmp_path / "one"))
    with pytest.raises(StoreError, match="the clips table differs"):
        check_plan(plan, store_of(tmp_path / "two", labels="baba"))


@pytest.mark.parametrize("given", [{"split": "evaluate"}, {"seed": 4}])
def test_a_split_or_seed_that_contradicts_the_plan_is_refused(tmp_path, recipe, given):
    store = store_of(tmp_path / "store")
    with pytest.raises(StoreError, match="leave out"):
        check_plan(open_plan(recipe, store, seed=3), store, **given)
