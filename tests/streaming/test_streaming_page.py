"""The examples of docs/streaming.md run on a small store."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from streamaug.testing import build_store

PAGE = (Path(__file__).parents[2] / "docs" / "streaming.md").read_text()
RECIPE = "draw: union\nmixture: {original: 1, mp3_64: 1}\n"


@pytest.fixture(autouse=True)
def workers() -> None:
    """The examples run in processes of their own, with the default."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe, and a store of 48 clips, 36 of them to train on."""
    folder = tmp_path_factory.mktemp("page")
    build_store(folder, clips=48, seconds=(1, 1.5), rate=16_000, conditions="original,mp3_64")
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def run_example(marker: str, folder: Path, before: str = "", after: str = "") -> str:
    """What the example with this text prints on the small store."""
    (code,) = (each for each in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if marker in each)
    assert code.count('"s3://bucket/store"') == 1
    code = before + code.replace('"s3://bucket/store"', '"store"') + after
    done = subprocess.run([sys.executable, "-W", "error::DeprecationWarning", "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_training_example_serves_mixed_batches_for_three_epochs(folder: Path) -> None:
    printed = run_example("state_dict", folder, after="print(epoch, batch['logmel'].shape[:3], sorted(set(batch['condition'])))\n")
    assert printed == "2 torch.Size([64, 3, 128]) ['mp3_64', 'original']\n"


def test_the_evaluation_example_counts_every_clip_of_the_split_once(folder: Path) -> None:
    model = "import torch\nmodel = lambda batch: torch.ones(len(batch), 1)\n"
    assert re.fullmatch(r"accuracy under mp3_64: [01]\.\d+ of 12 clips\n", run_example("evaluation", folder, before=model))
