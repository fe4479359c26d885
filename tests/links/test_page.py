"""docs/links.md: its programs run, and its lists are those of the library."""

import re
from pathlib import Path

import pytest

from streamaug.codecs import load_settings
from streamaug.codecs.base import Decoding
from streamaug.codecs.lossy import TAKES_LINKS, lossy_opener
from streamaug.errors import LinkError
from streamaug.links import PRESETS
from streamaug.recipes.loading import load_recipe

PAGE = (Path(__file__).parents[2] / "docs" / "links.md").read_text("utf-8")


def table_under(heading: str) -> list[list[str]]:
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("| `")]


def test_the_recipe_of_the_page_is_one(tmp_path: Path) -> None:
    [text] = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "calls.csv").write_text("lost\n0\n1\n0\n")
    (tmp_path / "calls.yaml").write_text(text)
    assert set(load_recipe(tmp_path / "calls.yaml").used_links) == {"loss10", "bluetooth@1", "trace"}


def test_presets_have_the_parameters_of_the_library() -> None:
    rows = {row[0].strip("`"): row[1] for row in table_under("Models of loss") if "@" in row[0]}
    assert rows == {name: "loss {loss}, burst {burst}".format(**preset.link.plain()) for name, preset in PRESETS.items()}


def test_the_codecs_of_the_table_take_links_and_no_others() -> None:
    named = {name for row in table_under("Codecs, packets and concealment") for name in re.findall(r"`([a-z0-9-]+)`", row[0])}
    assert named == set(re.split(", | and ", TAKES_LINKS))
    able = {"lc3"}
    for name, config in load_settings().codecs.items():
        decoding = Decoding(codec=name, demuxer=config.demuxer, decoder=config.decoder)
        try:
            lossy_opener(decoding, config.encoders[0].encoder)
            able.add(name)
        except LinkError:
            continue
    assert able == named


@pytest.mark.parametrize("name", ["lc3-wb", "lc3-swb"])
def test_the_other_names_of_lc3_take_links_too(name: str) -> None:
    pytest.importorskip("lc3")
    lossy_opener(Decoding(codec=name, demuxer=None), "liblc3")
