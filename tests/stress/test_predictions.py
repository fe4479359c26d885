"""Predictions are written whole, read back as they were, and refused if they are something else."""

from pathlib import Path

import pyarrow as pa
import pytest

from streamaug.errors import CorruptError
from streamaug.store.parquet import to_parquet
from streamaug.stress.predictions import Predictions, join_predictions, predictions_schema, read_predictions, write_predictions
from streamaug.stress.settings import ModelIdentity, StressSettings, read_settings, write_settings

COLUMNS = ("high", "low")


def predictions(condition: str, scores: list[list[float]], columns: tuple[str, ...] = COLUMNS) -> Predictions:
    rows = [
        {"condition": condition, "clip_id": f"clip{number}", "group": "a", "label": "high", "scores": each}
        for number, each in enumerate(scores)
    ]
    return Predictions(table=pa.Table.from_pylist(rows, predictions_schema("label")), columns=columns, keys={condition: 64 * "0"})


def settings(**changes: object) -> StressSettings:
    values = {
        "model": ModelIdentity(name="model.onnx", kind="onnx", sha256=64 * "a"),
        "store": "sounds",
        "split": "evaluate",
        "rate": 8_000,
        "features": "waveform",
        "feature_settings": "waveform",
        "columns": COLUMNS,
        "batch_size": 64,
        "device": "cpu",
        "versions": {"torch": "2.11.0", "numpy": "2.4.6"},
    }
    return StressSettings.model_validate(values | changes)


def test_predictions_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    written = join_predictions([predictions("mp3_64", [[1.0, 2.0], [3.0, 4.0]]), predictions("original", [[5.0, 6.0]])])
    write_predictions(tmp_path / "predictions.parquet", written)
    read = read_predictions(tmp_path / "predictions.parquet")
    assert read == written
    assert read.conditions == ("original", "mp3_64")
    assert read.scores("mp3_64").tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_the_same_predictions_give_the_same_bytes_in_whatever_order_they_come(tmp_path: Path) -> None:
    parts = [predictions(name, [[1.0, 2.0]]) for name in ("original", "aac_32", "mp3_64")]
    write_predictions(tmp_path / "one", join_predictions(parts))
    joined = join_predictions(parts[::-1])
    write_predictions(tmp_path / "two", join_predictions([joined.only(name) for name in joined.conditions]))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_another_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    path.write_bytes(to_parquet(pa.table({"clip_id": ["a"]})))
    with pytest.raises(CorruptError, match=r"predictions.parquet: is not a table of predictions"):
        read_predictions(path)
    path.write_bytes(b"PAR1")
    with pytest.raises(CorruptError, match=r"not readable.* remove it and run 'streamaug stress' again"):
        read_predictions(path)


def test_rows_with_other_columns_than_the_footer_names_are_refused(tmp_path: Path) -> None:
    write_predictions(tmp_path / "predictions.parquet", predictions("original", [[1.0, 2.0]], columns=("high", "low", "other")))
    with pytest.raises(CorruptError, match="its rows do not fit its footer"):
        read_predictions(tmp_path / "predictions.parquet")


def test_a_score_that_is_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "predictions.parquet"
    write_predictions(path, predictions("original", [[1.0, None]], columns=("high", "low")))
    with pytest.raises(CorruptError, match=r"predictions.parquet: a score is missing"):
        read_predictions(path)


def test_settings_are_read_back_and_their_differences_are_named(tmp_path: Path) -> None:
    assert read_settings(tmp_path) is None
    write_settings(tmp_path, settings())
    assert read_settings(tmp_path) == settings()
    others = settings(split="fold=1", versions={"torch": "2.12.0", "numpy": "2.4.6"})
    assert settings().differences(others) == ["split: evaluate, not fold=1", "versions: torch 2.11.0, not torch 2.12.0"]
    assert settings().digest != others.digest


def test_settings_of_another_program_are_refused(tmp_path: Path) -> None:
    (tmp_path / "stress.json").write_text('{"format": 1}')
    with pytest.raises(CorruptError, match=r"stress.json: not the settings of a run of this version: model: .*choose another folder"):
        read_settings(tmp_path)
