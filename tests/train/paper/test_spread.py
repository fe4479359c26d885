"""Gains over the first row are listed for each seed and fold by themselves."""

from pathlib import Path

import pyarrow as pa
import pytest

from tests.train.answers import predictions
from train.errors import RunError
from train.paper.spread import main, spread_table
from train.predictions import write_predictions

RIGHT = {  # clips 0 and 1 are in fold a, 2 and 3 in fold b
    ("1", 0, "original"): [1, 1, 1, 1], ("1", 1, "original"): [1, 1, 1, 1],
    ("1", 0, "mp3_32"): [0, 0, 0, 0], ("1", 1, "mp3_32"): [0, 0, 0, 0],
    ("1", 0, "aac_32"): [0, 0, 0, 0], ("1", 1, "aac_32"): [0, 0, 0, 0],
    ("6", 0, "original"): [1, 1, 1, 0], ("6", 1, "original"): [1, 1, 1, 1],
    ("6", 0, "mp3_32"): [1, 1, 1, 1], ("6", 1, "mp3_32"): [1, 1, 0, 0],
    ("6", 0, "aac_32"): [0, 0, 0, 0], ("6", 1, "aac_32"): [1, 1, 1, 1],
}  # fmt: skip


def held_out() -> pa.Table:
    table = predictions(RIGHT)
    folds = ["ab"[int(clip.removeprefix("clip-")) // 2] for clip in table["clip_id"].to_pylist()]
    at = table.schema.get_field_index("fold")
    return table.set_column(at, table.schema.field("fold"), pa.array(folds))


def test_a_gain_is_split_by_seed_and_by_fold() -> None:
    table = spread_table(held_out(), ["original", "mp3_32"])
    assert [line[:2] for line in table.rows] == [["6 - 1", "original"], ["6 - 1", "mp3_32"], ["6 - 1", "mean of coded"]]
    by_seed, by_fold = ([line[at] for line in table.rows] for at in (3, 4))
    assert by_seed == ["-0.25, +0.00", "+1.00, +0.50", "+0.50, +0.75"]
    assert by_fold == ["+0.00, -0.25", "+1.00, +0.50", "+0.75, +0.50"]
    assert [line[2][:6] for line in table.rows] == ["-0.125", "+0.750", "+0.625"]


def test_a_condition_on_a_link_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = held_out()
    names = pa.array(name.replace("mp3_32", "alaw_64~loss10") for name in table["condition"].to_pylist())
    at = table.schema.get_field_index("condition")
    write_predictions(tmp_path / "predictions.parquet", table.set_column(at, table.schema.field("condition"), names))
    main(tmp_path, conditions="alaw_64~loss10")
    assert "| 6 - 1 | alaw_64~loss10 | +0.750 [" in capsys.readouterr().out


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(RunError, match="needs two rows and held-out folds; run it with --rows A,B and --cross-validate COLUMN"):
        spread_table(predictions(RIGHT), ["original"])
    with pytest.raises(RunError, match="condition 'opus_64' was not evaluated; choose from original, mp3_32, aac_32"):
        spread_table(held_out(), ["opus_64"])
