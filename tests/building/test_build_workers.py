"""The packages that docs/clusters.md lists for machines that only build: enough, and none too many."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.building.clips import write_clips

DOCS = Path(__file__).parents[2] / "docs" / "clusters.md"
SCRIPT = Path(__file__).with_name("listed_packages.py")


def listed_packages() -> list[str]:
    [line] = re.findall(r"^    pip install (av .*)$", DOCS.read_text(), re.MULTILINE)
    return line.replace("'", "").split()


def run(folder: Path, packages: list[str]) -> subprocess.CompletedProcess[str]:
    table = write_clips(folder / "clips", 4)
    command = [sys.executable, str(SCRIPT), str(table), str(folder / "store"), *packages]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_building_verifying_and_planning_work_with_the_listed_packages_only(tmp_path):
    ended = run(tmp_path, listed_packages())
    assert ended.returncode == 0, ended.stderr


def test_a_package_that_the_list_lacks_would_be_noticed(tmp_path):
    ended = run(tmp_path, [name for name in listed_packages() if name != "soxr"])
    assert ended.returncode == 1
    assert "No module named 'soxr'" in ended.stderr


def test_a_package_too_many_in_the_list_would_be_noticed(tmp_path):
    ended = run(tmp_path, [*listed_packages(), "matplotlib"])
    assert ended.returncode == 1
    assert "listed, but not imported: {'matplotlib'}" in ended.stderr


WITHOUT_A_PACKAGE = "import sys; sys.modules[sys.argv.pop(1)] = None; from streamaug.cli.main import main; main()"


@pytest.mark.parametrize(
    ("package", "store", "options", "remedy"),
    [
        ("distributed", "store", ("--cluster", "tcp://127.0.0.1:9"), "streamaug[cluster]"),
        ("s3fs", "s3://bucket/store", (), "streamaug[s3]"),
        ("librosa", "store", ("--conditions", "pitch"), "streamaug[augmentation]"),
        ("pyroomacoustics", "store", ("--conditions", "reverb-drc-1"), "streamaug[augmentation]"),
    ],
)
def test_a_missing_package_is_one_line_that_says_what_to_install(tmp_path, package, store, options, remedy):
    table = write_clips(tmp_path / "clips", 4)
    target = store if "://" in store else str(tmp_path / store)
    command = [sys.executable, "-c", WITHOUT_A_PACKAGE, package, "build", str(table), target, "--workers", "1", *options]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert package in last
    assert remedy in last
    assert not (tmp_path / "store").exists()
