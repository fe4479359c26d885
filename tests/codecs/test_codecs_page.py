"""docs/codecs.md names every codec with its bitrates."""

import re
from pathlib import Path

import pytest

from streamaug import plugins
from streamaug.codecs import choose_encoder, load_settings
from streamaug.codecs.base import bitrates
from streamaug.codecs.bitrates import bitrate_list
from streamaug.codecs.presets import preset_names
from streamaug.conditions import Step
from streamaug.errors import EncoderError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "codecs.md").read_text("utf-8")
OWN = ("lc3", "lc3-swb", "lc3-wb")


def rows() -> dict[str, list[str]]:
    """The cells of the table of codecs, by codec."""
    rows = {}
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6:
            rows |= dict.fromkeys(re.findall("`([^`]+)`", cells[0]), cells)
    return rows


def test_every_codec_has_a_row_and_every_row_a_codec() -> None:
    assert set(OWN) <= set(plugins.names(plugins.CODECS))
    assert set(rows()) == {*load_settings().codecs, *OWN}


def test_every_preset_has_a_row() -> None:
    assert set(re.findall(r"^\| `@([a-z0-9-]+)` \|", PAGE, re.MULTILINE)) == set(preset_names())


def test_every_variant_has_a_row() -> None:
    variants = {f"{name}@{variant}" for name, config in load_settings().codecs.items() for variant in config.variants}
    listed = re.findall(r"^\| `([a-z0-9-]+)_[0-9.]+(@[a-z0-9-]+)` \|", PAGE, re.MULTILINE)
    assert {name + variant for name, variant in listed} == variants


@pytest.mark.parametrize("name", sorted(rows()))
def test_the_row_has_the_bitrates(name: str) -> None:
    channels = 2 if rows()[name][4] == "2" else 1
    try:
        codec, _, _ = choose_encoder(Step(name=name, bitrate="64"), load_settings(), channels)
    except EncoderError as error:
        pytest.skip(str(error))
    known = bitrates(codec, channels)
    listed = bitrate_list(known).replace(" kbps", "").replace(" or ", ", ") if known else ""
    assert rows()[name][3] == listed
