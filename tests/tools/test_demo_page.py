"""The demo's page says what was measured, in numbers, and can be looked at in a browser."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from playwright.sync_api import Browser

from streamaug.store import Store
from tests.browser import check_page
from tools.demo_page import Comparison, Training, chart, headline, result_table, seeds_table, write_page
from train.evaluate import predictions_of
from train.paper.tables import Row, make_tables

RIGHT = {
    ("1", "original"): (5, 5), ("1", "mp3_64"): (2, 2),
    ("6", "original"): (5, 5), ("6", "mp3_64"): (4, 2),
    ("bitrate_curriculum", "original"): (4, 4), ("bitrate_curriculum", "mp3_64"): (5, 3),
}  # fmt: skip
"""Of six clips, how many each row gets right in each condition, with the first and the second seed."""


@pytest.fixture(scope="module")
def store(kinds: dict[str | None, Path]) -> Store:
    return Store.open(kinds["label"])


@pytest.fixture(scope="module")
def compared(store: Store) -> Comparison:
    labels = list(store.manifest.labels)
    own = [labels.index(label) for label in store.clips.filter(pc.equal(store.clips["split"], "evaluate"))["label"].to_pylist()]
    assert len(own) == 6
    tables = []
    for (row, condition), of_seeds in RIGHT.items():
        for seed, right in enumerate(of_seeds):
            answers = [label if number < right else (label + 1) % 3 for number, label in enumerate(own)]
            probabilities = np.eye(3, dtype=np.float32)[answers] * 0.6 + 0.1
            tables.append(predictions_of(store, "evaluate", condition, probabilities, row=row, seed=seed))
    return Comparison(
        predictions=pa.concat_tables(tables),
        before=Training(row="1", name="originals", conditions=("original",)),
        paper=Training(row="6", name="row 6", conditions=("original", "mp3_32")),
        best=Training(row="bitrate_curriculum", name="curriculum", conditions=("original", "mp3_64")),
        conditions=("original", "mp3_64"),
    )


@pytest.fixture(scope="module")
def index(store: Store, compared: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    recipe = folder / "bitrate_curriculum.yaml"
    recipe.write_text("title: first original\ndraw: one-per-clip\nmixture: {original: 1, mp3_64: {0: 0, 4: 1}}\n")
    tables = make_tables(
        compared.predictions.filter(pc.is_in(compared.predictions["row"], pa.array(["1", "6"]))),
        [Row(name=each.row, title=each.name, conditions=tuple(each.conditions), clips=18, steps=2) for each in compared.trainings[:2]],
    )
    return write_page(folder, store, compared, tables, recipe, chart(compared), "Left out: he-aac_16 (no encoder).")


def test_the_headline_has_the_measured_numbers(compared: Comparison) -> None:
    said = headline(compared)
    assert "is right for 83 % of original clips, and for 33 % of the same clips after coding (mean of 1 conditions)" in said
    assert "it is right for 67 % of the coded clips: +33 percentage points, 95 % interval" in said
    assert "; and for 67 % of the originals (-17 [" in said
    assert "With the paper's mixture, original + mp3_32, it is right for 50 %; the curriculum is " in said
    assert said.endswith("Guessing gives 33 %.")


def test_the_headline_admits_that_the_curriculum_is_no_better(compared: Comparison) -> None:
    swapped = replace(compared, paper=replace(compared.best, name="row 6"), best=replace(compared.before, name="curriculum"))
    assert "the curriculum is worse (-33 [" in headline(swapped)
    assert "the curriculum is not measurably different (+0 [+0, +0])" in headline(replace(compared, paper=compared.best))


def test_the_table_has_a_line_for_each_condition(compared: Comparison) -> None:
    table = result_table(compared)
    assert [(*line[:4], *line[5:]) for line in table.rows] == [
        ("original", "83", "83", "67", "original", "original"), ("mp3_64", "33", "50", "67", "unseen bitrate", "seen"),
    ]  # fmt: skip
    assert table.rows[0][4].startswith("-17 [")
    assert table.rows[1][4].startswith("+33 [")


def test_every_seed_is_shown(compared: Comparison) -> None:
    assert seeds_table(compared).rows == [["originals", "33", "33"], ["row 6", "67", "33"], ["curriculum", "83", "50"]]


def test_the_page_plays_the_clip_that_coding_does_the_most_to_with_the_answers_of_two_models(compared: Comparison, index: Path) -> None:
    shown = index.read_text()
    clip_id = re.search(r"Clip (\S+) as it was", shown)[1]  # type: ignore[index]  # without a match the test fails here
    first = compared.predictions.filter(pc.equal(compared.predictions["seed"], 0)).to_pylist()
    right = {(line["row"], line["condition"]): line["label"] == line["predicted"] for line in first if line["clip_id"] == clip_id}
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", shown)
    assert len(captions) == 2
    for name, caption in zip(("original", "mp3_64"), captions, strict=True):
        before, best = ("right" if right[row, name] else "wrong" for row in ("1", "bitrate_curriculum"))
        wanted = rf"{name}: \w+ \({before}, 70 % sure\) if trained on originals; \w+ \({best}, 70 % sure\) on the curriculum"
        assert re.fullmatch(wanted, caption), caption


def test_the_page_says_what_is_missing_what_the_paper_is_and_what_to_type_next(index: Path) -> None:
    shown = index.read_text()
    assert "Left out: he-aac_16 (no encoder)." in shown
    assert "Rao and Peters" in shown
    assert "row 6 is original + mp3_32" in shown
    assert "draw: one-per-clip" in shown
    assert f"streamaug explore {index.parent}/store" in shown
    assert f"streamaug stress {index.parent}/runs/row_bitrate_curriculum/seed_0/model.safetensors {index.parent}/store" in shown
    assert {path.name for path in index.parent.iterdir()} == {"index.html", "accuracy.png", "spectrograms.png", "bitrate_curriculum.yaml"}


def test_the_page_can_be_looked_at(browser: Browser, index: Path) -> None:
    check_page(browser, index)
