"""docs/licences.md covers every dependency and codec, docs/versioning.md has the numbers of the code."""

import re
import tomllib
from pathlib import Path

import pytest

from streamaug import plugins
from streamaug.codecs import load_settings
from streamaug.planning.identity import FORMAT as PLAN
from streamaug.quality.table import FORMAT as GRADES
from streamaug.store.format import FORMAT as STORE
from streamaug.stress.card_file import CARD_FORMAT
from streamaug.stress.settings import FORMAT as PREDICTIONS

ROOT = Path(__file__).parents[1]


def test_every_package_that_users_install_has_its_licence_on_the_page() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [each for name, each in project["optional-dependencies"].items() if name != "dev"]
    needed = [re.match(r"[\w-]+", each)[0].lower() for each in sum(extras, project["dependencies"])]
    page = (ROOT / "docs" / "licences.md").read_text().partition("## Python packages")[2]
    named = set(re.findall(r"[\w-]+", page))
    assert [name for name in needed if name not in named] == []


def test_every_codec_is_in_the_table() -> None:
    page = (ROOT / "docs" / "licences.md").read_text().partition("## Codecs")[2].partition("## Methods")[0]
    named = re.findall(r"`([\w*-]+)`", " ".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| ")))
    codecs = {*load_settings().codecs, *(name for name in plugins.names(plugins.CODECS) if name.startswith("lc3"))}
    assert [codec for codec in codecs if not any(re.fullmatch(name.replace("*", r"\w+"), codec) for name in named)] == []


@pytest.mark.parametrize(
    ("row", "number"),
    [("store", STORE), ("plan", PLAN), ("predictions", PREDICTIONS), ("card", CARD_FORMAT), ("grades", GRADES)],
)
def test_the_formats_have_the_numbers_of_the_code(row: str, number: int) -> None:
    page = (ROOT / "docs" / "versioning.md").read_text()
    (line,) = (line for line in page.splitlines() if re.match(rf"\| {row}\b", line))
    assert line.split("|")[3].strip() == str(number)
