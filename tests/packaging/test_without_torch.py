"""Building, verifying and planning work in an environment without torch, as build workers have."""

import subprocess
from pathlib import Path

import pytest

RECIPE = "draw: union\nmixture: {original: 1, mp3_64: 1, opus_32: 1}\n"


@pytest.fixture(scope="module")
def folder(python_without_torch: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe and a store that was built without torch."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "recipe.yaml").write_text(RECIPE)
    done = command(python_without_torch, folder, "build", clips, "store", "--conditions", "original,mp3_64,opus_32", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert "40 clips in 3 conditions" in done.stdout
    return folder


def command(python: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `streamaug` in that environment."""
    return run(python, folder, "-m", "streamaug", *arguments)


def run(python: Path, folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", ["torch", "torchaudio"])
def test_the_environment_really_lacks_it(python_without_torch: Path, tmp_path: Path, package: str) -> None:
    assert f"No module named '{package}'" in run(python_without_torch, tmp_path, "-c", f"import {package}").stderr


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (("info", "store"), "mp3_64"),
        (("verify", "store", "--decode"), "opus_32"),
        (("plan", "recipe.yaml", "store"), "96"),
        (("diff", "recipe.yaml", "recipe.yaml", "store"), "96"),
        (("explore", "store", "--export", "page", "--clips", "1"), "written: page/index.html"),
        (("recipe", "show", "recipe.yaml"), "hash"),
        (("recipe", "schema"), "mixture"),
        (("--version",), "streamaug "),
    ],
)
def test_a_command_works(python_without_torch: Path, folder: Path, arguments: tuple[str, ...], shown: str) -> None:
    done = command(python_without_torch, folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert shown in done.stdout


@pytest.mark.parametrize("name", ["stream", "warm"])
def test_a_command_that_needs_torch_names_it_in_one_line(python_without_torch: Path, folder: Path, name: str) -> None:
    cache = ("--cache", "cache") if name == "warm" else ()
    done = command(python_without_torch, folder, name, "recipe.yaml", "store", *cache)
    assert done.returncode == 1
    assert done.stderr == "error: the package 'torch' is needed for this and is not installed; run: pip install torch\n"


def test_debug_shows_where_the_package_is_imported(python_without_torch: Path, folder: Path) -> None:
    assert "Traceback" in command(python_without_torch, folder, "stream", "recipe.yaml", "store", "--debug").stderr


def test_streamaug_stream_is_an_error_with_the_pip_line(python_without_torch: Path, folder: Path) -> None:
    done = run(python_without_torch, folder, "-c", "from streamaug import Stream")
    last = done.stderr.splitlines()[-1]
    assert last.endswith("MissingPackageError: the package 'torch' is needed for this and is not installed; run: pip install torch")


def test_store_plan_and_recipe_can_be_used_from_python(python_without_torch: Path, folder: Path) -> None:
    code = (
        "import streamaug; store = streamaug.Store.open('store'); "
        "plan = streamaug.open_plan(streamaug.load_recipe('recipe.yaml'), store, split='train', seed=1); print(plan.epoch_size(0))"
    )
    done = run(python_without_torch, folder, "-c", code)
    assert done.stdout == "96\n", done.stderr
