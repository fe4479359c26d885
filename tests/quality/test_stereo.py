"""The grade of a stereo clip: both of its channels against both of the original."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.quality.measuring import measure
from streamaug.quality.pcm import at_48_khz
from streamaug.quality.peaq import peaq
from streamaug.store import Store
from tests.quality.stores import RATE

AVERAGED = ("WinModDiff1B", "AvgModDiff1B", "AvgModDiff2B", "RmsNoiseLoudB", "TotalNMRB", "RelDistFramesB", "BandwidthTestB")
"""Variables that are those of each channel, averaged; the others look at both together."""


def sound(seed: int) -> np.ndarray:
    time = np.arange(int(0.8 * RATE)) / RATE
    return 0.1 * np.sin(2 * np.pi * 300 * seed * time) + 0.02 * np.random.default_rng(seed).standard_normal(len(time))


def build_store(folder: Path, channels: str) -> Store:
    """A store of a clip with two unrelated channels, and of one whose channels are the same."""
    folder.mkdir()
    soundfile.write(folder / "unrelated.wav", np.stack([sound(1), sound(2)], 1), RATE)
    soundfile.write(folder / "doubled.wav", np.stack([sound(3), sound(3)], 1), RATE)
    (folder / "clips.csv").write_text("path,label,split\nunrelated.wav,a,train\ndoubled.wav,b,train\n")
    with ThreadPoolExecutor(1) as executor:
        build(
            folder / "clips.csv",
            str(folder / "store"),
            conditions=parse_conditions("original,mp3_64,sbc_128"),
            channels=channels,
            executor=executor,
        )
    return Store.open(folder / "store")


@pytest.fixture(scope="module")
def stereo(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return build_store(tmp_path_factory.mktemp("quality") / "stereo", "keep")


def grades(store: Store, *conditions: str) -> dict[str, dict[str, dict[str, float]]]:
    with ThreadPoolExecutor(1) as executor:
        measured = measure(store, conditions, executor=executor)
    return {name: {row["clip_id"]: row for row in quality.table.to_pylist()} for name, quality in measured.items()}


def test_both_channels_are_graded(stereo: Store) -> None:
    for condition, rows in grades(stereo, "mp3_64", "sbc_128").items():
        for clip_id, row in rows.items():
            pair = [at_48_khz(stereo.read(name, clip_id).samples.T, RATE) for name in ("original", condition)]
            assert pair[0].shape[1] == 2
            assert row["grade"] == pytest.approx(peaq(*pair, 48_000).odg, abs=1e-9)
            alone = [peaq(pair[0][:, channel], pair[1][:, channel], 48_000) for channel in (0, 1)]
            for name in AVERAGED:
                assert row[name] == pytest.approx(np.mean([each.movs[name] for each in alone]), rel=1e-6)


def test_an_original_has_the_best_grade_against_itself(stereo: Store) -> None:
    for row in grades(stereo, "original")["original"].values():
        assert row["grade"] > 0
        assert row["ADBB"] == row["MFPDB"] == row["RmsNoiseLoudB"] == 0


def test_the_grade_is_worse_if_one_channel_is(stereo: Store) -> None:
    original, coded = (at_48_khz(stereo.read(name, "unrelated").samples.T, RATE) for name in ("original", "mp3_64"))
    half = np.stack([original[:, 0], coded[:, 1]], 1)
    best, worse, worst = (peaq(original, test, 48_000).odg for test in (original, half, coded))
    assert best > worse > worst


def test_resampling_to_48_khz_keeps_the_channels_apart() -> None:
    both = at_48_khz(np.stack([sound(1), sound(2)], 1), RATE)
    np.testing.assert_array_equal(both, np.stack([at_48_khz(sound(1), RATE), at_48_khz(sound(2), RATE)], 1))
