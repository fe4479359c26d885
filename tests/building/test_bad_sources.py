"""Bad input of `streamaug build` on the command line: its messages, its exit code, and that nothing is
half written."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.csv as pacsv
import pytest
import soundfile

from streamaug.store import Store
from tests.building.clips import RATE, write_clips, write_table
from tests.in_process import streamaug


def in_a_process(*arguments) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "streamaug", *map(str, arguments)], capture_output=True, text=True, check=False)


def build(table, store, *options, conditions="original", run=streamaug):
    return run("build", table, store, "--conditions", conditions, "--workers", "1", *options)


def assert_refused(result, store, *messages):
    """Exit code 1, one error as the last line, all of the messages, no traceback, and no store."""
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert result.stderr.strip().splitlines()[-1].startswith("error: ")
    for message in messages:
        assert message in result.stderr
    assert not Path(store).exists()


def tone(pitch, samples=RATE // 2):
    return 0.3 * np.sin(2 * np.pi * pitch * np.arange(samples) / RATE)


def broken_clips(folder: Path) -> Path:
    """Six good clips, then one of each kind of broken clips, two that deserve a warning, and their
    table."""
    write_clips(folder, 6)
    good = [(f"clip{number:03d}.wav", "ab"[number % 2], "train", f"place{number}", 0) for number in range(6)]
    whole = (folder / "clip000.wav").read_bytes()
    (folder / "empty.wav").write_bytes(b"")
    (folder / "cut.wav").write_bytes(whole[: len(whole) // 2])
    (folder / "text.wav").write_text("no audio at all")
    (folder / "folder.wav").mkdir()
    soundfile.write(folder / "cut.flac", tone(700), RATE)
    (folder / "cut.flac").write_bytes((folder / "cut.flac").read_bytes()[:-4000])
    soundfile.write(folder / "nothing.wav", np.zeros(0), RATE)
    soundfile.write(folder / "nan.wav", np.where(np.arange(RATE // 2) == 77, np.nan, tone(300)), RATE, subtype="FLOAT")
    soundfile.write(folder / "infinite.wav", np.where(np.arange(RATE // 2) == 77, np.inf, tone(300)), RATE, subtype="FLOAT")
    soundfile.write(folder / "dot.v1.wav", tone(510), RATE)
    for number, pitch in enumerate((520, 520, 530, 530, 540)):
        soundfile.write(folder / f"tone{number}.wav", tone(pitch), RATE)
    (folder / "more").mkdir()
    soundfile.write(folder / "more" / "clip001.wav", tone(550), RATE)
    soundfile.write(folder / "silent.wav", np.zeros(RATE // 2), RATE)
    soundfile.write(folder / "clipping.wav", np.clip(20 * tone(560), -1, 1), RATE)
    odd = [
        ("absent.wav", "a", "train"),
        ("empty.wav", "a", "train"),
        ("cut.wav", "a", "train"),
        ("text.wav", "a", "train"),
        ("folder.wav", "a", "train"),
        ("cut.flac", "b", "train"),
        ("nothing.wav", "a", "train"),
        ("nan.wav", "a", "train"),
        ("infinite.wav", "a", "train"),
        ("dot.v1.wav", "a", "train"),
        ("tone0.wav", "a", "train"),
        ("tone1.wav", "b", "train"),
        ("tone2.wav", "a", "train"),
        ("tone3.wav", "a", "evaluate"),
        ("more/clip001.wav", "b", "train"),
        ("silent.wav", "b", "train"),
        ("clipping.wav", "b", "train"),
    ]
    table = write_table(folder / "clips.csv", [*good, *((*row, f"place {number}", 0) for number, row in enumerate(odd))])
    # Two files share the name cut; all but the repeated clip001 get ids of their own.
    lines = table.read_text().splitlines()
    ids = ["clip_id", *(Path(line.split(",")[0]).stem for line in lines[1:])]
    ids = [name if not line.startswith("cut.flac") else "cut-flac" for name, line in zip(ids, lines, strict=True)]
    table.write_text("\n".join(f"{line},{name}" for line, name in zip(lines, ids, strict=True)) + "\n")
    return table


BROKEN = {
    "absent": "missing",
    "empty": "0 bytes",
    "cut": "truncated",
    "text": "unreadable as audio",
    "folder": "unreadable",
    "cut-flac": "unreadable as audio",
    "nothing": "no samples",
    "nan": "NaN or infinite",
    "infinite": "NaN or infinite",
    "dot.v1": "a dot in its id",
    "tone0": "the same audio has several labels",
    "tone1": "the same audio has several labels",
    "tone2": "the same audio has several values of 'split'",
    "tone3": "the same audio has several values of 'split'",
    "clip001": "its id 'clip001' is in rows 2, 21",
}
"""A part of the message about each broken clip."""


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return broken_clips(tmp_path_factory.mktemp("broken"))


def test_every_problem_is_in_one_report_before_anything_is_written(table, tmp_path):
    result = build(table, tmp_path / "store", run=in_a_process)
    assert_refused(result, tmp_path / "store", "nothing was written", "--skip-bad")
    report = [line for line in result.stderr.splitlines() if line.startswith("error: clip")]
    for clip_id, message in BROKEN.items():
        assert any(line.startswith(f"error: clip '{clip_id}' ") and message in line for line in report), (clip_id, report)
    warned = [line for line in result.stderr.splitlines() if line.startswith("warning: clip")]
    assert len(warned) == 2
    assert any("'silent'" in line and "silence" in line for line in warned)
    assert any("'clipping'" in line and "clipping" in line for line in warned)
    assert len({line.split("'")[1] for line in report}) == len(BROKEN)


def test_skip_bad_builds_the_rest_and_rejected_csv_names_every_clip_left_out(table, tmp_path):
    result = build(table, tmp_path / "store", "--skip-bad", conditions="original,mp3_32")
    assert result.returncode == 0, result.stderr
    store = Store.open(tmp_path / "store")
    assert store.clips["clip_id"].to_pylist() == sorted(
        ["clip000", "clip001", "clip002", "clip003", "clip004", "clip005", "clipping", "silent"]
    )
    assert [len(store.index(condition)) for condition in ("original", "mp3_32")] == [8, 8]
    rejected = pacsv.read_csv(tmp_path / "store" / "rejected.csv").to_pylist()
    assert {row["clip_id"] for row in rejected} == set(BROKEN)
    assert all(BROKEN[row["clip_id"]] in row["problem"] for row in rejected)
    assert f"{len(BROKEN)} clips rejected" in result.stdout


def test_a_clip_that_was_mended_joins_the_store_and_leaves_rejected_csv(tmp_path):
    table = write_clips(tmp_path / "clips", 4)
    whole = (tmp_path / "clips" / "clip002.wav").read_bytes()
    (tmp_path / "clips" / "clip002.wav").write_bytes(whole[:5_000])
    assert build(table, tmp_path / "store", "--skip-bad").returncode == 0
    assert Store.open(tmp_path / "store").clips["clip_id"].to_pylist() == ["clip000", "clip001", "clip003"]
    (tmp_path / "clips" / "clip002.wav").write_bytes(whole)
    result = build(table, tmp_path / "store")
    assert result.returncode == 0, result.stderr
    assert len(Store.open(tmp_path / "store").index("original")) == 4
    assert not (tmp_path / "store" / "rejected.csv").exists()


def test_a_table_of_broken_clips_only_is_refused_even_with_skip_bad(tmp_path):
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "nan.wav", np.full(RATE, np.nan), RATE, subtype="FLOAT")
    table = write_table(tmp_path / "clips.csv", [("empty.wav", "a", "train", "", 0), ("nan.wav", "a", "train", "", 0)])
    assert_refused(build(table, tmp_path / "store", "--skip-bad"), tmp_path / "store", "'empty'", "'nan'")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist"),
        ("", "clips.csv"),
        ("path,label,labels,split\nclip000.wav,a,a;b,train\n", "the columns 'label' and 'labels', but a store has one of"),
        ("path,label\nclip000.wav,a\n", "no column 'split'"),
        ("path,label,split\n", "lists no clips"),
        ("path,label,split\nclip000.wav,,train\n", "an empty cell, or NaN, in the column 'label'"),
        ("path,label,split\nclip000.wav,a,train,b\n", "clips.csv"),
        ("path,label,split,samples\nclip000.wav,a,train,7\n", "column name 'samples' is reserved"),
        ("path,label,split\nabsent.wav,a,train\n", "absent.wav"),
        ("path,label,split\nclip000.wav,NA,train\nabsent.wav,null,train\n", "clip 'absent'"),
        ("path,label,split\nhttp2://nowhere/clip.wav,a,train\n", "http2://nowhere/clip.wav"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_what_is_wrong(tmp_path, text, message):
    write_clips(tmp_path, 1)
    (tmp_path / "clips.csv").unlink()
    if text is not None:
        (tmp_path / "clips.csv").write_text(text)
    assert_refused(build(tmp_path / "clips.csv", tmp_path / "store"), tmp_path / "store", message)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ("mp3", "a codec needs a bitrate, as in 'mp3_64'"),
        ("mp5_64", "mp5"),
        ("mp3_64+", "mp3_64+"),
        ("../../escape_64", "../../escape_64"),
        ("mp3_9000", "such as mp3_"),
        ("reverberate", "reverberate"),
    ],
)
def test_an_unknown_condition_is_refused_before_any_clip_is_checked(tmp_path, conditions, message):
    table = write_clips(tmp_path, 2)
    result = build(table, tmp_path / "store", conditions=conditions)
    assert_refused(result, tmp_path / "store", message)
    assert "checking sources" not in result.stderr


def test_debug_shows_the_traceback(tmp_path):
    result = in_a_process("--debug", "build", tmp_path / "absent.csv", tmp_path / "store")
    assert result.returncode == 1
    assert "Traceback" in result.stderr
    assert "ClipsError" in result.stderr


def test_a_store_path_that_cannot_be_written_to_is_named(tmp_path):
    table = write_clips(tmp_path, 2)
    (tmp_path / "file").write_text("not a folder")
    result = build(table, tmp_path / "file" / "store")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "file/store" in result.stderr


@pytest.mark.parametrize("command", [("info",), ("verify",)])
def test_a_folder_that_is_not_a_store_is_refused(tmp_path, command):
    (tmp_path / "notes.txt").write_text("no part of a store")
    result = streamaug(*command, tmp_path)
    assert result.returncode == 1
    assert "store.json" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_recipe_with_a_condition_that_the_store_lacks_is_refused_with_those_it_has(tmp_path):
    table = write_clips(tmp_path, 4)
    assert build(table, tmp_path / "store").returncode == 0
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("title: two\ndraw: union\nmixture: {original: 1, mp3_64: 1}\n")
    result = streamaug("plan", recipe, tmp_path / "store")
    assert result.returncode == 1
    assert "mp3_64" in result.stderr
    assert "original" in result.stderr
    assert "Traceback" not in result.stderr


def test_other_column_names_are_given_by_options_and_the_build_ends_with_split_by_label(tmp_path):
    write_clips(tmp_path, 5)
    table = tmp_path / "clips.csv"
    table.write_text(table.read_text().replace("path,label,split,group", "filename,category,part,place"))
    options = ("--path-column", "filename", "--label-column", "category", "--split-column", "part", "--group-column", "place")
    result = build(table, tmp_path / "store", *options)
    assert result.returncode == 0, result.stderr
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines() if line.startswith("│")]
    assert cells == [["a", "0", "3", "3"], ["b", "1", "1", "2"], ["all", "1", "4", "5"]]
    clips = Store.open(tmp_path / "store").clips
    assert clips["group"].to_pylist() == [f"place{number}" for number in range(5)]
    assert_refused(build(table, tmp_path / "other"), tmp_path / "other", "--path-column", "--split-column")
