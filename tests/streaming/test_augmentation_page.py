"""The programs of docs/augmentation.md run as they are."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "augmentation.md").read_text("utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(autouse=True)
def workers() -> None:
    """The programs choose the kind themselves: the default."""


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
def test_a_program_runs(program: str, store_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store").symlink_to(store_path)
    (tmp_path / "recipe.yaml").write_text("draw: union\nmixture: {original: 1, mp3_64: 1, opus_32: 1}\n")
    names = {"__name__": "__main__"}
    exec(program, names)
    names["stream"].close()
