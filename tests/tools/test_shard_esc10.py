import csv
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamaug.errors import ClipsError
from streamaug.splits import Split
from streamaug.store import Store
from tools.shard_esc10 import clips_table

ROOT = Path(__file__).parents[2]


@pytest.fixture
def some_clips(shared_data, tmp_path):
    """Two real recordings per fold, with their rows of the data set."""
    esc10 = shared_data / "esc10"
    rows = list(csv.reader((esc10 / "clips.csv").open()))
    folder = tmp_path / "esc10"
    (folder / "audio").mkdir(parents=True)
    kept = [row for fold in "1234" for row in [row for row in rows[1:] if row[2] == fold][::31][:2]]
    for row in kept:
        (folder / row[0]).write_bytes((esc10 / row[0]).read_bytes())
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows([rows[0], *kept])
    return folder


def test_a_store_of_real_recordings_is_sharded_by_fold_and_grouped_by_source(some_clips, tmp_path):
    command = [sys.executable, str(ROOT / "tools" / "shard_esc10.py"), str(some_clips), str(tmp_path / "store")]
    done = subprocess.run([*command, "--conditions", "mp3_32", "--workers", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    store = Store.open(tmp_path / "store")
    assert (store.manifest.name, store.manifest.shard_by, store.conditions) == ("esc10", "fold", ("original", "mp3_32"))
    assert set(store.clips["samples"].to_pylist()) == {220_500}
    assert (len(Split.parse("train").rows(store.clips)), len(Split.parse("evaluate").rows(store.clips))) == (6, 2)
    assert len(Split.parse("fold=1,2").rows(store.clips)) == 4
    for clip in store.clips.to_pylist():
        assert clip["clip_id"].split("-")[1] == clip["freesound_id"] == clip["group"]
        assert (clip["split"] == "evaluate") == (clip["fold"] == 4)
        assert clip["license"]


def test_the_whole_data_set_is_listed_and_no_source_is_on_both_sides(shared_data):
    table = clips_table(shared_data / "esc10").to_pylist()
    assert len(table) == 320
    sides = {split: {clip["group"] for clip in table if clip["split"] == split} for split in ("train", "evaluate")}
    assert not sides["train"] & sides["evaluate"]
    assert sum(clip["split"] == "train" for clip in table) == 240


def published(folder, folds):
    """Class folders with one clip of noise per fold each, named as the data set names them."""
    for number, name in enumerate(("001 - Dog bark", "003 - Sea waves")):
        (folder / name).mkdir(parents=True)
        for fold in folds:
            noise = 0.1 * np.random.default_rng(10 * fold + number).standard_normal(22050)
            soundfile.write(folder / name / f"{fold}-{1000 * fold + number}-A.ogg", noise, 22050, format="OGG")
    return folder


def test_class_folders_as_published_are_read_and_the_highest_fold_evaluates(tmp_path):
    table = clips_table(published(tmp_path, range(1, 6))).to_pylist()
    assert {(clip["label"], clip["fold"], clip["split"], clip["group"], clip["take"]) for clip in table} == {
        (label, fold, "evaluate" if fold == 5 else "train", str(1000 * fold + number), "A")
        for number, label in enumerate(("dog_bark", "sea_waves"))
        for fold in range(1, 6)
    }
    assert all(Path(clip["path"]).exists() for clip in table)


@pytest.mark.parametrize("odd", ["001 - Dog bark/README.ogg", "Dog bark/1-1000-A.ogg", "001 - Dog bark/1-1000.ogg"])
def test_a_file_that_is_not_named_as_the_data_set_names_them_is_refused(tmp_path, odd):
    published(tmp_path, (1, 2))
    (tmp_path / odd).parent.mkdir(exist_ok=True)
    (tmp_path / odd).write_bytes(b"")
    with pytest.raises(ClipsError, match=re.escape(odd)):
        clips_table(tmp_path)


def test_columns_of_clips_csv_may_be_in_any_order(some_clips):
    rows = list(csv.reader((some_clips / "clips.csv").open()))
    with (some_clips / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows(row[::-1] for row in rows)
    assert sorted(clips_table(some_clips)["path"].to_pylist()) == sorted(str(some_clips / row[0]) for row in rows[1:])


@pytest.mark.parametrize(("old", "new", "message"), [(",4,", ",four,", "fold 'four'"), ("freesound_id", "id", "no column 'freesound_id'")])
def test_a_table_that_lacks_a_fold_or_column_is_refused(some_clips, old, new, message):
    listed = some_clips / "clips.csv"
    listed.write_text(listed.read_text().replace(old, new))
    with pytest.raises(ClipsError, match=message):
        clips_table(some_clips)


def test_a_single_fold_leaves_none_to_evaluate_on(tmp_path):
    with pytest.raises(ClipsError, match="all clips are in one fold"):
        clips_table(published(tmp_path, (1,)))


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(ClipsError, match=r"no clips\.csv and no class folders"):
        clips_table(tmp_path)
