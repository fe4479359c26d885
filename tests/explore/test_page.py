"""The page in a real browser: what is heard and seen is what `Store.read` gives."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route

from streamaug.explore.explorer import PAGE
from streamaug.pages.spectrogram import spectrogram
from streamaug.store import Store
from tests.browser import check_page, open_page
from tests.explore.conftest import BROKEN, CONDITIONS, COUNT, HOSTILE

DRAWN = "state.clip !== null && rows.every((row) => row.item.dataset.drawn || row.problem)"

RECORDER = """
registerProcessor("recorder", class extends AudioWorkletProcessor {
    process([[channel]]) {
        if (channel) this.port.postMessage([currentFrame, channel.slice()]);
        return true;
    }
});"""

RECORD = """async (recorder) => {
    // What goes to the loudspeaker, in blocks, each with its frame on the audio clock.
    const context = player.output.context;
    await context.audioWorklet.addModule(`data:text/javascript,${encodeURIComponent(recorder)}`);
    const node = new AudioWorkletNode(context, "recorder");
    window.recorded = [];
    node.port.onmessage = ({data: [frame, samples]}) => window.recorded.push([frame, Array.from(samples)]);
    player.output.connect(node);
}"""


def until(page: Page, expression: str) -> None:
    """Wait until an expression holds. Not by `wait_for_function`, which the page's policy forbids."""
    end = time.monotonic() + 20
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)


def ready(page: Page) -> None:
    until(page, DRAWN)


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    """The page with its first clip in all conditions."""
    with open_page(browser, server) as opened:
        ready(opened)
        yield opened


def samples(page: Page, sound: str) -> np.ndarray:
    """The samples that a browser has of a sound, float32."""
    return np.array(page.evaluate(f"async () => Array.from((await {sound}).getChannelData(0))"), np.float32)


def rounded(audio: np.ndarray) -> np.ndarray:
    """Samples as 16 bits have them."""
    return np.clip(np.round(audio * 32768), -32768, 32767).astype(np.float32) / 32768


def test_the_page_passes_all_checks_at_both_widths(browser: Browser, server: str) -> None:
    check_page(browser, server, ready=ready)


def test_the_first_clip_is_ready_to_play_when_the_page_opens(page: Page) -> None:
    assert page.inner_text("#clip") == "clip00"
    assert page.is_enabled("#play")
    assert page.locator(".row .name").all_inner_texts() == list(CONDITIONS)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_decoded_samples_are_those_of_the_store(page: Page, store: Store, condition: str) -> None:
    heard = samples(page, f"sounds.get('{condition}', state.clip)")
    np.testing.assert_allclose(heard, rounded(store.read(condition, "clip00").samples), atol=1 / 32768)


def recorded(page: Page) -> dict[int, np.ndarray]:
    """What was played since `RECORD`, in blocks of 512 frames that follow each other, by the first
    frame on the audio clock."""
    blocks = dict(page.evaluate("window.recorded"))
    step = len(next(iter(blocks.values())))
    starts = [frame for frame in list(blocks)[::4] if all(frame + step * number in blocks for number in range(4))]
    return {frame: np.concatenate([blocks[frame + step * number] for number in range(4)]).astype(np.float32) for frame in starts}


def allow_recorder(page: Page) -> None:
    page.context.new_cdp_session(page).send("Page.setBypassCSP", {"enabled": True})  # for the recorder, which is not of the page
    page.reload()
    ready(page)


def record(page: Page) -> None:
    page.keyboard.press("Space")
    until(page, "!player.paused")
    page.evaluate(RECORD, RECORDER)


def found_at(sound: np.ndarray, block: np.ndarray) -> int:
    """Where in a sound a block of samples fits best."""
    spectrum = np.fft.rfft(sound, 1 << 18) * np.conj(np.fft.rfft(block, 1 << 18))
    return int(np.fft.irfft(spectrum)[: len(sound)].argmax())


def is_at(sound: np.ndarray, block: np.ndarray, place: int) -> bool:
    """Whether a block is a sound from a place on, as 16 bits have it."""
    part = sound[place : place + len(block)]
    return len(part) == len(block) and bool(np.abs(part - block).max() < 2 / 32768)


def test_what_is_played_is_the_sound_of_the_store(page: Page, store: Store) -> None:
    allow_recorder(page)
    record(page)
    before = page.evaluate("player.currentTime")
    until(page, "window.recorded.length > 40")
    assert 0 <= before < page.evaluate("player.currentTime")
    original = rounded(store.read("original", "clip00").samples)
    (first, block), *others = recorded(page).items()
    start = found_at(original, block) - first
    assert len(others) > 5
    assert all(is_at(original, other, start + frame) for frame, other in others)


def test_switching_stays_at_the_same_place(page: Page, store: Store) -> None:
    allow_recorder(page)
    record(page)
    for number in (2, 4, 1, 3):
        length = page.evaluate("window.recorded.length")
        until(page, f"window.recorded.length > {length + 40}")
        page.keyboard.press(str(number))
    until(page, f"window.recorded.length > {length + 80}")
    sounds = {name: rounded(store.read(name, "clip00").samples) for name in CONDITIONS}
    blocks = recorded(page)
    first = list(blocks)[1]  # of the original; the very first may be faded in
    start = found_at(sounds["original"], blocks[first]) - first
    heard = {frame: [name for name in CONDITIONS if is_at(sounds[name], block, start + frame)] for frame, block in blocks.items()}
    # All conditions run on one clock: each is at the sample where the others would be.
    in_order = [names[0] for frame, names in sorted(heard.items()) if names]
    changes = [name for name, before in zip(in_order, ["", *in_order], strict=False) if name != before]
    assert changes == ["original", "mp3_24", "sbc_64", "original", "mp3_64"]
    # What is between two conditions lasts a few hundredths of a second, blocks of 512 frames.
    assert sum(not names for names in heard.values()) <= 5 * 3


def test_the_difference_is_the_coded_sound_minus_the_original(page: Page, store: Store) -> None:
    allow_recorder(page)
    page.keyboard.press("2")
    page.keyboard.press("d")
    until(page, "document.querySelectorAll('.row[data-drawn=difference]').length === rows.length")
    until(page, "byId('hearing').textContent === 'mp3_24 minus original'")
    record(page)
    until(page, "window.recorded.length > 40")
    original, coded = (rounded(store.read(name, "clip00").samples) for name in ("original", "mp3_24"))
    (first, block), *others = recorded(page).items()
    start = found_at(coded - original, block) - first
    assert len(others) > 5
    assert all(is_at(coded - original, other, start + frame) for frame, other in others)


@pytest.mark.parametrize(("rate", "channels", "length", "most"), [(44_100, 1, 30_000, 1000), (16_000, 2, 9_001, 50), (8_000, 1, 300, 1000)])
def test_levels_are_those_of_the_other_pages(page: Page, rate: int, channels: int, length: int, most: int) -> None:
    sound = np.random.default_rng(rate).normal(0, 0.1, (channels, length)).astype(np.float32)
    sound[:, : length // 3] = 0.5 * np.sin(2 * np.pi * 1_000 * np.arange(length // 3) / rate)
    drawn: dict[str, Any] = page.evaluate(
        """async ([channels, rate, most]) => {
            const {bins, frames, levels} = await levelsOf(channels.map((channel) => Float32Array.from(channel)), rate, most);
            return {bins, frames, levels: Array.from(levels)};
        }""",
        [sound.tolist(), rate, most],
    )
    expected = spectrogram(sound, rate, most=most)
    assert (drawn["bins"], drawn["frames"]) == expected.shape
    np.testing.assert_allclose(np.array(drawn["levels"]).reshape(drawn["frames"], -1).T, expected, atol=0.01)


def test_the_cursor_is_in_step_with_the_sound(page: Page) -> None:
    frame = page.locator(".frame").nth(1)
    box = frame.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    seconds = page.evaluate("[player.currentTime, player.duration]")
    assert seconds[0] == pytest.approx(seconds[1] / 2, abs=0.01)
    lefts = page.evaluate("rows.map((row) => row.cursor.getBoundingClientRect().left)")
    assert lefts == pytest.approx([box["x"] + box["width"] / 2] * len(CONDITIONS), abs=2)
    assert float(page.input_value("#time")) == pytest.approx(seconds[0], abs=0.01)


def test_search_and_filters_find_clips(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("siren")
    sirens = sum(number % 3 == 2 for number in range(1, COUNT))
    until(page, f"byId('count').textContent === '{sirens} of {COUNT} clips'")
    page.fill("#text", "")
    page.select_option("#column", "split")
    page.fill("#value", "evaluate")
    until(page, "document.querySelectorAll('#values option').length === 2")
    page.click("#add")
    until(page, f"byId('count').textContent === '{COUNT // 4} of {COUNT} clips'")
    page.click("#filters button")
    until(page, f"byId('count').textContent === '{COUNT} of {COUNT} clips'")
    page.click("#next")
    until(page, f"byId('pages').textContent === '{PAGE + 1} to {COUNT}'")
    page.click("#clips li:last-child button")
    until(page, f"byId('clip').textContent === '{BROKEN}'")


def test_a_label_with_markup_is_shown_as_text(page: Page) -> None:
    assert HOSTILE in page.inner_text("#facts")
    assert HOSTILE in page.inner_text("#clips li:first-child")
    assert HOSTILE in page.inner_text("#table")
    assert page.evaluate("window.hacked") is None


def test_the_keyboard_does_everything(page: Page) -> None:
    def chosen() -> str:
        return str(page.locator(".pick[aria-pressed=true] .name").inner_text())

    assert chosen() == "original"
    for key, name in (
        ("3", "mp3_64"),
        ("ArrowDown", "sbc_64"),
        ("ArrowDown", "sbc_64"),
        ("ArrowUp", "mp3_64"),
        ("o", "original"),
        ("o", "mp3_64"),
    ):
        page.keyboard.press(key)
        assert chosen() == name
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowLeft")
    assert page.evaluate("player.currentTime") == pytest.approx(0.9, abs=0.001)
    page.keyboard.press("Home")
    assert page.evaluate("player.currentTime") == 0
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert page.locator("#help").is_hidden()
    page.keyboard.press("n")
    until(page, "byId('clip').textContent === 'clip01'")
    page.keyboard.press("p")
    until(page, "byId('clip').textContent === 'clip00'")
    page.focus("#value")
    page.keyboard.type("2 o")
    assert page.input_value("#value") == "2 o"
    assert chosen() == "mp3_64"
    page.focus(".row:nth-child(2) .pick")
    page.keyboard.press("Space")
    until(page, "!player.paused")
    page.keyboard.press("Space")
    until(page, "player.paused")
    assert chosen() == "mp3_64"


def test_keys_count_while_a_clip_is_loading(browser: Browser, server: str) -> None:
    with open_page(browser, "about:blank") as page:
        held: list[Route] = []
        page.route("**/api/clip?*", lambda route: held.append(route))  # a function of its own, since playwright marks it
        page.goto(server)
        until_held(page, held, 1)
        page.keyboard.press("d")  # there is nothing yet to make a difference of
        held.pop().continue_()
        ready(page)
        assert page.get_attribute("#difference", "aria-pressed") == "false"
        for _ in range(3):
            page.keyboard.press("n")
        until_held(page, held, 3)
        for route in held:
            route.continue_()
        until(page, "byId('clip').textContent === 'clip03'")


def until_held(page: Page, held: list[Route], count: int) -> None:
    end = time.monotonic() + 20
    while len(held) < count:
        assert time.monotonic() < end, f"{len(held)} of {count} requests came"
        page.wait_for_timeout(20)


def test_a_clip_plays_as_soon_as_it_is_loaded_and_the_next_one_follows(page: Page) -> None:
    page.keyboard.press("n")
    page.keyboard.press("Space")
    until(page, "byId('clip').textContent === 'clip01' && player.currentTime > 0.1")
    page.keyboard.press("n")
    until(page, "byId('clip').textContent === 'clip02' && player.currentTime > 0.1")
    page.keyboard.press("Space")
    until(page, "player.paused")
    page.keyboard.press("n")
    until(page, "byId('clip').textContent === 'clip03' && player.duration > 0")
    assert page.evaluate("player.paused")


def test_nothing_moves_while_the_page_loads(browser: Browser, server: str) -> None:
    for width in (1400, 420):
        with open_page(browser, "about:blank", width=width) as page:
            page.add_init_script(
                "window.shifts = []; new PerformanceObserver((list) => window.shifts.push(...list.getEntries().map((each) => each.value)))"
                ".observe({type: 'layout-shift', buffered: true})"
            )
            page.goto(server)
            ready(page)
            assert page.evaluate("window.shifts") == []


def test_a_clip_that_ends_can_be_played_again(page: Page) -> None:
    page.evaluate("player.currentTime = player.duration - 0.2")
    page.click("#play")
    until(page, "player.ended")
    assert page.inner_text("#play") == "Play"
    page.click("#play")
    until(page, "!player.paused && player.currentTime < 1 && player.currentTime > 0")


def test_the_recipes_that_hold_a_clip_are_named(page: Page) -> None:
    assert "None of 1 recipe" in page.inner_text("#recipes")
    page.keyboard.press("n")
    until(page, "byId('clip').textContent === 'clip01'")
    assert "half coded" in page.inner_text("#recipes")
    assert "original: 1, mp3_24: 0.5" in page.inner_text("#recipes")


def test_how_a_condition_was_made_is_shown_with_its_bitstream(page: Page, store: Store) -> None:
    page.keyboard.press("2")
    until(page, "byId('provenance').textContent.includes('libmp3lame')")
    with page.expect_download() as download:
        page.click(".row:nth-child(2) .download")
    location = store.location("mp3_24", "clip00")
    assert download.value.suggested_filename == "clip00.mp3_24.mp3"
    assert download.value.path().read_bytes() == location.read(store.folder)


def test_the_address_leads_back_to_a_clip_and_its_condition(browser: Browser, page: Page) -> None:
    page.keyboard.press("n")
    until(page, "byId('clip').textContent === 'clip01'")
    page.keyboard.press("4")
    with open_page(browser, page.url) as again:
        ready(again)
        assert again.inner_text("#clip") == "clip01"
        until(again, "byId('hearing').textContent === 'sbc_64'")


def test_a_broken_clip_says_what_is_wrong_and_the_others_play(browser: Browser, server: str) -> None:
    with open_page(browser, f"{server}#clip={BROKEN}&condition=mp3_24", expected="status of 422") as page:
        ready(page)
        assert "does not match its sha256" in page.inner_text(".row:nth-child(2) .error")
        assert page.is_disabled("#play")
        page.keyboard.press("3")
        until(page, "!byId('play').disabled")
        page.click("#play")
        until(page, "player.currentTime > 0.1")


def test_an_unknown_clip_says_so(browser: Browser, server: str) -> None:
    with open_page(browser, f"{server}#clip=nobody", expected="status of 404") as page:
        until(page, "byId('message').textContent !== ''")
        assert page.inner_text("#message") == "no clip 'nobody' in the store; search for a part of its name"
