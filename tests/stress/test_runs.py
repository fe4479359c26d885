"""Finished runs of the trainer are read for leave-one-codec-out gaps."""

import shutil

import pyarrow.parquet as pq
import pytest

from streamaug.errors import CorruptError, StoreError
from streamaug.stress.analysis.left_out import leave_one_out_gaps
from streamaug.stress.runs import load_runs
from tests.train.answers import predictions
from train.predictions import write_predictions

MIXTURES = {"all": ("original", "aac_32", "mp3_64"), "without_mp3": ("original", "aac_32")}


@pytest.fixture
def runs(tmp_path):
    """An experiment with two runs, one of which leaves mp3 out."""
    for name, mixture in MIXTURES.items():
        folder = tmp_path / name / "seed_0"
        folder.mkdir(parents=True)
        right = [1, 1, 1, 0] if name == "all" else [1, 0, 0, 0]
        write_predictions(folder / "predictions.parquet", predictions({(name, 0, "original"): [1, 1, 1, 1], (name, 0, "mp3_64"): right}))
        (folder / "recipe.yaml").write_text("draw: union\nmixture:\n" + "".join(f"  {condition}: 1\n" for condition in mixture))
    return tmp_path


def test_the_runs_of_an_experiment_give_their_gap(runs):
    (gap,) = leave_one_out_gaps(load_runs([runs]))
    assert (gap.name, gap.trained, gap.left_out, gap.runs) == ("mp3", 0.75, 0.25, (1, 1))
    assert leave_one_out_gaps(load_runs([runs / "without_mp3", runs / "all" / "seed_0", runs])) == [gap]


def test_a_folder_without_a_finished_run_is_refused(runs):
    (runs / "all" / "seed_0" / "predictions.parquet").unlink()
    with pytest.raises(StoreError, match="all contains no finished run; give folders of finished runs"):
        load_runs([runs / "all"])


def test_damaged_predictions_and_other_tables_are_refused_and_named(runs):
    path = runs / "all" / "seed_0" / "predictions.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(CorruptError, match=r"predictions\.parquet: not readable"):
        load_runs([runs])
    shutil.copy(next((runs / "without_mp3").rglob("recipe.yaml")), path)
    with pytest.raises(CorruptError, match=r"predictions\.parquet: not readable"):
        load_runs([runs])


def test_a_table_with_a_column_twice_is_refused(runs):
    path = runs / "all" / "seed_0" / "predictions.parquet"
    table = pq.ParquetFile(path).read()
    pq.write_table(table.append_column("label", table["label"]), path)
    with pytest.raises(CorruptError, match=r"predictions\.parquet: is not a table of predictions"):
        load_runs([runs])
