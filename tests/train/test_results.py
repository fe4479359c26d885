"""Accuracies and gains are computed from predictions; the paper's own accuracies give its own
summary.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

import train
from tests.train.answers import predictions
from train.errors import RunError
from train.predictions import read_predictions, write_predictions
from train.results import TABLE_3, accuracies, gain

PAPER = Path(train.__file__).parent / "paper"


def test_accuracy_is_the_share_of_right_clips_with_mean_and_spread_over_seeds():
    table = accuracies(
        predictions(
            {
                ("1", 0, "original"): [1, 1, 1, 0],
                ("1", 1, "original"): [1, 0, 0, 0],
                ("1", 0, "mp3_32"): [0] * 4,
                ("1", 1, "mp3_32"): [1] * 4,
            }
        )
    )
    assert table.conditions == ("original", "mp3_32")
    assert table.values.tolist() == [[[0.75, 0.0], [0.25, 1.0]]]
    assert table.means.tolist() == [[0.5, 0.5]]
    assert table.spreads[0] == pytest.approx([np.sqrt(0.125), np.sqrt(0.5)])


def test_one_seed_has_no_spread():
    assert np.isnan(accuracies(predictions({("1", 0, "original"): [1, 0]})).spreads).all()


@pytest.mark.parametrize(
    "incomplete",
    [
        {("1", 0, "original"): [1, 1], ("2", 1, "original"): [1, 1]},
        {("1", 0, "original"): [1, 1], ("1", 0, "mp3_32"): [1, 1], ("2", 0, "original"): [1, 1]},
        {("1", 0, "original"): [1, 1], ("2", 0, "original"): [1, 1, 1]},
    ],
)
def test_rows_that_do_not_cover_the_same_are_refused(incomplete):
    with pytest.raises(RunError, match="do not cover the same"):
        accuracies(predictions(incomplete))


def test_the_papers_accuracies_give_the_papers_summary():
    with (PAPER / "table3.csv").open() as file:
        rows = {row["row"]: row for row in csv.DictReader(file)}
    right = {
        (row, 0, condition): np.arange(1000) < round(1000 * float(rows[row][condition])) for row in ("2", "7") for condition in TABLE_3
    }
    found = gain(predictions(right), "7", "2", TABLE_3)
    printed = rows["relative change of 7 over 2 (%)"]
    for condition in TABLE_3:
        assert found.relative[condition] == pytest.approx(float(printed[condition]), abs=0.06)
    assert found.average == pytest.approx(24.1, abs=0.05)
    assert int(found.smallest_share) == 81


def test_predictions_come_back_from_their_file_and_anything_else_is_refused(tmp_path):
    table = predictions({("1", 0, "original"): [1, 0]})
    write_predictions(tmp_path / "predictions.parquet", table)
    assert read_predictions(tmp_path / "predictions.parquet").equals(table)
    (tmp_path / "other.parquet").write_bytes(b"PAR1")
    with pytest.raises(RunError, match=r"other\.parquet: not readable"):
        read_predictions(tmp_path / "other.parquet")
    with pytest.raises(RunError, match="run the experiment first"):
        read_predictions(tmp_path / "none.parquet")
