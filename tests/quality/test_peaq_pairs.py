"""Real pairs against what an independent implementation gives for them."""

import csv
from pathlib import Path

import pytest
import soundfile

from streamaug.quality.peaq import VARIABLES, peaq

ITEMS = ["speech_sbc_64", "scene_mp3_64", "tones_aac_64", "mix_opus_32", "e_short", "e_lowpass3500", "e_stereo"]


@pytest.mark.parametrize("item", ITEMS)
def test_every_variable_agrees_with_the_independent_implementation(peaq_pairs: Path, item: str):
    folder = peaq_pairs
    with (folder / "expected.csv").open() as file:
        expected = {row["item"]: row for row in csv.DictReader(file)}[item]
    reference, rate = soundfile.read(folder / expected["reference"], dtype="int16")
    test, _ = soundfile.read(folder / expected["test"], dtype="int16")
    graded = peaq(reference, test, rate)
    assert tuple(graded.movs) == VARIABLES
    for name, got in {"ODG": graded.odg, "DI": graded.di, **graded.movs}.items():
        assert got == pytest.approx(float(expected[name]), rel=1e-6, abs=1e-6), name


def test_all_pairs_of_the_table_are_tested(peaq_pairs: Path):
    with (peaq_pairs / "expected.csv").open() as file:
        assert [row["item"] for row in csv.DictReader(file)] == ITEMS
