"""A plug-in's draw is found, brings its own recipe keys, and is part of a plan's identity."""

from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel, Field

from streamaug import plugins
from streamaug.errors import RecipeError
from streamaug.planning import Inventory, Plan
from streamaug.planning.candidates import CandidateSetBuilder, CandidateSets
from streamaug.planning.draws.base import Cell, Cells, CellsOfEpoch
from streamaug.recipes import Recipe, draws, load_recipe, schema
from tests.planning.inventories import all_rows, inventory, recipe


class EverySecondOptions(BaseModel):
    start: int = Field(ge=0, le=1, description="First clip.", examples=["start: 0"])


class EverySecond:
    """Half of the clips in the first condition, in the order of the store."""

    name = "every-second"
    version = "3"
    summary = "every second clip"
    options = EverySecondOptions

    def check(self, recipe: Recipe) -> None:
        if len(recipe.mixture) > 1:
            raise recipe.error_at(("mixture",), "'draw: every-second' takes one condition")

    def open(self, recipe: Recipe, inventory: Inventory, seed: int) -> tuple[CandidateSets, CellsOfEpoch]:
        builder = CandidateSetBuilder(recipe, inventory)
        (stratum,) = builder.strata(("every-second",), np.arange(len(inventory)) % 2 == recipe.options["start"], (0,))
        return builder.build(), lambda epoch: Cells.of([Cell((0,), stratum.candidate_set, 0, stratum.size, seed)], views=1)


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The entry point of the draw, as if its package were installed."""
    announced = EntryPoints([EntryPoint("every-second", f"{__name__}:EverySecond", draws.GROUP)])
    monkeypatch.setattr(plugins, "entry_points", announced.select)
    for cached in (draws.find_draw, schema.recipe_file_model):
        cached.cache_clear()
    yield
    for cached in (draws.find_draw, schema.recipe_file_model):
        cached.cache_clear()


def load(folder: Path, text: str, name: str = "recipe.yaml") -> Recipe:
    (folder / name).write_text(text, encoding="utf-8")
    return load_recipe(folder / name)


def test_it_is_written_and_planned_like_any_other(tmp_path: Path) -> None:
    loaded = load(tmp_path, "draw: every-second\nstart: 1\nmixture: {original: 1}\n")
    clips = inventory(100)
    assert sorted(all_rows(Plan(recipe=loaded, inventory=clips))[1].tolist()) == list(clips.clips)[1::2]
    assert load(tmp_path, loaded.to_yaml(), "again.yaml") == loaded


def test_its_keys_are_inherited_and_checked_by_line(tmp_path: Path) -> None:
    load(tmp_path, "draw: every-second\nstart: 1\nmixture: {original: 1}\n", "parent.yaml")
    assert load(tmp_path, "extends: [parent.yaml]\nstart: 0\n").options == {"start": 0}
    for text, message in (
        ("draw: every-second\nstart: 2\nmixture: {original: 1}\n", r"recipe.yaml:2: start: 2: input should be less than or equal to 1"),
        ("draw: every-second\nmixture: {original: 1}\n", r"recipe.yaml:1: 'draw: every-second' needs 'start'.*'start: 0'"),
        ("draw: union\nstart: 0\nmixture: {original: 1}\n", r"recipe.yaml:2: 'start' belongs to 'draw: every-second'"),
        ("draw: every-second\nstart: 0\nmixture: {original: 1, pitch: 1}\n", r"recipe.yaml:3: .*takes one condition"),
        ("draw: every-secnd\nmixture: {original: 1}\n", r"recipe.yaml:1: .*Did you mean 'every-second'"),
    ):
        with pytest.raises(RecipeError, match=message):
            load(tmp_path, text)


def test_its_version_is_part_of_the_identity_and_that_of_a_built_in_draw_is_not() -> None:
    plug_in = Recipe(title="", draw="every-second", mixture=recipe("union", {"original": 1}).mixture, options={"start": 0})
    identity = Plan(recipe=plug_in, inventory=inventory()).identity
    assert identity.to_dict()["draw"] == "every-second 3"
    assert type(identity).from_dict(identity.to_dict()) == identity
    assert "draw" not in Plan(recipe=recipe("union", {"original": 1}), inventory=inventory()).identity.to_dict()


def test_it_must_say_that_it_takes_weights_or_recipes_with_them_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "draw: every-second\nstart: 1\nmixture: {original: 1}\nweights: {label: {label 1: 2}}\n"
    with pytest.raises(RecipeError, match=r"recipe.yaml:4: 'draw: every-second' does not take 'weights'; use 'draw: union' or"):
        load(tmp_path, text)
    monkeypatch.setattr(EverySecond, "takes", ("weights",), raising=False)
    assert [each.column for each in load(tmp_path, text).weights] == ["label"]


def test_the_json_schema_has_its_name_and_keys() -> None:
    properties = schema.recipe_file_model().model_json_schema()["properties"]
    assert "every-second" in str(properties["draw"])
    assert "start" in properties
    assert "start" not in schema.recipe_file_model(plug_ins=False).model_json_schema()["properties"]


def test_options_are_checked_without_a_file_too() -> None:
    with pytest.raises(RecipeError, match="recipe 'test': rows: 0: Input should be greater than or equal to 1"):
        recipe("weighted", {"original": 1}, rows=0)


def test_a_draw_that_is_not_installed_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match=r"draw 'every-secnd' is not installed\. .*'every-second'"):
        recipe("every-secnd", {"original": 1})
