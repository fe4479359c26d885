"""A small store with a hostile label and a broken clip, and the server that shows it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.explore.explorer import Explorer
from streamaug.store import Store

RATE = 16_000
SECONDS = 2.0
LONG_S = 8.0
"""Length of the first clip, which is played."""

COUNT = 56
"""More clips than a page of the list has."""

HOSTILE = "<script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
CONDITIONS = ("original", "mp3_24", "mp3_64", "sbc_64")
BROKEN = f"clip{COUNT - 1:02d}"
"""A clip whose bitstream in mp3_24 is damaged."""


@pytest.fixture(scope="session")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explore")
    lines = ["path,label,split,loudness,note"]
    for number in range(COUNT):
        rng = np.random.default_rng(number)
        # Noise is nowhere like itself, so that a few samples say where they come from.
        seconds = SECONDS + 0.01 * number if number else LONG_S
        sound = np.clip(0.2 * rng.standard_normal(round(seconds * RATE)), -0.99, 0.99)
        soundfile.write(folder / f"clip{number:02d}.wav", sound, RATE, subtype="PCM_16")
        label = HOSTILE if number == 0 else ("rain", "wind", "siren")[number % 3]
        lines.append(
            f"clip{number:02d}.wav,{label},{'evaluate' if number % 4 == 3 else 'train'},{number / 4},{'' if number % 2 else 'Far away'}"
        )
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    path = folder / "store"
    with ThreadPoolExecutor(2) as executor:  # which starts faster than processes
        build(folder / "clips.csv", str(path), conditions=parse_conditions(",".join(CONDITIONS)), clips_per_shard=16, executor=executor)
    location = Store.open(path).location("mp3_24", BROKEN)
    with (path / location.shard).open("r+b") as shard:
        shard.seek(location.offset + location.size // 2)
        shard.write(bytes(16))
    return path


@pytest.fixture(scope="session")
def store(store_path: Path) -> Store:
    return Store.open(store_path)


@pytest.fixture
def explorer(store: Store, tmp_path: Path) -> Explorer:
    return Explorer(store, tmp_path)


@pytest.fixture(scope="module")
def server(store_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of `streamaug explore`, with a recipe, as a user starts it."""
    recipe = tmp_path_factory.mktemp("recipes") / "mixture.yaml"
    recipe.write_text("title: half coded\ndraw: union\nmixture: {original: 1, mp3_24: 0.5}\nwhere: {label: [rain, wind]}\n")
    with started(store_path, "--no-browser", "--recipes", str(recipe.parent)) as (process, address):
        yield address
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 128 + signal.SIGINT


@contextmanager
def started(store: Path, *options: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`streamaug explore` as a user starts it, and its address. It does not outlive the block."""
    command = [sys.executable, "-m", "streamaug", "explore", str(store), *options]
    settings = {**os.environ, "COLUMNS": "300", **environment}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=settings) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().split(" is at ")[1].split()[0]
        finally:
            process.kill()
