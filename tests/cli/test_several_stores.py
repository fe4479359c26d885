"""streamaug plan and diff on recipes that name several stores."""

from pathlib import Path

import pyarrow.csv as csv
import pyarrow.parquet as pq
import pytest

from streamaug.errors import RecipeError
from tests.cli.test_plan_commands import streamaug
from tests.planning.several_stores import scenes, sounds

RECIPE = "title: both\ndraw: union\nstores: {tau: tau, esc: esc}\nmixture: {tau:mp3_64: 1, tau:original: 1, esc:original: 0.5}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    scenes(folder / "tau")
    sounds(folder / "esc")
    (folder / "both.yaml").write_text(RECIPE)
    (folder / "more.yaml").write_text(RECIPE.replace("both", "more").replace("0.5", "1"))
    return folder


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("│\n").split("│")]


def test_plan_prints_a_ledger_with_a_column_for_the_store(folder: Path) -> None:
    lines = [cells(line) for line in streamaug("plan", folder / "both.yaml").splitlines() if line.startswith("│")]
    assert lines == [
        ["esc", "esc:original", "0", "0", "4", "0", "4", "8"],
        ["tau", "tau:original", "8", "8", "0", "8", "0", "24"],
        ["tau", "tau:mp3_64", "8", "8", "0", "8", "0", "24"],
        ["", "all", "16", "16", "4", "16", "4", "56"],
    ]


def test_the_files_of_plan_have_the_store_of_each_row(folder: Path, tmp_path: Path) -> None:
    streamaug("plan", folder / "both.yaml", "--ledger", tmp_path / "ledger.csv", "--rows", tmp_path / "rows.parquet")
    ledger = csv.read_csv(tmp_path / "ledger.csv").to_pylist()
    assert {line["condition"]: line["store"] for line in ledger} == {"esc:original": "esc", "tau:original": "tau", "tau:mp3_64": "tau"}
    assert sum(line["rows"] for line in ledger) == 56
    rows = pq.read_table(tmp_path / "rows.parquet").to_pylist()
    assert len(rows) == 56
    assert all(row["condition"].startswith(f"{row['store']}:") for row in rows)


def test_counting_by_the_store_alone_is_a_table_of_conditions_by_store(folder: Path) -> None:
    output = streamaug("plan", folder / "both.yaml", "--by", "store")
    assert cells(next(line for line in output.splitlines() if "all" in line)) == ["all", "8", "48", "56"]


def test_diff_compares_two_recipes_on_the_same_stores_and_refuses_others(folder: Path) -> None:
    output = streamaug("diff", folder / "both.yaml", folder / "more.yaml")
    assert "56 in both, 0 removed, 8 added" in output
    assert "8 -> 16" in output
    (folder / "elsewhere.yaml").write_text(RECIPE.replace("esc: esc", "esc: elsewhere"))
    with pytest.raises(RecipeError, match="name other stores"):
        streamaug("diff", folder / "both.yaml", folder / "elsewhere.yaml")


def test_without_a_store_a_recipe_that_names_none_is_an_error(folder: Path) -> None:
    (folder / "plain.yaml").write_text("draw: union\nmixture: {original: 1}\n")
    with pytest.raises(RecipeError, match=r"plain.yaml:1: the recipe does not name a store; give its path or URL"):
        streamaug("plan", folder / "plain.yaml")
