"""`streamaug build` of WebDataset tars that others wrote: what goes wrong is named by tar and member."""

import csv
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streamaug.building.problems import BrokenSourcesError
from streamaug.cli.main import app
from streamaug.errors import ClipsError
from tests.building.audio_bytes import by_soundfile, noise

SOUND = [by_soundfile(noise(number, 4000), "WAV") for number in range(3)]


def write_tar(path: Path, clips: dict[str, tuple[bytes, dict[str, Any]]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for key, (audio, columns) in clips.items():
            for name, data in ((f"{key}.wav", audio), (f"{key}.json", json.dumps(columns).encode())):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def run(command: str, *arguments: object) -> Result:
    return CliRunner().invoke(app, [command, *map(str, arguments)])


def built(source: object, store: Path, *options: str) -> Result:
    return run("build", source, store, "--conditions", "original", "--workers", "1", *options)


def test_broken_audio_is_named_by_tar_and_member_in_errors_and_in_the_list_of_rejected_clips(tmp_path: Path) -> None:
    tars = [
        write_tar(tmp_path / "train-0.tar", {"x/a": (SOUND[0], {"label": "dog"})}),
        write_tar(tmp_path / "train-1.tar", {"x/b": (SOUND[1][:500], {"label": "cat"}), "x/c": (SOUND[2], {"label": "cat"})}),
    ]
    result = built(tmp_path / "train-{0..1}.tar", tmp_path / "store")
    name = f"{tars[1]}: x/b.wav"
    assert isinstance(result.exception, BrokenSourcesError)
    assert f"({name}): truncated" in str(result.exception)
    assert f"({name}): truncated" in result.stderr
    result = built(tmp_path / "train-{0..1}.tar", tmp_path / "store", "--skip-bad")
    assert result.exit_code == 0, result.output
    assert [row["path"] for row in csv.DictReader((tmp_path / "store" / "rejected.csv").open())] == [name]


def test_a_tar_without_any_readable_audio_is_named(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "train.tar", {"a": (b"junk", {"label": "dog"})})
    result = built(tar, tmp_path / "store")
    assert isinstance(result.exception, ClipsError)
    assert f"write the tars again; '{tar}: a.wav': unreadable as audio" in str(result.exception)


@pytest.mark.parametrize("command", ["build", "table"])
def test_a_list_of_labels_is_not_one_class(tmp_path: Path, command: str) -> None:
    tar = write_tar(tmp_path / "train.tar", {"a": (SOUND[0], {"label": ["dog", "rain"]}), "b": (SOUND[1], {"label": ["dog"]})})
    result = built(tar, tmp_path / "store") if command == "build" else run("table", tar, tmp_path / "clips.csv")
    assert isinstance(result.exception, ClipsError)
    assert f'{tar}: a.wav: several labels in the column \'label\', ["dog", "rain"]; name it with --labels-column label' in str(
        result.exception
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.tar"]
    options = ("--labels-column", "label")
    result = built(tar, tmp_path / "store", *options) if command == "build" else run("table", tar, tmp_path / "clips.csv", *options)
    assert result.exit_code == 0, result.output
    lines = [[cell.strip() for cell in line.strip("│").split("│")] for line in result.stdout.splitlines()]
    assert ["rain", "1", "1"] in lines


def test_times_and_paths_of_other_files_are_kept_under_other_names_which_is_said(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "train.tar", {"a": (SOUND[0], {"label": "dog", "start": 3.0, "stop": 3.2, "path": "/old.wav"})})
    note = "path, start, stop: kept as source_path, source_start, source_stop, since a clip is all of its audio here"
    assert note in built(tar, tmp_path / "store").stderr
    assert note in run("table", tar, tmp_path / "clips.csv").stdout
