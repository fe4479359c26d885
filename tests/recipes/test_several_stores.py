"""Recipes that draw from several stores: where they are, and the names in front of conditions."""

from pathlib import Path

import pytest

from streamaug.errors import RecipeError
from streamaug.recipes import Recipe, load_recipe
from streamaug.recipes.leave_one_out import without_each_codec

BOTH = "draw: union\nstores: {tau: ../tau, esc: 's3://bucket/esc'}\nmixture: {tau:mp3_64: 1, esc:original: 0.5, tau:original: 1}\n"


def load(folder: Path, text: str, name: str = "recipe.yaml") -> Recipe:
    (folder / name).write_text(text, encoding="utf-8")
    return load_recipe(folder / name)


def test_paths_begin_at_the_recipe_and_urls_stay(tmp_path: Path) -> None:
    recipe = load(tmp_path, BOTH)
    assert recipe.stores == {"tau": f"{tmp_path}/../tau", "esc": "s3://bucket/esc"}


def test_the_mixture_is_sorted_store_by_store(tmp_path: Path) -> None:
    assert load(tmp_path, BOTH).conditions == ("esc:original", "tau:original", "tau:mp3_64")


def test_where_a_store_is_does_not_change_the_recipe_but_its_label_names_do(tmp_path: Path) -> None:
    recipe = load(tmp_path, BOTH)
    assert load(tmp_path, BOTH.replace("../tau", "/data/tau")).hash == recipe.hash
    assert load(tmp_path, BOTH.replace("stores: {tau: ../tau, esc: 's3://bucket/esc'}\n", "")).hash == recipe.hash
    assert load(tmp_path, BOTH + "rename_labels: {esc: {dog_bark: dog}}\n").hash != recipe.hash
    assert load(tmp_path, BOTH + "shared_groups: true\n").hash != recipe.hash


def test_it_is_written_as_it_was_read(tmp_path: Path) -> None:
    recipe = load(tmp_path, BOTH + "rename_labels: {esc: {dog_bark: dog}}\nshared_groups: true\n")
    assert load(tmp_path, recipe.to_yaml(), "again.yaml") == recipe


def test_stores_are_inherited_and_can_be_named_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "stores.yaml").write_text("stores: {tau: tau, esc: esc}\nrename_labels: {esc: {dog_bark: dog}}\n")
    recipe = load(tmp_path, "extends: [data/stores.yaml]\ndraw: union\nmixture: {tau:mp3_64: 1}\n")
    assert recipe.stores == {"tau": f"{tmp_path}/data/tau", "esc": f"{tmp_path}/data/esc"}
    assert recipe.rename_labels == {"esc": {"dog_bark": "dog"}}


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        (("tau:mp3_64", "mp3_64"), 3, "'mp3_64' lacks its store; write 'esc:mp3_64' or 'tau:mp3_64'"),
        (("tau:mp3_64", "tua:mp3_64"), 3, "'tua:mp3_64': 'stores' has no 'tua'. Did you mean 'tau'?"),
        (("tau:mp3_64", "tau:mp3"), None, ""),
        (("tau:mp3_64", "tau:mp3_"), 3, "condition 'mp3_': 'mp3_' is not a step"),
        (("tau:mp3_64", "a:b:mp3_64"), 3, "'a:b:mp3_64': 'a:b' is not a name of letters"),
        (("tau:mp3_64", "':mp3_64'"), 3, "':mp3_64': '' is not a name of letters"),
        (("{tau: ../tau, ", "{'t u': ../tau, "), 2, "stores: 't u' is not a name of letters"),
        (("{tau: ../tau, ", "{tau: 1, "), 2, "stores.tau: 1: input should be a valid string"),
    ],
)
def test_what_is_wrong_with_a_name_is_said_with_its_line(tmp_path: Path, change: tuple[str, str], line: int | None, message: str) -> None:
    text = BOTH.replace(*change)
    if line is None:
        assert "tau:mp3" in load(tmp_path, text).conditions
        return
    with pytest.raises(RecipeError) as caught:
        load(tmp_path, text)
    assert f"recipe.yaml:{line}: " in str(caught.value)
    assert message in str(caught.value)


def test_a_mixture_with_and_without_stores_is_refused_though_no_stores_are_named() -> None:
    with pytest.raises(RecipeError, match="'original' lacks its store; write 'tau:original'"):
        load_recipe({"draw": "union", "mixture": {"original": 1, "tau:mp3_64": 1}})


@pytest.mark.parametrize("setting", [{"rename_labels": {"esc": {"a": "b"}}}, {"shared_groups": True}])
def test_settings_for_several_stores_are_refused_with_one(setting: dict) -> None:
    with pytest.raises(RecipeError, match=f"'{next(iter(setting))}' is for mixtures of several stores"):
        load_recipe({"draw": "union", "mixture": {"original": 1}, **setting})


def test_leaving_out_a_codec_leaves_it_out_of_all_stores(tmp_path: Path) -> None:
    recipe = load(tmp_path, BOTH.replace("esc:original: 0.5", "esc:mp3_32+aac_64: 1"))
    assert {codec: left.conditions for codec, left in without_each_codec(recipe).items()} == {
        "aac": ("tau:original", "tau:mp3_64"),
        "mp3": ("tau:original",),
    }
