"""Errors of the command line: one line by default, a traceback with --debug."""

import subprocess
import sys
import tomllib

import pytest

from streamaug.packages import PIP_LINES
from tests.packaging.conftest import ROOT

CODE = """
import typer
from streamaug.cli.console import run
app = typer.Typer(pretty_exceptions_enable=False)
@app.command()
def main() -> None:
    {statement}
run(app)
"""
STORE_ERROR = "from streamaug.errors import StoreError; raise StoreError('[x] is not a store')"


def ran(statement: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CODE.format(statement=statement), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (STORE_ERROR, "[x] is not a store"),
        (
            "raise ModuleNotFoundError(name='s3fs')",
            "the package 's3fs' is needed for this and is not installed; run: pip install 'streamaug[s3]'",
        ),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(statement: str, message: str) -> None:
    done = ran(statement)
    assert (done.returncode, done.stderr) == (1, f"error: {message}\n")


def test_debug_shows_the_traceback_wherever_it_is_on_the_line() -> None:
    assert "Traceback" in ran(STORE_ERROR, "--debug").stderr


def test_a_module_that_no_package_provides_is_a_fault_with_its_traceback() -> None:
    done = ran("import streamaug.no_such_module")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "pip install" not in done.stderr


def test_every_pip_line_names_an_extra_that_brings_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for package, line in PIP_LINES.items():
        if line in ("pip install smbprotocol", "pip install pesq"):  # in no extra: for smb://; under a notice of its own
            continue
        extra = line.partition("[")[2].partition("]")[0]
        brought = project["optional-dependencies"][extra] if extra else project["dependencies"]
        names = {requirement.partition(">")[0].partition("[")[0].replace("-", "_") for requirement in brought}
        assert {"visqol": "visqol_python", "ai_edge_litert": "visqol_python"}.get(package, package) in names, package
