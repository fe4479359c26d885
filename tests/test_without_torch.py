"""Building, verifying and planning do not load torch, which takes seconds and which build workers
need not install; and no command loads what it does not need, so that it answers immediately."""

import subprocess
import sys
from pathlib import Path

import pytest

from streamaug.testing import write_store


@pytest.mark.parametrize(
    "module",
    [
        "streamaug.building.build",
        "streamaug.planning.open_plan",
        "streamaug.planning.sequential",
        "streamaug.quality.measuring",
        "streamaug.reading.fetch",
        "streamaug.store",
        "streamaug.verifying.verify",
    ],
)
def test_importing_it_does_not_import_torch(module: str) -> None:
    code = f"import sys, {module}; assert '{module}' in sys.modules; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


HEAVY = {"av", "fsspec", "jinja2", "matplotlib", "numpy", "pandas", "pyarrow", "soundfile", "soxr", "torch"}

RUN = """
import sys
from streamaug.cli.main import app
sys.argv = ["streamaug", *sys.argv[1:]]
try:
    app()
except SystemExit as ended:
    assert not ended.code
print("modules:", *sys.modules)
"""


def modules_after(*arguments: str) -> set[str]:
    ended = subprocess.run([sys.executable, "-c", RUN, *arguments], check=True, capture_output=True, text=True)
    return set(ended.stdout.rpartition("modules:")[2].split())


@pytest.mark.parametrize("command", ["", "build", "doctor", "info", "plan", "quality", "stream", "verify"])
def test_help_is_printed_without_a_heavy_package(command: str) -> None:
    assert not HEAVY & modules_after(*filter(None, [command]), "--help")


@pytest.mark.parametrize("command", ["info", "log"])
def test_what_only_reads_tables_loads_no_package_that_encodes_or_draws(tmp_path: Path, command: str) -> None:
    clips = {"clip_id": ["a", "b"], "label": ["bus", "tram"], "split": ["train", "test"], "group": ["x", "y"]}
    store = write_store(tmp_path / "store", clips, {"original": None, "mp3_64": None}, labels=["bus", "tram"]).url
    assert not (HEAVY - {"fsspec", "numpy", "pyarrow"}) & modules_after(command, store)
