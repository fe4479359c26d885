"""A small store that every test of a run trains on."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from tests.in_process import InProcess

RATE = 16_000
SECONDS = 3.2
LABELS = ("hiss", "hum", "tick")


def recording(label: str, number: int) -> np.ndarray:
    """A clip of one of three sounds that a small network can distinguish."""
    random = np.random.default_rng([LABELS.index(label), number])
    samples = int(RATE * SECONDS)
    time = np.arange(samples) / RATE
    noise = 0.02 * random.standard_normal(samples)
    if label == "hiss":
        return noise * 8
    if label == "hum":
        return noise + 0.3 * np.sin(2 * np.pi * random.uniform(80, 400) * time)
    return noise + 0.5 * (np.arange(samples) % random.integers(1500, 4000) < 60)


@pytest.fixture(scope="session")
def built(tmp_path_factory) -> Path:
    """72 training and 24 evaluation clips of three labels in two folds, under the original and two
    codecs.
    """
    folder = tmp_path_factory.mktemp("scenes")
    lines = ["path,label,split,group,fold,device"]
    for label in LABELS:
        for number in range(32):
            soundfile.write(folder / f"{label}-{number}.wav", recording(label, number), RATE, subtype="PCM_16")
            split = "train" if number < 24 else "evaluate"
            lines.append(f"{label}-{number}.wav,{label},{split},{split}-{label}-{number // 2},{number // 2 % 2},{'ab'[number % 2]}")
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    store = folder / "store"
    build(folder / "clips.csv", str(store), conditions=parse_conditions("original,mp3_64,opus_32"), name="sounds", executor=InProcess())
    return store


@pytest.fixture
def store(built, tmp_path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(built, tmp_path / "store"))


@pytest.fixture
def recipe(tmp_path) -> Path:
    path = tmp_path / "row_3.yaml"
    path.write_text("title: original + mp3_64\ndraw: union\nmixture: {original: 1, mp3_64: 1}\n")
    return path
