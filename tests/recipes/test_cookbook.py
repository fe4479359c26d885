"""docs/recipes.md shows what the program prints."""

import re
from pathlib import Path

import pytest

from streamaug.planning.open_plan import open_plan
from streamaug.planning.open_stores import open_stores
from streamaug.recipes import load_recipe
from tools.write_cookbook import DOCS, PAGE, RECIPE, write_stores

RECIPES = list(RECIPE.finditer(PAGE.read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    write_stores(folder)
    return folder


@pytest.mark.parametrize("match", RECIPES, ids=[match["name"] for match in RECIPES])
def test_a_recipe_of_the_page_has_the_plan_and_count_that_the_page_shows(folder: Path, match: re.Match[str]) -> None:
    (folder / "recipe.yaml").write_text(match["text"], encoding="utf-8")
    recipe = load_recipe(folder / "recipe.yaml")
    plan = open_plan(recipe, open_stores(recipe, None if recipe.stores else folder / "tau"))
    assert match["output"], "run 'python -m tools.write_cookbook'"
    assert f"plan {plan.hash}\n" in match["output"]
    epochs = int(match["options"].split()[-1]) if "--epochs" in match["options"] else 1
    assert f": {sum(plan.epoch_size(epoch) for epoch in range(epochs))} rows" in match["output"]
    assert (DOCS / "pictures" / f"{match['name']}.png").is_file()


def test_every_draw_and_option_is_on_the_page() -> None:
    page = "".join(match["text"] for match in RECIPES)
    for word in (
        "union",
        "weighted",
        "one-per-clip",
        "views",
        "anchor",
        "where",
        "balance",
        "stratify",
        "shuffle",
        "{0: ",
        "ramp",
        "by_step",
        "weights",
        "equal",
        "stores",
        "rename_labels",
    ):
        assert word in page
