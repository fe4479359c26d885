"""Cards side by side, paired by clip; cards of different clips are refused."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from streamaug.cli.main import app
from streamaug.errors import CorruptError, StoreError
from streamaug.links import Independent
from streamaug.stress.bootstrap import paired_difference
from streamaug.stress.card_file import CARD_FILE
from streamaug.stress.compare import Comparison, compare, open_card
from streamaug.stress.predictions import PREDICTIONS_FILE, Predictions, read_predictions, write_predictions
from tests.browser import check_page
from tests.stress.made import store_predictions, write_card_without_page


@pytest.fixture(scope="module")
def cards(coded, tmp_path_factory):
    """Folders of two cards."""
    folder = tmp_path_factory.mktemp("cards")
    return [
        write_card_without_page(folder / "one", store_predictions(coded, 0, skill=0.3), coded, "one"),
        write_card_without_page(folder / "other", store_predictions(coded, 1, skill=1.0), coded, "other"),
    ]


@pytest.fixture
def copy(cards, tmp_path):
    """A card that a test may damage."""
    return shutil.copytree(cards[0], tmp_path / "copy")


def test_a_difference_is_the_paired_one_of_the_same_draws(cards):
    one, other = (open_card(each) for each in cards)
    found = compare([one, other])
    for number, row in enumerate(found.rows):
        expected = paired_difference(other.answers.right[number], one.answers.right[number], one.answers.groups)
        assert row.condition == one.answers.conditions[number]
        assert row.sides[1].difference == pytest.approx(expected.mean, abs=1e-6)
        assert (row.sides[1].difference_low, row.sides[1].difference_high) == pytest.approx((expected.low, expected.high), abs=1e-6)
        assert row.sides[0].difference == row.sides[0].difference_low == 0
    assert found.mean.sides[1].value == pytest.approx(other.answers.values[1:].mean(), abs=1e-6)


def test_a_model_compared_with_itself_has_no_difference(cards):
    found = compare([open_card(cards[0])] * 2)
    assert [model.name for model in found.models] == ["one (1)", "one (2)"]
    assert {side.difference for row in found.rows for side in row.sides} == {0}
    assert not any(side.is_significant for row in found.rows for side in row.sides)


def test_models_of_the_same_name_are_told_apart_by_the_folders_of_their_cards(coded, tmp_path):
    folders = [write_card_without_page(tmp_path / name, store_predictions(coded, 0), coded, "model.pt") for name in ("before", "after")]
    assert [model.name for model in compare(list(map(open_card, folders))).models] == ["model.pt (before)", "model.pt (after)"]


def test_conditions_that_one_card_lacks_are_named_and_left_out(cards, coded, tmp_path):
    made, names = store_predictions(coded, 2), ("original", "mp3_32")
    table = made.table.filter(pc.is_in(made.table["condition"], pa.array(names)))
    fewer = Predictions(table=table, columns=made.columns, keys={name: made.keys[name] for name in names})
    write_card_without_page(tmp_path, fewer, coded)
    found = compare([open_card(cards[0]), open_card(tmp_path)])
    assert [row.condition for row in found.rows] == ["original", "mp3_32"]
    assert found.skipped == ("aac_32", "mp3_64", "mp3_32+aac_32")


def edit(folder, **changes):
    card = json.loads((folder / CARD_FILE).read_text())
    for key, value in changes.items():
        target = card["settings"] if key in card["settings"] else card
        target[key] = value
    (folder / CARD_FILE).write_text(json.dumps(card))
    return folder


def test_cards_of_other_stores_snapshots_and_splits_are_refused_with_all_differences(cards, copy):
    opened = open_card(edit(copy, snapshot="f" * 16, split="fold=1", store="tau"))
    with pytest.raises(
        StoreError, match=r"store kinds, not tau; snapshot [0-9a-f]{16}, not f{16}; split evaluate, not fold=1; evaluate both"
    ):
        compare([open_card(cards[0]), opened])


def test_predictions_of_another_model_do_not_belong_to_a_card(cards, copy):
    shutil.copy(cards[1] / PREDICTIONS_FILE, copy / PREDICTIONS_FILE)
    with pytest.raises(CorruptError, match=r"predictions\.parquet: does not belong to the card\.json next to it"):
        open_card(copy)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("answers_sha256", lambda digest: "f" * 64),
        ("breaking", lambda points: points[1:]),
        ("classes", lambda classes: [{**classes[0], "clips": classes[0]["clips"] + 1}, *classes[1:]]),
        ("confusions", lambda found: found[::-1]),
        ("worst", lambda clips: clips[1:]),
        ("groups", lambda groups: groups + 1),
    ],
)
def test_whatever_predictions_decide_is_checked_and_named(copy, key, change):
    edit(copy, **{key: change(json.loads((copy / CARD_FILE).read_text())[key])})
    with pytest.raises(CorruptError, match=rf"does not belong to the card\.json next to it, which has other figures \({key}\)"):
        open_card(copy)


def test_answers_that_were_exchanged_without_a_change_of_any_figure_are_noticed(copy):
    """Two wrong answers of clips of one class."""
    path = copy / PREDICTIONS_FILE
    made = read_predictions(path)
    rows = made.table.to_pylist()
    labels = made.columns
    wrong = [
        (row["condition"], row["label"], labels[np.argmax(row["scores"])], number)
        for number, row in enumerate(rows)
        if labels[np.argmax(row["scores"])] != row["label"] and row["condition"] == "mp3_64"
    ]
    one, two = next((one[3], two[3]) for one in wrong for two in wrong if one[1] == two[1] and one[2] != two[2])
    rows[one]["scores"], rows[two]["scores"] = rows[two]["scores"], rows[one]["scores"]
    write_predictions(path, Predictions(table=pa.Table.from_pylist(rows, made.table.schema), columns=made.columns, keys=made.keys))
    with pytest.raises(CorruptError, match=r"other figures \(answers_sha256"):
        open_card(copy)


def test_the_same_name_for_another_link_is_refused(coded, tmp_path):
    for name, loss in (("one", 0.1), ("two", 0.2)):
        write_card_without_page(tmp_path / name, store_predictions(coded, 0), coded, name, {"lossy": Independent(loss=loss)})
    with pytest.raises(StoreError, match=r"link lossy loss 0\.1 \(\w{8}\), not loss 0\.2 \(\w{8}\)"):
        compare([open_card(tmp_path / name) for name in ("one", "two")])


@pytest.mark.parametrize("figure", ["value", "chance"])
def test_a_figure_that_was_changed_in_a_card_is_noticed(copy, figure):
    card = json.loads((copy / CARD_FILE).read_text())
    (card if figure == "chance" else card["conditions"][1])[figure] += 0.01
    (copy / CARD_FILE).write_text(json.dumps(card))
    with pytest.raises(CorruptError, match="does not belong"):
        open_card(copy)


def test_a_small_file_that_unpacks_to_far_more_scores_is_refused(copy):
    path = copy / PREDICTIONS_FILE
    table = pq.read_table(path)
    many = pa.array([[0.5] * 100_000] * len(table), pa.list_(pa.float32()))
    pq.write_table(table.set_column(table.column_names.index("scores"), "scores", many), path)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(CorruptError, match="does not belong"):
        open_card(copy)


def test_missing_and_damaged_predictions_are_refused(copy):
    path = copy / PREDICTIONS_FILE
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptError, match=r"predictions\.parquet"):
        open_card(copy)
    path.unlink()
    with pytest.raises(CorruptError, match=r"no such file; copy it with card\.json"):
        open_card(copy)


def test_the_command_prints_the_table_and_writes_json_and_a_page(browser, cards, tmp_path):
    result = CliRunner().invoke(app, ["compare", *map(str, cards), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "mean of coded" in result.output
    assert "accuracy of other less that of one: " in result.output
    found = Comparison.model_validate_json((tmp_path / "out" / "comparison.json").read_bytes())
    assert found == compare([open_card(each) for each in cards])
    check_page(browser, tmp_path / "out" / "comparison.html")


def test_json_is_the_comparison_and_nothing_else(cards):
    result = CliRunner().invoke(app, ["compare", *map(str, cards), "--json", "--drop", "20"])
    document = json.loads(result.stdout)
    assert [document.pop(name) for name in ("command", "notes", "written")] == ["compare", [], []]
    document.pop("streamaug")
    assert Comparison.model_validate(document) == compare([open_card(each) for each in cards], drop=0.2)


def test_one_card_is_no_comparison(cards):
    result = CliRunner().invoke(app, ["compare", str(cards[0])])
    assert isinstance(result.exception, StoreError)
    assert "at least two cards" in str(result.exception)
