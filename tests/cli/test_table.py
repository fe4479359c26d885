"""`streamaug table`: tables of clips from folders, globs, tars, Hugging Face data sets and tables."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor

import datasets
import numpy as np
import pytest
import soundfile

from streamaug.building.build import build
from streamaug.cli.unpacked import table_of
from streamaug.conditions import Condition, parse_conditions
from streamaug.store import Store
from streamaug.store.folder import Folder
from tests.in_process import InProcess, streamaug

SPEAKERS = "abcde"


def table(*arguments):
    return streamaug("table", *arguments)


def rows_of(done, path):
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(path.open()))


def assert_refused(done, *messages):
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for message in messages:
        assert message in done.stderr


def wav(seed) -> bytes:
    sink = io.BytesIO()
    soundfile.write(sink, 0.1 * np.random.default_rng(seed).standard_normal(8000), 8000, format="WAV")
    return sink.getvalue()


def write(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(wav(seed))


@pytest.fixture
def folder(tmp_path):
    """A folder per class, five speakers with four takes in each class."""
    for number in range(20):
        for label in ("cat", "dog"):
            write(tmp_path / "data" / label / f"{SPEAKERS[number % 5]}-{number}.wav", number + 100 * (label == "dog"))
    (tmp_path / "data" / "README.txt").write_text("not audio")
    return tmp_path


def test_a_folder_per_class_becomes_a_table_that_builds(folder):
    command = [sys.executable, "-m", "streamaug", "table", folder / "data", folder / "clips.csv", "--split", "0.8,0.2", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = rows_of(done, folder / "clips.csv")
    assert len(rows) == 40
    assert rows[0]["path"] == "data/cat/a-0.wav"
    assert len({row["clip_id"] for row in rows}) == 40
    assert {(row["label"], row["split"]) for row in rows} == {(label, split) for label in ("cat", "dog") for split in ("train", "evaluate")}
    assert "left out files that are not audio: 1 .txt" in done.stdout
    assert re.search(r"│ all +│ +8 │ +32 │ +40 │", done.stdout)
    assert build(folder / "clips.csv", str(folder / "store"), conditions=[Condition()], executor=InProcess()).clips == 40


def test_a_folder_that_was_moved_gets_the_same_splits(folder):
    splits = []
    for place in ("here", "there/and/further"):
        shutil.copytree(folder / "data", folder / place / "data")
        rows = rows_of(table(folder / place / "data", folder / place / "clips.csv", "--split", "0.5,0.5"), folder / place / "clips.csv")
        splits.append([(row["path"], row["split"]) for row in rows])
    assert splits[0] == splits[1]


def test_groups_of_a_pattern_stay_whole_in_new_splits(folder):
    options = ("--pattern", "{label}/{speaker}-{take}", "--split", "0.6,0.2,0.2", "--group", "speaker")
    rows = rows_of(table(folder / "data", folder / "clips.csv", *options), folder / "clips.csv")
    splits = {speaker: {row["split"] for row in rows if row["speaker"] == row["group"] == speaker} for speaker in SPEAKERS}
    assert sorted(split for found in splits.values() for split in found) == ["evaluate", "train", "train", "train", "validate"]
    assert rows_of(table(folder / "data", folder / "again.csv", *options), folder / "again.csv") == rows


def test_a_quoted_glob_takes_the_class_from_the_folder_of_each_file(folder):
    rows = rows_of(table(folder / "data" / "**" / "*-1*.wav", folder / "clips.csv"), folder / "clips.csv")
    assert len(rows) == 22
    assert {row["label"] for row in rows} == {"cat", "dog"}
    rows = rows_of(table(folder / "data" / "dog" / "[ab]-*.wav", folder / "dogs.csv"), folder / "dogs.csv")
    assert [(row["label"], row["path"][:10]) for row in rows] == [("dog", "data/dog/a")] * 4 + [("dog", "data/dog/b")] * 4


def test_folders_that_are_named_like_splits_are_splits(tmp_path):
    for split in ("train", "test"):
        for label in ("cat", "dog"):
            write(tmp_path / "data" / split / label / "1.wav")
    rows = rows_of(table(tmp_path / "data", tmp_path / "clips.csv"), tmp_path / "clips.csv")
    assert {(row["split"], row["label"]) for row in rows} == {(split, label) for split in ("train", "test") for label in ("cat", "dog")}
    assert_refused(table(tmp_path / "data", tmp_path / "x.csv", "--split", "0.5,0.5"), "has splits already (test, train)")


def add(tar, name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def test_webdataset_tars_are_unpacked_with_their_columns(tmp_path):
    for shard in range(2):
        with tarfile.open(tmp_path / f"s-{shard}.tar", "w") as tar:
            for number in range(3):
                add(tar, f"x/{number}.wav", wav(10 * shard + number))
                add(tar, f"x/{number}.cls", f"{number % 2}\n".encode())
                add(tar, f"x/{number}.json", json.dumps({"speaker": "0012", "path": "/elsewhere", "snr": None, "tags": ["a"]}).encode())
    rows = rows_of(table(tmp_path / "s-*.tar", tmp_path / "clips.csv", "--group", "speaker"), tmp_path / "clips.csv")
    assert [row["label"] for row in rows] == ["0", "1", "0"] * 2
    assert {(row["group"], row["source_path"], row["snr"], row["tags"]) for row in rows} == {("0012", "/elsewhere", "", '["a"]')}
    assert [(tmp_path / row["path"]).read_bytes() for row in rows] == [wav(seed) for seed in (0, 1, 2, 10, 11, 12)]
    assert_refused(table(tmp_path / "s-*.tar", tmp_path / "clips.csv"), "clips-audio already exists")


def test_a_stores_own_tars_become_a_table_that_builds_again(folder):
    assert table(folder / "data", folder / "clips.csv", "--split", "0.5,0.5").returncode == 0
    build(folder / "clips.csv", str(folder / "store"), conditions=[Condition()], executor=InProcess())
    rows = rows_of(table(folder / "store" / "original" / "*.tar", folder / "again.csv"), folder / "again.csv")
    build(folder / "again.csv", str(folder / "other"), conditions=[Condition()], executor=InProcess())
    first, second = (Store.open(folder / name).clips.select(["clip_id", "label", "split", "sha256"]) for name in ("store", "other"))
    assert first == second
    assert len(rows) == 40


def test_a_hostile_tar_writes_nothing_outside_of_its_folder(tmp_path):
    with tarfile.open(tmp_path / "s.tar", "w") as tar:
        add(tar, "../../escaped.wav", wav(1))
        add(tar, "../../escaped.cls", b"a")
    rows = rows_of(table(tmp_path / "s.tar", tmp_path / "in" / "clips.csv"), tmp_path / "in" / "clips.csv")
    assert [row["path"] for row in rows] == ["clips-audio/0000000.wav"]
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["0000000.wav", "clips.csv", "s.tar"]


@pytest.fixture
def hugging_face():
    """Four clips in two splits; one has lost its file name."""
    features = datasets.Features(
        {
            "audio": datasets.Audio(decode=False),
            "class": datasets.ClassLabel(names=["cat", "dog"]),
            "speaker": datasets.Value("string"),
            "words": datasets.Sequence(datasets.Value("string")),
        }
    )

    def split(seeds):
        columns = {
            "audio": [{"bytes": wav(seed), "path": f"{seed}.wav" if seed else None} for seed in seeds],
            "class": [seed % 2 for seed in seeds],
            "speaker": ["0012"] * len(seeds),
            "words": [["a", "b"]] * len(seeds),
        }
        return datasets.Dataset.from_dict(columns, features=features)

    return datasets.DatasetDict({"train": split([0, 1, 2]), "test": split([3])})


def assert_unpacked(rows, folder):
    rows = sorted(rows, key=lambda row: (folder / row["path"]).read_bytes())
    expected = sorted([(wav(seed), ["cat", "dog"][seed % 2], "test" if seed == 3 else "train") for seed in range(4)])
    assert [((folder / row["path"]).read_bytes(), row["label"], row["split"]) for row in rows] == expected
    assert {(row["class"], row["speaker"], row["words"]) for row in rows} == {(label, "0012", '["a", "b"]') for label in ("cat", "dog")}
    assert all(row["path"].endswith(".wav") for row in rows)


def test_a_hugging_face_data_set_that_was_saved_to_disk_is_unpacked(tmp_path, hugging_face):
    hugging_face.save_to_disk(tmp_path / "saved")
    done = table(tmp_path / "saved", tmp_path / "clips.csv", "--label-column", "class")
    assert_unpacked(rows_of(done, tmp_path / "clips.csv"), tmp_path)
    (tmp_path / "one").mkdir()
    done = table(tmp_path / "saved" / "train", tmp_path / "one" / "clips.csv", "--label-column", "class", "--split", "0.5,0.5")
    assert len(rows_of(done, tmp_path / "one" / "clips.csv")) == 3
    done = table(tmp_path / "saved", tmp_path / "x.csv")
    assert "no column label, labels or target" in done.stdout
    assert "if it is one of class, speaker, words, name it with --label-column" in done.stdout


def test_the_parquet_files_of_a_hub_are_unpacked(tmp_path, hugging_face):
    (tmp_path / "hub" / "data").mkdir(parents=True)
    for split, data in hugging_face.items():
        data.to_parquet(tmp_path / "hub" / "data" / f"{split}-00000-of-00001.parquet")
    done = table(tmp_path / "hub", tmp_path / "clips.csv", "--label-column", "class")
    assert_unpacked(rows_of(done, tmp_path / "clips.csv"), tmp_path)


def test_splits_are_added_to_a_table_whose_other_cells_stay(tmp_path):
    lines = ["path,label,speaker", *(f"{number}.wav,{'ab'[number % 2]},{number // 4:04d}" for number in range(40))]
    (tmp_path / "old.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "new").mkdir()
    options = ("--split", "0.5,0.5", "--split-names", "fit,hold", "--group", "speaker")
    rows = rows_of(table(tmp_path / "old.csv", tmp_path / "new" / "clips.csv", *options), tmp_path / "new" / "clips.csv")
    assert [(row["label"], row["speaker"]) for row in rows] == [tuple(line.split(",")[1:]) for line in lines[1:]]
    assert [row["split"] for row in rows].count("fit") == 20
    assert rows[0]["path"] == str(tmp_path / "0.wav")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--split", "0.8,0.1"), "add up to 1"),
        (("--split", "0.8,x"), "add up to 1"),
        (("--split", "1.5,-0.5"), "above 0"),
        (("--split", "0.25,0.25,0.25,0.25"), "--split-names"),
        (("--split", "0.5,0.5", "--split-names", "a,a"), "--split-names"),
        (("--split-names", "a,b"), "add --split"),
        (("--group", "speaker"), "there is no column 'speaker'"),
        (("--pattern", "{label}/{label}"), "each name once"),
        (("--pattern", "{label}/{speaker}_{take}"), "does not fit 40 of 40 files"),
        (("--pattern", "{path}"), "the path itself"),
        (("--pattern", "*"), "names no column"),
    ],
)
def test_options_that_do_not_fit_are_refused_with_what_to_write(folder, options, message):
    assert_refused(table(folder / "data", folder / "clips.csv", *options), message)
    assert not (folder / "clips.csv").exists()


def test_sources_that_are_none_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "cut.tar").write_bytes(b"\x01" * 700)
    write(tmp_path / "flat" / "a.wav")
    for source, message in (("absent", "check the path"), ("empty", "no audio files"), ("cut.tar", "not readable as a WebDataset tar")):
        assert_refused(table(tmp_path / source, tmp_path / "clips.csv"), message)
    write(tmp_path / "flat" / "dog" / "b.wav")
    assert_refused(table(tmp_path / "flat", tmp_path / "clips.csv"), "'a.wav' is in no class folder")
    assert_refused(table(tmp_path / "flat", tmp_path / "clips.parquet"), ".csv")


def test_recordings_are_cut_into_clips_that_stay_together_in_new_splits(tmp_path):
    for number in range(8):
        path = tmp_path / "data" / "ab"[number % 2] / f"rec{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(8000 * 5), 8000)
    done = table(tmp_path / "data", tmp_path / "clips.csv", "--every", "2s", "--hop", "1.5", "--split", "0.5,0.5")
    rows = rows_of(done, tmp_path / "clips.csv")
    assert "8 recordings cut into 24 clips of 2 s" in done.stdout
    assert [(row["start"], row["stop"]) for row in rows[:3]] == [("0", "2"), ("1.5", "3.5"), ("3", "5")]
    assert "clip_id" not in rows[0]
    assert all(len({row["split"] for row in rows if row["path"] == path}) == 1 for path in {row["path"] for row in rows})
    assert {row["split"] for row in rows} == {"train", "evaluate"}
    build(tmp_path / "clips.csv", str(tmp_path / "store"), conditions=[Condition()], executor=InProcess())
    clips = Store.open(tmp_path / "store").clips
    assert clips["clip_id"][0].as_py() == "rec0-00000000-00002000"
    assert set(clips["samples"].to_pylist()) == {16_000}
    assert len(set(clips["group"].to_pylist())) == 8


def test_what_cutting_leaves_out_is_said(tmp_path):
    for number, seconds in enumerate((4.75, 4.25, 5, 0.5)):
        path = tmp_path / "data" / "a" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, 0.1 * np.random.default_rng(number).standard_normal(round(8000 * seconds)), 8000)
    done = table(tmp_path / "data", tmp_path / "clips.csv", "--every", "2000ms")
    assert rows_of(done, tmp_path / "clips.csv")[-1]["start"] == "4"
    assert "4 recordings cut into 7 clips of 2 s; left out what is shorter than 1 s: 2 ends (1 s together), 1 recording\n" in done.stdout
    assert_refused(table(tmp_path / "clips.csv", tmp_path / "again.csv", "--every", "1s"), "are excerpts already")
    assert_refused(table(tmp_path / "data", tmp_path / "x.csv", "--hop", "1s"), "add --every")
    assert_refused(table(tmp_path / "data", tmp_path / "x.csv", "--every", "1 hour"), "write it like 10s")
    assert_refused(table(tmp_path / "data", tmp_path / "x.csv", "--every", "1min"), "no recording is as long as 30")


def test_a_build_takes_tars_themselves_and_leaves_nothing_behind(tmp_path):
    for shard in range(2):
        with tarfile.open(tmp_path / f"train-{shard}.tar", "w") as tar:
            for number in range(3):
                add(tar, f"{number}.wav", wav(10 * shard + number))
                add(tar, f"{number}.cls", f"{number % 2}\n".encode())
                add(tar, f"{number}.pth", b"x")
    (tmp_path / "tmp").mkdir()
    command = [sys.executable, "-m", "streamaug", "build", str(tmp_path / "train-{0..1}.tar"), str(tmp_path / "store"), "--workers", "1"]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "tmp")}
    done = subprocess.run([*command, "--conditions", "original"], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "left out of the tars: 6 .pth members, which are programs" in done.stderr
    store = Store.open(tmp_path / "store")
    assert store.manifest.name == "train"
    assert store.clips.select(["clip_id", "label", "split"]).to_pylist()[4] == {"clip_id": "train-1-1", "label": "1", "split": "train"}
    assert list((tmp_path / "tmp").iterdir()) == []
    assert_refused(streamaug(*command[3:], "--cluster", "tcp://127.0.0.1:1"), "unpack them on a shared disk with 'streamaug table'")


def test_a_build_of_tars_that_was_stopped_encodes_no_finished_shard_again(tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "train.tar", "w") as tar:
        for number in range(3):
            add(tar, f"{number}.wav", wav(number))
            add(tar, f"{number}.cls", b"a")
    write_file = Folder.write

    def stopping(self, name, data):
        if name == "store.json":
            raise KeyboardInterrupt
        write_file(self, name, data)

    def run():
        with table_of(str(tmp_path / "train.tar"), {}, None) as table, ThreadPoolExecutor(1) as executor:
            return build(table.path, str(tmp_path / "store"), conditions=parse_conditions("mulaw_64"), executor=executor)

    with monkeypatch.context() as stopped:
        stopped.setattr(Folder, "write", stopping)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert (run().shards_built, len(Store.open(tmp_path / "store").clips)) == (0, 3)
