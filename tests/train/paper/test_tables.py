"""Table 3 in the paper's shape, from predictions alone."""

import numpy as np
import pytest

from tests.train.answers import predictions
from train.errors import RunError
from train.paper.tables import Row, make_tables, paper_accuracies, read_rows, write_rows, write_tables
from train.predictions import write_predictions
from train.results import TABLE_3


def row(name, *conditions):
    return Row(name=name, title=" + ".join(conditions), conditions=conditions, clips=13_962 * len(conditions), steps=437)


ROWS = (row("2", "original"), row("7", "original", "mp3_64", "he-aac_16", "aac_32"))


def papers_predictions():
    """1 000 clips of which each row gets as many right as the paper says."""
    paper = paper_accuracies()
    return predictions({(own.name, 0, name): np.arange(1000) < round(1000 * paper[own.name][name]) for own in ROWS for name in TABLE_3})


def test_the_papers_predictions_give_the_papers_table_and_summary():
    made = make_tables(papers_predictions(), ROWS)
    columns = dict(zip(made.main.header, zip(*made.main.rows, strict=True), strict=True))
    assert columns["condition"] == TABLE_3
    assert columns["row 7"] == ("0.720", "0.670", "0.685", "0.598", "0.685", "0.690", "0.650", "0.589")
    assert columns["7 over 2, %"] == ("-0.1", "+20.1", "+11.4", "+98.7", "+19.5", "+10.9", "+1.9", "+6.1")
    assert columns["in training of row 7"] == (
        "original",
        "seen",
        "seen",
        "unseen bitrate",
        "unseen bitrate",
        "unseen bitrate",
        "unseen codec",
        "unseen codec",
    )
    assert made.paper.header == made.main.header[:-1]
    assert made.paper.rows == [line[:-1] for line in made.main.rows]
    assert made.rows.rows[0] == ["2", "original", "13962", "437"]
    assert made.summary == (
        "Row 7 gains 24.1 % over row 2 on average over the coded conditions of Table 3, and keeps at least 81.8 % of its accuracy on the "
        "original in each of them. In the paper: 24.1 %, 81.8 %."
    )


def test_the_tables_of_a_folder_can_be_made_again_without_a_model(tmp_path):
    write_predictions(tmp_path / "predictions.parquet", papers_predictions())
    write_rows(tmp_path / "rows.csv", ROWS)
    assert read_rows(tmp_path / "rows.csv") == ROWS
    made = write_tables(tmp_path)
    assert (tmp_path / "table3.csv").read_text() == made.main.csv()
    assert made.significance.csv() == (tmp_path / "significance.csv").read_text()
    for name in ("heatmap.png", "by_condition.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


def test_one_row_needs_no_comparison():
    made = make_tables(predictions({("1", 0, "original"): [1, 0, 1, 1]}), (row("1", "original"),))
    assert made.significance is None
    assert made.main.header == ["condition", "row 1", "in training of row 1"]
    assert made.main.rows == [["original", "0.750", "original"]]


def test_without_the_papers_coded_conditions_there_is_no_summary_of_them():
    right = {(name, 0, condition): [1, 0, 1, 1] for name in ("1", "telephone") for condition in ("original", "opus_6")}
    made = make_tables(predictions(right), (row("1", "original"), row("telephone", "original")))
    assert made.summary == ""
    assert "nan" not in made.markdown()


def test_predictions_of_other_rows_are_refused():
    with pytest.raises(RunError, match="are of rows 2, 7, not of 7, 2"):
        make_tables(papers_predictions(), ROWS[::-1])
