import csv
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_a_fold_beyond_the_four_is_refused(some_clips):
    listed = some_clips / "clips.csv"
    listed.write_text(listed.read_text().replace(",4,", ",5,"))
    with pytest.raises(ClipsError, match="fold 5"):
        clips_table(some_clips)


def test_a_folder_without_clips_csv_is_refused(tmp_path):
    with pytest.raises(ClipsError, match=r"no clips\.csv"):
        clips_table(tmp_path)
