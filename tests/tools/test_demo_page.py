"""The demo's page says what was measured, in numbers, and can be looked at in a browser."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from playwright.sync_api import Browser

from streamaug.planning.open_plan import open_plan
from streamaug.recipes import Recipe, load_recipe
from streamaug.store import Store
from tests.browser import check_page
from tools.demo_page import Comparison, headline, result_table, write_page
from train.evaluate import predictions_of
from train.paper.tables import Row, make_tables

RIGHT = {("1", "original"): 5, ("1", "mp3_64"): 2, ("6", "original"): 5, ("6", "mp3_64"): 4}
"""Of six clips, how many each row gets right in each condition."""


@pytest.fixture(scope="module")
def store(kinds: dict[str | None, Path]) -> Store:
    return Store.open(kinds["label"])


@pytest.fixture(scope="module")
def compared(store: Store) -> Comparison:
    labels = list(store.manifest.labels)
    own = [labels.index(label) for label in store.clips.filter(pc.equal(store.clips["split"], "evaluate"))["label"].to_pylist()]
    assert len(own) == 6
    tables = []
    for (row, condition), right in RIGHT.items():
        answers = [label if number < right else (label + 1) % 3 for number, label in enumerate(own)]
        probabilities = np.eye(3, dtype=np.float32)[answers] * 0.6 + 0.1
        tables.append(predictions_of(store, "evaluate", condition, probabilities, row=row, seed=0))
    return Comparison(
        predictions=pa.concat_tables(tables), before="1", after="6", mixture=("original", "mp3_64"), conditions=("original", "mp3_64")
    )


@pytest.fixture(scope="module")
def index(store: Store, compared: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    recipe = folder / "row_6.yaml"
    recipe.write_text("title: original + mp3_64\ndraw: union\nmixture: {original: 1, mp3_64: 1}\n")
    opened: Recipe = load_recipe(recipe)
    names = {"1": ("original",), "6": ("original", "mp3_64")}
    tables = make_tables(
        compared.predictions, [Row(name=name, title=name, conditions=own, clips=18, steps=2) for name, own in names.items()]
    )
    return write_page(folder, store, compared, tables, open_plan(opened, store), recipe, "Left out: he-aac_16 (no encoder).")


def test_the_headline_has_the_measured_numbers(compared: Comparison) -> None:
    said = headline(compared)
    assert "is right for 83 % of original clips, and for 33 % of the same clips after coding (mean of 1 conditions)" in said
    assert "it is right for 67 % of the coded clips: +33 percentage points, 95 % interval" in said
    assert said.endswith("Guessing gives 33 %.")


def test_the_table_has_a_line_for_each_condition(compared: Comparison) -> None:
    table = result_table(compared)
    assert [(line[0], line[1], line[2], line[4]) for line in table.rows] == [
        ("original", "83", "83", "original"), ("mp3_64", "33", "67", "seen"),
    ]  # fmt: skip
    assert table.rows[0][3] == "+0 [+0, +0]"
    assert table.rows[1][3].startswith("+33 [")


def test_the_page_plays_the_clip_that_coding_does_the_most_to_with_both_answers(compared: Comparison, index: Path) -> None:
    shown = index.read_text()
    clip_id = re.search(r"Clip (\S+) as it was", shown)[1]  # type: ignore[index]  # without a match the test fails here
    lines = compared.predictions.filter(pc.equal(compared.predictions["clip_id"], clip_id)).to_pylist()
    assert [line["label"] == line["predicted"] for line in lines] == [True, False, True, False]  # row by row, original and coded
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", shown)
    assert len(captions) == 2
    assert captions[0].startswith("original: ")
    assert re.fullmatch(r"mp3_64: \w+ \(wrong, 70 % sure\) if trained on original audio; \w+ \(wrong, 70 % sure\) if .*", captions[1])


def test_the_page_says_what_is_missing_what_the_paper_is_and_what_to_type_next(index: Path) -> None:
    shown = index.read_text()
    assert "Left out: he-aac_16 (no encoder)." in shown
    assert "Rao and Peters" in shown
    assert "row 6 is original + mp3_64" in shown
    assert f"streamaug explore {index.parent}/store" in shown
    assert f"streamaug stress {index.parent}/runs/row_6/seed_0/model.safetensors {index.parent}/store" in shown
    assert {path.name for path in index.parent.iterdir()} == {"index.html", "accuracy.png", "spectrograms.png", "row_6.yaml"}


def test_the_page_can_be_looked_at(browser: Browser, index: Path) -> None:
    check_page(browser, index)
