"""README.md shows code and names that work."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from streamaug.building.build import build
from streamaug.cli.main import app
from streamaug.conditions import parse_conditions
from streamaug.recipes import load_recipe
from tests.packaging.conftest import ROOT

README = (ROOT / "README.md").read_text()
CONDITIONS = "original,mp3_64,he-aac_16,aac_32"


@pytest.fixture(scope="module")
def folder(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The README's recipe, and a store of small clips in those of its conditions that can be built."""
    folder = tmp_path_factory.mktemp("readme")
    (recipe,) = re.findall(r"\n((?:    .*\n)*    mixture: .*\n(?:    .*\n)*)", README)
    text = "".join(line[4:] for line in recipe.splitlines(keepends=True))
    built = build(clips, folder / "store", conditions=parse_conditions(CONDITIONS), workers=1)
    for missing in built.skipped_conditions:
        text = re.sub(rf" {re.escape(str(missing))}: [\d.]+,", "", text)
    (folder / "recipe.yaml").write_text(text)
    return folder


def test_the_recipe_is_valid_and_draws_what_the_text_says(folder: Path) -> None:
    recipe = load_recipe(folder / "recipe.yaml")
    assert recipe.draw == "union"
    assert recipe.stratify == 64


def test_the_python_example_runs_on_a_small_store(folder: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert code.count('"s3://bucket/store"') == 1
    code = code.replace('"s3://bucket/store"', '"store"') + "print(epoch, batch['logmel'].shape[:3], sorted(set(batch['condition'])))\n"
    done = subprocess.run([sys.executable, "-W", "error::DeprecationWarning", "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("2 torch.Size([64, 3, 128]) ['aac_32', ")


def test_every_command_and_option_that_the_page_shows_exists() -> None:
    group = typer.main.get_command(app)
    lines = re.findall(r"^    streamaug (.*?)(?:  #.*)?$", README, re.MULTILINE)
    assert len(lines) >= 6
    for line in lines:
        name, *rest = line.split()
        command = group if name.startswith("--") else group.commands[name]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in (name, *rest) if word.startswith("--")} <= options, line


def test_every_file_that_the_page_links_to_exists() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)[^)]*\)", README) if "://" not in target]
    assert len(targets) > 10
    for target in targets:
        assert (ROOT / target).exists(), target
