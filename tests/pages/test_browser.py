"""Pages in Chromium: nothing is wider than the window, every control has a label, one sound plays at
a time."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from streamaug.codecs.base import Audio
from streamaug.pages.charts import Series, by_condition
from streamaug.pages.listening import player_of
from streamaug.pages.page import Picture, Players, Section, Table, Text, page
from tests.browser import check_page, open_page

RATE, SECONDS = 16_000, 4


def write_page(folder: Path) -> Path:
    samples = (0.1 * np.random.default_rng(0).standard_normal(RATE * SECONDS)).astype(np.float32)
    players = [player_of(Audio(samples=samples * gain, rate=RATE), name) for name, gain in (("original", 1.0), ("mp3_32", 0.5))]
    series = Series(name="accuracy", values=[60, 50], low=[50, 40], high=[70, 60])
    drawn = by_condition(["original", "mp3_32"], [series], label="accuracy in %", chance=10, limits=(0, 100))
    wide = Table(header=["condition", *(f"class_with_a_long_name_{number}" for number in range(12))], rows=[["original", *["0.123"] * 12]])
    parts = [Text(text="A sentence. " * 20), Text(text="a long command " * 30, kind="code"), Picture(png=drawn, alt="chart"), wide]
    sections = [
        Section(title="Everything", parts=parts),
        Section(title="Sounds", parts=[Players(title="mp3", players=players), Players(title="again", players=players)]),
        Section(title="Folded", parts=[wide], folded=True),
    ]
    path = folder / "page.html"
    path.write_text(page("A page", "What came out.", sections))
    return path


def test_a_page_fits_its_window_and_its_controls_have_labels(browser: Browser, tmp_path: Path) -> None:
    check_page(browser, write_page(tmp_path), ready=lambda shown: shown.locator("details").first.evaluate("each => each.open = true"))


def playing(shown: Page) -> list[bool]:
    return [bool(each) for each in shown.evaluate("[...document.querySelectorAll('audio')].map(each => !each.paused)")]


def start(shown: Page, number: int) -> None:
    """Play a sound until its time advances."""
    shown.evaluate("number => document.querySelectorAll('audio')[number].play()", number)
    begun = shown.evaluate("number => document.querySelectorAll('audio')[number].currentTime", number)
    shown.wait_for_function(
        "([number, begun]) => document.querySelectorAll('audio')[number].currentTime > begun + 0.1", arg=[number, begun]
    )


def place(shown: Page, number: int) -> float:
    return float(shown.evaluate("number => document.querySelectorAll('audio')[number].currentTime", number))


def test_one_sound_plays_at_a_time_and_the_next_of_its_group_goes_on_at_its_place(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, write_page(tmp_path)) as shown:
        shown.evaluate("document.querySelectorAll('audio')[0].currentTime = 2")
        start(shown, 0)
        assert playing(shown) == [True, False, False, False]
        left_at = place(shown, 0)
        start(shown, 1)
        assert playing(shown) == [False, True, False, False]
        assert place(shown, 0) >= left_at > 2
        assert place(shown, 1) >= place(shown, 0)
        start(shown, 2)  # of another group: from its own beginning
        assert playing(shown) == [False, False, True, False]
        assert place(shown, 2) < 2


def test_a_sound_has_its_length_when_it_is_played(browser: Browser, tmp_path: Path) -> None:
    with open_page(browser, write_page(tmp_path)) as shown:
        start(shown, 3)
        assert shown.evaluate("document.querySelectorAll('audio')[3].duration") == pytest.approx(SECONDS, abs=0.001)
