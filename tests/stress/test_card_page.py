"""The page of a card in a real browser."""

import base64
import io

import numpy as np
import soundfile

from streamaug.codecs.pcm import to_pcm
from streamaug.stress.analyse import analyse
from streamaug.stress.card import CARD_PAGE
from streamaug.stress.card_page import card_page
from tests.browser import check_page, open_page
from tests.stress.conftest import HOSTILE
from tests.stress.made import answers, settings_of


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


def test_a_card_of_single_scores_with_hostile_labels_passes_too(browser, coded, tmp_path):
    """Labels that Matplotlib would take for a formula, and a browser for markup; long ones."""
    labels = ("$\\real{$", "<i>fake</i> " + "long" * 20)
    ids = coded.clips["clip_id"].to_pylist()
    rng = np.random.default_rng(0)
    truth = np.arange(len(ids)) % 2
    scores = {name: (truth + number * rng.random(len(ids)))[:, None] for number, name in enumerate(coded.conditions)}
    made = answers({clip: labels[each] for clip, each in zip(ids, truth, strict=True)}, scores, labels[1:], labels=labels)
    card = analyse(made, settings=settings_of(columns=labels[1:]), snapshot="0" * 16)
    (tmp_path / CARD_PAGE).write_text(card_page(card, made, coded))
    check_page(browser, tmp_path / CARD_PAGE)
    with open_page(browser, tmp_path / CARD_PAGE) as page:
        assert all(label in page.inner_text("main") for label in labels)
        assert page.locator("main i").count() == 0


def test_a_card_of_the_original_alone_says_how_well_the_model_does(browser, coded, tmp_path):
    clips = dict(zip(coded.clips["clip_id"].to_pylist(), coded.clips["label"].to_pylist(), strict=True))
    made = answers(clips, {"original": np.eye(3)[np.arange(len(clips)) % 3]}, coded.manifest.labels)
    card = analyse(made, settings=settings_of(), snapshot="0" * 16)
    assert card.headline == f"model: accuracy {made.values[0]:.3f} on the original."
    (tmp_path / CARD_PAGE).write_text(card_page(card, made, coded))
    check_page(browser, tmp_path / CARD_PAGE)
