"""Fixtures for all tests, and the list of skipped tests at the end of a run."""

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
import torch

from streamaug.machine import cores

if TYPE_CHECKING:
    from playwright.sync_api import Browser

os.environ.setdefault("COLUMNS", "300")  # before a console is made: it keeps the width for good
torch.set_num_threads(1)  # of many small models at once, several each would wait for each other
SHARED = Path(__file__).parents[2] / "shared" / "data"
"""Recordings next to the repository; a fresh clone has none."""

RATE = 44_100
SECONDS = 5
FOLDS = 4
CLIPS_PER_FOLD = 8
EVENTS = {  # a label of ESC-10: how many events in a clip, and how many seconds each takes to fade
    "baby_cry": (4, 0.5),
    "chainsaw": (1, 20.0),
    "clock_tick": (10, 0.01),
    "dog_bark": (3, 0.1),
    "fire_crackling": (20, 0.1),
    "helicopter": (60, 0.05),
    "person_sneeze": (1, 0.2),
    "rain": (1, 50.0),
    "rooster": (2, 0.7),
    "sea_waves": (2, 2.0),
}
NAMED_CLIPS = {"dog_bark": "1-30226-A", "rain": "1-17367-A", "fire_crackling": "1-17150-A"}
"""Clips of ESC-10 that tests ask for by name, each the first of its label."""


@pytest.hookimpl(optionalhook=True)  # tests run without xdist, too
def pytest_xdist_auto_num_workers() -> int:
    """How many tests `-n auto` runs at once: one more than there are cores, since tests wait for
    processes, timeouts and sockets for a third of their time."""
    return cores() + 1


@pytest.fixture(autouse=True)
def random_numbers() -> Iterator[None]:
    """What a test seeds or draws does not reach the next one."""
    with torch.random.fork_rng(devices=()):
        yield


@pytest.fixture(scope="session")
def shared_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `esc10`: real recordings, or else synthetic sounds under ESC-10's names."""
    if (SHARED / "esc10").is_dir():
        return SHARED
    folder = tmp_path_factory.mktemp("shared")
    write_esc10(folder / "esc10")
    return folder


@pytest.fixture(scope="session")
def peaq_pairs() -> Path:
    """Pairs of signals, and the grades that an independent implementation of PEAQ gives them."""
    if not (SHARED / "peaq").is_dir():
        pytest.skip(f"the expected grades belong to recordings that are not in {SHARED}")
    return SHARED / "peaq"


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str | None, Path]:
    """A small store of each kind, by the column with what a model learns; see `tests.building.kinds`."""
    from tests.building.kinds import build_kind

    return {target: build_kind(tmp_path_factory.mktemp(f"kind-{target}"), target) for target in ("label", "labels", "target", None)}


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Chromium for the pages of one module; see `tests.browser`.

    Not of the session: while it is open, its thread has an event loop, and `asyncio.run` fails there.
    """
    from tests.browser import chromium

    with chromium() as opened:
        yield opened


def write_esc10(folder: Path) -> None:
    """Write synthetic sounds as folds 1 to 4 of ESC-10: its columns, counts, lengths and format.

    The clips of one label in one fold share their sound: 320 sounds would take half a minute.
    """
    (folder / "audio").mkdir(parents=True)
    rows = [("path", "label", "fold", "freesound_id", "take", "author", "license", "source_title", "source_page")]
    for label, (events, fading) in EVENTS.items():
        for fold in range(1, FOLDS + 1):
            sound = _vorbis(_events(events, fading, seed=len(rows)))
            for number in range(CLIPS_PER_FOLD):
                is_named = (fold, number) == (1, 0) and label in NAMED_CLIPS
                name = NAMED_CLIPS[label] if is_named else f"{fold}-{200_000 + len(rows)}-A"
                (folder / "audio" / f"{name}.ogg").write_bytes(sound)
                path, source = f"audio/{name}.ogg", name.split("-")[1]
                rows.append((path, label, str(fold), source, "A", "streamaug", "CC0", "synthetic", "none"))
    with (folder / "clips.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def _events(count: int, fading: float, *, seed: int) -> np.ndarray:
    """Pink noise that begins abruptly `count` times and fades each time within `fading` seconds."""
    rng = np.random.default_rng(seed)
    samples = SECONDS * RATE
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), samples)
    onsets = np.sort(rng.integers(0, samples, count))
    onsets[0] = 0
    latest = onsets[np.searchsorted(onsets, np.arange(samples), side="right") - 1]
    envelope = 0.01 + np.exp((latest - np.arange(samples)) / (fading * RATE))
    signal: np.ndarray = 0.1 * noise / noise.std() * envelope
    return np.clip(signal, -0.99, 0.99)


def _vorbis(signal: np.ndarray) -> bytes:
    sink = io.BytesIO()
    soundfile.write(sink, signal, RATE, format="OGG", subtype="VORBIS")
    return sink.getvalue()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List every skipped test with its reason: a skip is a promise that nobody checked."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.section(f"{len(skipped)} skipped")
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.write_line(f"{report.nodeid}: {reason.removeprefix('Skipped: ')}")
