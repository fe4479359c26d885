"""Rows of an index, grades and recipes of one clip are those that the whole tables give."""

import shutil
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streamaug.conditions import Condition
from streamaug.errors import RecipeError
from streamaug.explore.conditions import ConditionRows
from streamaug.explore.explorer import Explorer
from streamaug.explore.membership import drawable_conditions, load_recipes
from streamaug.explore.tables import Tables
from streamaug.planning.candidates import eligible_clips
from streamaug.planning.open_plan import load_inventory
from streamaug.quality.measuring import measure
from streamaug.recipes import Recipe, load_recipe
from streamaug.splits import Split
from streamaug.store import Store
from streamaug.testing import build_store, write_store
from tests.in_process import InProcess

LABELS = ("bus", "park", "tram")


@pytest.fixture
def spread_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """40 clips in tables of row groups of five; mp3_64 lacks every third clip."""
    monkeypatch.setattr("streamaug.store.parquet.ROW_GROUP", 5)
    columns = {
        "clip_id": [f"c{number:02d}" for number in range(40)],
        "label": [LABELS[number % 3] for number in range(40)],
        "split": ["evaluate" if number % 5 == 4 else "train" for number in range(40)],
        "group": [None] * 40,
        "device": [None if number % 7 == 0 else "ab"[number % 2] for number in range(40)],
        "fold": [number % 4 for number in range(40)],
    }
    conditions = {"original": None, "mp3_64": np.arange(40) % 3 != 0}
    return write_store(tmp_path / "store", columns, conditions, labels=LABELS, clips_per_shard=3)


def test_an_entry_is_that_of_the_whole_index_and_none_where_the_clip_is_missing(spread_store: Store, tmp_path: Path) -> None:
    for condition in spread_store.conditions:
        rows = ConditionRows(spread_store, condition, Tables(spread_store.folder, tmp_path))
        index = spread_store.index(condition)
        assert (rows.meta, rows.digest) == (index.meta, index.digest)
        for clip in spread_store.clips.select(["clip_id", "shard"]).to_pylist():
            entry = rows.entry(clip["clip_id"], clip["shard"])
            expected = index.location(clip["clip_id"])
            assert (entry and entry.location) == expected
            assert entry is None or index.table["clip_id"][entry.row].as_py() == clip["clip_id"]


def test_a_clip_that_a_condition_lacks_says_so(spread_store: Store, tmp_path: Path) -> None:
    original, coded = Explorer(spread_store, tmp_path).clip("c03")["conditions"]
    assert "sha256" in original
    assert coded == {"name": "mp3_64", "is_missing": True}


@pytest.mark.parametrize(
    "recipe",
    [
        {"mixture": {"original": 1, "mp3_64": 0.5}},
        {"mixture": {"original": 1, "mp3_64": 1}, "where": {"label": ["bus", "tram"]}},
        {"mixture": {"original": {"weight": 1, "where": {"device": ["a"]}}, "mp3_64": 1}},
        {"mixture": {"original": 1}, "where": {"fold": ["1", "2"], "device": ["a", ""]}},
        {"mixture": {"original": 1}, "weights": {"label": {"bus": 0, "tram": 2}}},
        {"mixture": {"original": 1, "mp3_64": {"weight": {0: 1, 5: 0}}}, "weights": {"label": "equal"}},
    ],
)
@pytest.mark.parametrize("split", ["train", "fold=1,2", "split!=train"])
def test_a_recipe_holds_a_clip_where_a_plan_could_draw_it(spread_store: Store, recipe: dict[str, Any], split: str) -> None:
    loaded = load_recipe(
        {"draw": "union" if "weights" not in recipe else "weighted", **({"rows": 100} if "weights" in recipe else {}), **recipe}
    )
    inventory = load_inventory(loaded, spread_store, split)
    masks = eligible_clips(loaded, inventory)
    drawn = {
        (int(clip), name) for name, mask in masks.items() for clip in np.asarray(inventory.clips)[slice(None) if mask is None else mask]
    }
    drawable = set()
    for row in range(40):
        clip = spread_store.clips.slice(row, 1)
        has = {name for name in spread_store.conditions if spread_store.index(name).location(clip["clip_id"][0].as_py())}
        drawable |= {
            (row, name)
            for name in drawable_conditions(
                loaded, clip, has.__contains__, conditions=spread_store.conditions, split=Split.parse(split), url=spread_store.url
            )
        }
    assert drawable == drawn
    assert drawable


def test_a_recipe_of_several_stores_holds_a_clip_in_its_own_store_only(spread_store: Store) -> None:
    recipe = load_recipe(
        {"draw": "union", "mixture": {"here:original": 1, "there:original": 1}, "stores": {"here": spread_store.url, "there": "/elsewhere"}}
    )
    assert weights_of_the_first_clip(recipe, spread_store) == {"here:original": 1}


def test_a_recipe_that_needs_a_condition_that_the_store_lacks_holds_nothing(spread_store: Store) -> None:
    recipe = load_recipe({"draw": "union", "mixture": {"original": 1, "opus_32": 1}})
    with pytest.raises(RecipeError, match="no condition 'opus_32'"):
        load_inventory(recipe, spread_store, "train")
    assert weights_of_the_first_clip(recipe, spread_store) == {}


def weights_of_the_first_clip(recipe: Recipe, store: Store) -> dict[str, Any]:
    """How a recipe holds the first clip."""
    clip = store.clips.slice(0, 1)
    return drawable_conditions(recipe, clip, lambda name: True, conditions=store.conditions, split=Split.parse("train"), url=store.url)


def test_a_folder_of_recipes_is_read_and_a_missing_one_named(tmp_path: Path) -> None:
    for name, weight in product("ab", [1]):
        (tmp_path / f"{name}.yaml").write_text(f"title: {name}\ndraw: union\nmixture: {{original: {weight}}}\n")
    assert [recipe.title for recipe in load_recipes([tmp_path]).values()] == ["a", "b"]
    with pytest.raises(RecipeError, match="nowhere does not exist"):
        load_recipes([tmp_path / "nowhere"])


def test_grades_are_shown_while_they_belong_to_the_bitstreams(tmp_path: Path) -> None:
    store = build_store(tmp_path, clips=4, seconds=(0.6, 1.0), conditions="original,alaw_64,mp3_24")
    explorer = Explorer(store, tmp_path)
    clip_id = store.clips["clip_id"][2].as_py()

    def grades() -> list[float | None]:
        return [each.get("grade") for each in explorer.clip(clip_id)["conditions"]]

    assert grades() == [None, None, None]
    graded = measure(store, ["mp3_24"], executor=InProcess())["mp3_24"].table.to_pylist()
    expected = next(row["grade"] for row in graded if row["clip_id"] == clip_id)
    assert grades() == [None, None, pytest.approx(expected)]
    shutil.copy(tmp_path / "store" / "mp3_24" / "quality.parquet", tmp_path / "store" / "alaw_64" / "quality.parquet")
    assert Explorer(store, tmp_path).clip(clip_id)["conditions"][1]["grade"] is None


def test_conditions_are_in_the_order_of_their_bitrates(tmp_path: Path) -> None:
    names = ["original", "aac_32", "mp3_64", "mp3_128", "mp3_64+aac_32", "pitch", "mp3_8"]
    assert all(str(Condition.parse(name)) == name for name in names)
    columns = {"clip_id": ["a"], "label": ["x"], "split": ["train"], "group": [None]}
    store = write_store(tmp_path / "store", columns, dict.fromkeys(names), labels=["x"])
    shown = Explorer(store, tmp_path).overview()["conditions"]
    assert shown == ["original", "aac_32", "mp3_8", "mp3_64", "mp3_64+aac_32", "mp3_128", "pitch"]
