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
from streamaug.splits import Split
from streamaug.store import Store
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


def run_example(marker: str, folder: Path, before: str = "", after: str = "") -> str:
    """What the Python example with this text prints on the small store."""
    (code,) = (each for each in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if marker in each)
    assert code.count('"s3://bucket/store"') == 1
    code = before + code.replace('"s3://bucket/store"', '"store"') + after
    done = subprocess.run([sys.executable, "-W", "error::DeprecationWarning", "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_training_example_runs_on_a_small_store(folder: Path) -> None:
    printed = run_example("state_dict", folder, after="print(epoch, batch['logmel'].shape[:3], sorted(set(batch['condition'])))\n")
    assert printed.startswith("2 torch.Size([64, 3, 128]) ['aac_32', ")


def test_the_evaluation_example_counts_every_clip_of_the_split_once(folder: Path) -> None:
    clips = len(Split.parse("evaluate").rows(Store.open(folder / "store").clips))
    model = "import torch\nmodel = lambda batch: torch.ones(len(batch), 1)\n"
    assert re.fullmatch(rf"accuracy under mp3_64: [01]\.\d+ of {clips} clips\n", run_example("evaluation", folder, before=model))


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
