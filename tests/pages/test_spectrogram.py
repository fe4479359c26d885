"""Levels are in dB, bins in Hz, frames in seconds; every picture has the same scale."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from streamaug.codecs.base import Audio
from streamaug.pages.spectrogram import FLOOR, difference_of, picture_of, spectrogram

RATE = 16_000


def sine(hertz: float, seconds: float = 1.0, level: float = 1.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def noise(seconds: float = 1.0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.float32)


def brightness(png: bytes) -> float:
    """Mean brightness of the middle of a picture, which is inside the spectrogram."""
    pixels = imread(io.BytesIO(png))[..., :3].mean(-1)
    height, width = pixels.shape
    return float(pixels[height // 3 : height // 2, width // 3 : width // 2].mean())


@pytest.mark.parametrize(("level", "decibels"), [(1.0, 0.0), (0.5, -6.02), (0.01, -40.0)])
def test_a_sine_is_at_its_frequency_with_its_level(level: float, decibels: float) -> None:
    levels = spectrogram(sine(2_000, level=level), RATE)
    middle = levels[:, levels.shape[1] // 2]
    assert middle.argmax() * (RATE / 2) / (len(middle) - 1) == 2_000
    assert middle.max() == pytest.approx(decibels, abs=0.01)


def test_a_click_is_at_its_time() -> None:
    samples = np.zeros(RATE, np.float32)
    samples[RATE // 4] = 1
    levels = spectrogram(samples, RATE)
    assert levels.max(0).argmax() == pytest.approx(levels.shape[1] / 4, abs=1)


def test_silence_is_at_the_floor_and_so_is_a_clip_without_samples() -> None:
    assert np.all(spectrogram(np.zeros(RATE, np.float32), RATE) == FLOOR)
    assert np.all(spectrogram(np.zeros(0, np.float32), RATE) == FLOOR)


def test_a_clip_shorter_than_the_window_has_its_spectrum() -> None:
    assert spectrogram(sine(2_000, seconds=0.01), RATE).max() > -20


def test_channels_of_opposite_phase_do_not_cancel() -> None:
    one = sine(2_000)
    assert np.allclose(spectrogram(np.stack([one, -one]), RATE), spectrogram(one, RATE))


def test_a_long_clip_has_few_frames_that_keep_its_power_and_leave_no_sound_out() -> None:
    samples = noise(seconds=60)
    samples[RATE * 45] = 30  # one sample: a spectrogram that skips would not see it
    every, few = spectrogram(samples, RATE, most=100_000), spectrogram(samples, RATE, most=100)
    assert few.shape[1] <= 100 < every.shape[1]
    assert few.max(0).argmax() == pytest.approx(75, abs=1)
    power, mean_power = (10 ** (levels / 10) for levels in (every, few))
    assert mean_power.mean() == pytest.approx(power.mean(), rel=0.01)


def test_all_pictures_have_one_colour_scale() -> None:
    loud, quiet = (picture_of({"clip": Audio(samples=noise(level=level), rate=RATE)}) for level in (0.1, 0.01))
    assert brightness(loud) > brightness(quiet) + 0.1


def test_a_difference_is_white_where_nothing_changed_and_darker_where_something_did() -> None:
    original = Audio(samples=noise(), rate=RATE)
    same, other = (difference_of(original, Audio(samples=original.samples * factor, rate=RATE), "other") for factor in (1, 0.05))
    assert brightness(same) > 0.95
    assert brightness(other) < 0.8


def test_pictures_are_under_each_other_and_narrow_enough_for_a_telephone() -> None:
    sound = Audio(samples=noise(), rate=RATE)
    one, two, four = (imread(io.BytesIO(picture_of({str(number): sound for number in range(count)}))) for count in (1, 2, 4))
    assert two.shape[1] == four.shape[1] <= 700
    assert one.shape[1] <= 700
    assert four.shape[0] > 1.7 * two.shape[0]
