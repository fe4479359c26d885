"""An evaluation sees every clip of its split, or a warning says what it does not see."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pyarrow as pa
import pytest

from streamaug import Store, Stream
from streamaug.errors import LeakageWarning
from streamaug.store.folder import Folder
from streamaug.testing import replace_tables
from tests.streaming.conftest import ELSEWHERE

PROGRAM = """
import sys
from streamaug import Stream
ranks = {key: int(value) for key, value in (pair.split("=") for pair in sys.argv[2:])}
for _ in range(2):
    stream = Stream.evaluation(sys.argv[1], "original", features="waveform", batch_size=4, threads=1, **ranks)
    print(sum(len(batch["label"]) for batch in stream))
"""


def evaluate(store: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, store, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=True
    )


@ELSEWHERE
def test_ranks_from_the_environment_are_warned_of_once_with_both_ways_to_name_them(store_path: Path) -> None:
    done = evaluate(store_path, RANK="1", WORLD_SIZE="2")
    assert done.stdout.split() == ["4", "4"]
    assert done.stderr.count("UserWarning") == 1
    assert "write rank=0, world=1" in done.stderr
    assert "or rank=1, world=2" in done.stderr


@ELSEWHERE
@pytest.mark.parametrize(("arguments", "clips"), [(("rank=0", "world=1"), "8"), (("rank=1", "world=2"), "4")])
def test_ranks_that_are_named_are_taken_without_a_warning(store_path: Path, arguments: tuple[str, ...], clips: str) -> None:
    done = evaluate(store_path, *arguments, RANK="0", WORLD_SIZE="2")
    assert (done.stdout.split(), done.stderr) == ([clips, clips], "")


@ELSEWHERE
def test_one_process_is_not_warned(store_path: Path) -> None:
    assert evaluate(store_path).stderr == ""


def test_groups_on_both_sides_are_warned_of_and_the_clips_are_served(store_path: Path, tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    for path in store_path.iterdir():
        (tmp_path / "store" / path.name).symlink_to(path)
    clips = Store.open(store_path).clips
    groups = pa.array([f"g{number % 8}" for number in range(len(clips))])
    (tmp_path / "store" / "store.json").unlink()
    (tmp_path / "store" / "snapshots").unlink()
    opened = Store(Folder.at(tmp_path / "store"), Store.open(store_path).manifest)
    replace_tables(opened, clips=clips.set_column(clips.column_names.index("group"), "group", groups))
    with pytest.warns(LeakageWarning, match="trained on split 'train': 8 groups are on both sides, for example 'g0'") as caught:
        stream = Stream.evaluation(tmp_path / "store", "original", batch_size=4, features="waveform")
    assert caught[0].filename == __file__
    assert stream.plan.epoch_size(0) == 8
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Stream.evaluation(store_path, "original", batch_size=4, features="waveform")
