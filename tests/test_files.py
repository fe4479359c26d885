"""A file is written whole or not at all."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streamaug.files import staged_file, write_whole


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "report.csv"
    write_whole(target, "old")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), staged_file(target) as path:
        fail(path)
    assert {each.name: each.read_text() for each in tmp_path.iterdir()} == {"report.csv": "old"}


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "report.csv"
    with staged_file(target) as path:
        path.write_text("new")
        assert not target.exists()
    assert [each.name for each in tmp_path.iterdir()] == ["report.csv"]
    assert target.read_text() == "new"


def test_writers_of_the_same_file_do_not_mix_their_bytes(tmp_path: Path) -> None:
    target = tmp_path / "report.csv"
    contents = [bytes([number]) * 100_000 for number in range(8)]
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda data: write_whole(target, data), contents * 4))
    assert target.read_bytes() in contents
    assert [each.name for each in tmp_path.iterdir()] == ["report.csv"]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "missing" / "report.csv", "new")
