import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamaug.errors import ClipsError
from streamaug.splits import Split
from streamaug.store import Store
from tools.shard_esc50 import clips_table

ROOT = Path(__file__).parents[2]


def published(folder):
    """ESC-50's layout with one clip of noise per fold and class."""
    (folder / "meta").mkdir(parents=True)
    (folder / "audio").mkdir()
    lines = ["filename,fold,target,category,esc10,src_file,take"]
    for fold in range(1, 6):
        for target, category in ((0, "dog"), (17, "pouring_water")):
            name = f"{fold}-{100 * fold + target}-A-{target}.wav"
            soundfile.write(folder / "audio" / name, 0.1 * np.random.default_rng(len(lines)).standard_normal(8000), 8000)
            lines.append(f"{name},{fold},{target},{category},{category == 'dog'},{100 * fold + target},A")
    (folder / "meta" / "esc50.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_the_published_table_gives_label_fold_group_and_the_own_columns(tmp_path):
    command = [sys.executable, str(ROOT / "tools" / "shard_esc50.py"), str(published(tmp_path / "esc50")), str(tmp_path / "store")]
    done = subprocess.run([*command, "--conditions", "original", "--workers", "1"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    store = Store.open(tmp_path / "store")
    assert (store.manifest.name, store.manifest.shard_by, store.manifest.labels) == ("esc50", "fold", ("dog", "pouring_water"))
    assert len(Split.parse("evaluate").rows(store.clips)) == len(Split.parse("fold=5").rows(store.clips)) == 2
    (clip,) = (clip for clip in store.clips.to_pylist() if clip["clip_id"] == "3-317-A-17")
    assert {name: clip[name] for name in ("label", "fold", "split", "group", "esc10", "take", "source_target")} == {
        "label": "pouring_water",
        "fold": 3,
        "split": "train",
        "group": "317",
        "esc10": "False",
        "take": "A",
        "source_target": "17",
    }


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(ClipsError, match=r"no meta/esc50\.csv"):
        clips_table(tmp_path)


def test_a_table_with_another_header_is_refused(tmp_path):
    listed = published(tmp_path) / "meta" / "esc50.csv"
    listed.write_text(listed.read_text().replace("category", "class"))
    with pytest.raises(ClipsError, match="no column 'category'"):
        clips_table(tmp_path)
