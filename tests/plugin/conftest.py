"""The package of this folder, installed into a folder of its own, and a store that was built with
it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.building.clips import write_clips

Run = subprocess.CompletedProcess[str]
CONDITIONS = ("companded_64", "overdrive", "overdrive+companded_32", "companded_32+mp3_64")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that holds the installed package, to be put on the path."""
    target = tmp_path_factory.mktemp("installed")
    options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--quiet", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(Path(__file__).parent)], check=True)
    return target


@pytest.fixture(scope="session")
def python(installed: Path) -> Callable[..., Run]:
    """Run Python in a process of its own, with the package on its path unless `plugin=False`."""

    def run(*arguments: str | Path, plugin: bool = True, folder: Path | None = None) -> Run:
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | {"COLUMNS": "300"}
        if plugin:
            environment["PYTHONPATH"] = str(installed)
        return subprocess.run([sys.executable, *map(str, arguments)], env=environment, cwd=folder, capture_output=True, text=True)

    return run


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips"), 8)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory, clips: Path, python: Callable[..., Run]) -> Path:
    folder = tmp_path_factory.mktemp("built") / "store"
    built = python("-m", "streamaug", "build", clips, folder, "--conditions", ",".join(CONDITIONS), "--workers", "1")
    assert built.returncode == 0, built.stderr
    return folder
