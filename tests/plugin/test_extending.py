"""docs/extending.md shows the plug-ins as they are, and what it runs runs."""

import re
import shlex
from pathlib import Path

import pytest

DOC = (Path(__file__).parents[2] / "docs" / "extending.md").read_text("utf-8")
FOLDER = Path(__file__).parent


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOC, re.DOTALL)


FILES = {path: path.read_text("utf-8") for path in (FOLDER / "streamaug_example").glob("[!_]*.py")}
EXAMPLES = [block for block in blocks("python") if block not in FILES.values()]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_plug_in_is_shown_as_it_is(path):
    assert FILES[path] in blocks("python")


def test_the_pyproject_is_shown_as_it_is():
    assert blocks("toml") == [(FOLDER / "pyproject.toml").read_text("utf-8")]


[CHECKPOINTS] = [example for example in EXAMPLES if "save_file" in example]
"""The example that writes the checkpoints of the page's settings file."""


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_its_examples_run(example, python, tmp_path):
    assert "assert" in example
    ran = python("-c", example, folder=tmp_path)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("commands", blocks("console"), ids=["yaml", "package", "neural"])
def test_its_commands_run(commands, python, clips, monkeypatch):
    for name, text in zip(("adpcm.yaml", "neural.yaml"), blocks("yaml"), strict=True):
        (clips.parent / name).write_text(text)
    if "neural.yaml" in commands:
        assert python("-c", CHECKPOINTS, folder=clips.parent).returncode == 0
    for line in commands.splitlines():
        program, *arguments = shlex.split(line)
        if program == "export":
            monkeypatch.setenv(*arguments[0].split("="))
        if program == "streamaug":
            ran = python("-m", "streamaug", *arguments, folder=clips.parent)
            assert ran.returncode == 0, f"{line}: {ran.stdout}{ran.stderr}"


def test_its_links_lead_to_files_of_the_repository():
    links = re.findall(r"\]\((\.\./[^)]+)\)", DOC)
    assert "../tests/plugin" in links
    for link in links:
        # The Protocol of features moves to this file together with the features themselves.
        assert (FOLDER.parents[1] / "docs" / link).exists(), link
