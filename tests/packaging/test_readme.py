"""Everything that README.md shows runs, in the order of the page, with the wheel in an
environment of its own.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamaug.store import Store
from tests.packaging.conftest import ROOT

README = (ROOT / "README.md").read_text()
RATE = 16_000
BLOCKS: Sequence[tuple[str, str]] = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
"""Language and text of each block of code."""

MAKE = re.compile(r"(make \w+\n)+")


def write_sounds(folder: Path) -> None:
    """Three classes of fifteen WAV files of two seconds, as the page wants them."""
    random, time = np.random.default_rng(5), np.arange(2 * RATE) / RATE
    for label, tone in (("dog", 500), ("rain", 0), ("tram", 3000)):
        (folder / label).mkdir(parents=True)
        for number in range(15):
            sound = 0.3 * np.sin(2 * np.pi * (tone + tone // 100 * number) * time) + 0.05 * random.standard_normal(len(time))
            soundfile.write(folder / label / f"{number}.wav", sound, RATE, subtype="PCM_16")


@pytest.fixture(scope="module")
def folder(python_without_streamaug: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a new user has done all that the page says, with nothing but sounds at the start.

    What the blocks print is in `printed`.
    """
    folder = tmp_path_factory.mktemp("readme")
    write_sounds(folder / "sounds")
    environment = {
        **os.environ,
        "PATH": f"{python_without_streamaug.parent}{os.pathsep}{os.environ['PATH']}",
        "PIP_FIND_LINKS": str(wheel.parent),  # the package index has no streamaug yet, and the test must not ask it
        "PIP_NO_INDEX": "1",
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("PYTHONPATH", None)
    with (folder / "printed").open("w") as printed:
        for language, text in BLOCKS:
            if language == "sh" and not MAKE.fullmatch(text):
                subprocess.run(["bash", "-euo", "pipefail", "-c", text], cwd=folder, env=environment, stdout=printed, check=True)
            elif language in ("yaml", "python"):
                name = re.match(r"# ([\w.]+)\n", text)
                assert name, f"the block does not begin with the name of its file:\n{text}"
                (folder / name[1]).write_text(text)
    return folder


def test_no_block_is_left_out() -> None:
    assert {language for language, _ in BLOCKS} == {"sh", "yaml", "python"}
    assert not re.search(r"^    ", re.sub(r"^```.*?^```$", "", README, flags=re.DOTALL | re.MULTILINE), re.MULTILINE), "an indented block"


def test_the_wheel_is_what_runs(python_without_streamaug: Path, folder: Path) -> None:
    code = "import streamaug; print(streamaug.__file__)"
    done = subprocess.run([python_without_streamaug, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert Path(done.stdout.strip()).is_relative_to(python_without_streamaug.parents[1])


def test_the_training_evaluates_every_condition_of_the_store(folder: Path) -> None:
    lines = re.findall(r"^(\S+): [01]\.\d\d of 9 clips$", (folder / "printed").read_text(), re.MULTILINE)
    assert lines == list(Store.open(folder / "store").conditions)
    assert len(lines) >= 10


def test_the_card_and_the_page_are_where_the_page_says(folder: Path) -> None:
    assert "mp3_32" in (folder / "card" / "card.html").read_text()
    assert (folder / "page" / "index.html").exists()


def test_make_knows_the_targets() -> None:
    (text,) = (text for language, text in BLOCKS if language == "sh" and MAKE.fullmatch(text))
    for command in text.splitlines():
        done = subprocess.run(["make", "--dry-run", *command.split()[1:]], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "python -m" in done.stdout


def test_every_file_that_the_page_links_to_exists() -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)[^)]*\)", README) if "://" not in target]
    assert len(targets) > 10
    for target in targets:
        assert (ROOT / target).exists(), target


def test_every_anchor_that_the_page_links_to_is_a_heading() -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]+)#([^)]+)\)", README):
        headings = re.findall(r"^#+ (.*)$", (ROOT / target).read_text(), re.MULTILINE)
        assert anchor in {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}, f"{target}#{anchor}"
