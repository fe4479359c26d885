"""Excerpts that overlap and are in different groups: the guard against leakage does not see them."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from streamaug.building.build import build
from streamaug.building.excerpts import Excerpt
from streamaug.building.overlapping import overlap_warnings
from streamaug.cli.main import app
from streamaug.conditions import Condition
from tests.building.clips import Log, write_clips
from tests.in_process import InProcess

ROWS = [(0.0, 0.2, "train", "ann"), (0.1, 0.3, "evaluate", "ben"), (0.3, 0.5, "evaluate", "ben")]
WARNING = (
    "warning: 1 excerpt overlaps with one of another group, for example 'clip000-00000000-00000200' (group ann, split train) and "
    "'clip000-00000100-00000300' (group ben, split evaluate), so the same sound may be trained on and evaluated; leave the column"
)


def write_excerpts(folder: Path, *, groups: bool) -> Path:
    write_clips(folder, 1)
    path = folder / "excerpts.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "start", "stop", "split", "label", *(["group"] if groups else [])])
        writer.writerows(["clip000.wav", start, stop, split, "a", *([group] if groups else [])] for start, stop, split, group in ROWS)
    return path


@pytest.mark.parametrize("groups", [True, False])
def test_a_build_warns_unless_a_recording_is_one_group(tmp_path: Path, groups: bool) -> None:
    log = Log()
    build(write_excerpts(tmp_path, groups=groups), str(tmp_path / "store"), conditions=[Condition()], executor=InProcess(), progress=log)
    overlaps = [message for message in log.messages if "overlap" in message]
    assert [message.startswith(WARNING) for message in overlaps] == [True] * groups
    assert any("1 group is in several splits" in message for message in log.messages) != groups  # of which training is refused


def test_a_table_warns_of_the_splits_that_it_makes(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["table", str(write_excerpts(tmp_path, groups=True)), str(tmp_path / "clips.csv")])
    assert result.exit_code == 0, result.output
    assert WARNING in result.stdout


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 4), st.sampled_from("ab"), st.sampled_from("xyz")), min_size=1, max_size=12))
def test_exactly_the_tables_in_which_two_groups_share_sound_are_warned_about(clips: list[tuple[int, int, str, str]]) -> None:
    excerpts = [Excerpt(path, start, start + length) for start, length, path, _ in clips]
    groups = [group for *_, group in clips]
    shared = any(
        one.path == other.path and one.start < other.stop and other.start < one.stop and groups[first] != groups[second]  # type: ignore[operator]  # none is None
        for first, one in enumerate(excerpts)
        for second, other in enumerate(excerpts)
    )
    names = [str(number) for number in range(len(clips))]
    assert bool(overlap_warnings(excerpts, names, groups, groups)) == shared
