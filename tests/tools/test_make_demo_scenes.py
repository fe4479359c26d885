import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamaug.errors import StreamaugError
from tools.make_demo_scenes import DEVICES, SCENES, make

LABELS = [
    "airport",
    "bus",
    "metro",
    "metro_station",
    "park",
    "public_square",
    "shopping_mall",
    "street_pedestrian",
    "street_traffic",
    "tram",
]
SMALL = {"seconds": 1.0, "train_locations": 2, "evaluate_locations": 1, "clips": 2}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "demo"
    make(folder, seed=3, **SMALL)
    return folder


def rows(folder):
    with (folder / "clips.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def content(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_scene_has_all_its_locations_clips_and_files(scenes):
    table = rows(scenes)
    assert list(table[0]) == ["path", "label", "split", "group", "city", "location", "device"]
    assert sorted({row["label"] for row in table}) == LABELS == sorted(SCENES)
    assert len(table) == len({row["path"] for row in table}) == 10 * 3 * 2
    assert {row["path"] for row in table} == {f"audio/{path.name}" for path in (scenes / "audio").iterdir()}
    assert {row["device"] for row in table} == set(DEVICES)


def test_no_location_is_on_both_sides_or_in_two_scenes(scenes):
    table = rows(scenes)
    sides = {split: {row["group"] for row in table if row["split"] == split} for split in ("train", "evaluate")}
    assert (len(sides["train"]), len(sides["evaluate"]), len(sides["train"] & sides["evaluate"])) == (20, 10, 0)
    assert len({(row["group"], row["label"]) for row in table}) == 30
    assert all(row["group"] == f"{row['city']}-{row['location']}" for row in table)


def test_clips_are_16_bit_mono_at_44100_hz_and_neither_silent_nor_clipped(scenes):
    for row in rows(scenes):
        info = soundfile.info(scenes / row["path"])
        assert (info.samplerate, info.channels, info.subtype, info.frames) == (44_100, 1, "PCM_16", 44_100)
        samples, _ = soundfile.read(scenes / row["path"])
        assert 0.003 < np.sqrt(np.mean(samples**2)) < 0.5
        assert np.abs(samples).max() < 0.99


def test_the_same_seed_gives_the_same_bytes_in_another_process_and_another_seed_others(scenes, tmp_path):
    tool = Path(__file__).parents[2] / "tools" / "make_demo_scenes.py"
    options = [part for name, value in SMALL.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    for seed in ("3", "4"):
        subprocess.run([sys.executable, str(tool), str(tmp_path / seed), "--seed", seed, *options], check=True, capture_output=True)
    assert content(tmp_path / "3") == content(scenes)
    assert not {data for path, data in content(tmp_path / "4").items() if path.suffix == ".wav"} & set(content(scenes).values())


def test_a_place_sounds_alike_in_its_clips_and_unlike_other_places(scenes):
    """The long-term spectrum, device a's clips only: nearer within a location than between the
    locations of a scene.
    """
    spectra = {}
    for row in rows(scenes):
        if row["device"] == "a":
            samples, _ = soundfile.read(scenes / row["path"])
            power = np.abs(np.fft.rfft(samples)) ** 2
            bands = np.add.reduceat(power, (np.geomspace(60, 16_000, 20) * len(samples) / 44_100).astype(int))
            spectra.setdefault(row["label"], []).append(np.log(bands))
    between = np.mean([np.std(found, axis=0).mean() for found in spectra.values()])
    across = np.std([np.mean(found, axis=0) for found in spectra.values()], axis=0).mean()
    assert 0.1 < between < across


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StreamaugError, match="not an empty folder"):
        make(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
