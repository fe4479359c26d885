"""The page of a card in a real browser."""

import base64
import io

import numpy as np
import soundfile

from streamaug.codecs.pcm import to_pcm
from streamaug.stress.card import CARD_PAGE
from tests.browser import check_page, open_page
from tests.stress.conftest import HOSTILE


def test_the_page_passes_at_two_widths_light_and_dark(browser, written):
    check_page(browser, written[0] / CARD_PAGE)


def test_a_name_that_is_a_script_is_shown_as_text(browser, written):
    with open_page(browser, written[0] / CARD_PAGE) as page:
        assert page.title() == f"What coding does to {HOSTILE}"
        assert HOSTILE in page.inner_text("h1")


def test_the_worst_clips_are_heard_sample_for_sample(browser, written, coded):
    folder, card = written
    with open_page(browser, folder / CARD_PAGE) as page:
        players = page.locator("audio")
        assert players.count() == 2 * len(card.worst) > 0
        for number, clip in enumerate(card.worst):
            for offset, condition in enumerate(("original", clip.condition)):
                data = players.nth(2 * number + offset).get_attribute("src").partition("base64,")[2]
                heard, rate = soundfile.read(io.BytesIO(base64.b64decode(data)), dtype="int16")
                audio = coded.read(condition, clip.clip_id)
                assert rate == audio.rate
                assert np.array_equal(heard, to_pcm(audio.samples, 16).reshape(-1))
        players.first.evaluate("audio => audio.play()")
        page.wait_for_function("document.querySelector('audio').currentTime > 0.1")


def test_every_condition_class_and_worst_clip_is_on_the_page(browser, written):
    folder, card = written
    with open_page(browser, folder / CARD_PAGE) as page:
        text = page.inner_text("main")
    assert card.headline in text
    shown = [*(each.condition for each in card.conditions), *card.labels, *(each.clip_id for each in card.worst)]
    assert [name for name in shown if name not in text] == []
