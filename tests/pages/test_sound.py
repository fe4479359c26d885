"""What a browser plays is what training sees, to the sample."""

import io

import numpy as np
import pytest
import soundfile

from streamaug.codecs.base import Audio
from streamaug.pages.sound import browser_sound


@pytest.mark.parametrize("shape", [(4_410,), (2, 4_410)])
@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_a_sound_keeps_its_samples_channels_and_rate(shape: tuple[int, ...], rate: int) -> None:
    samples = np.random.default_rng(1).uniform(-0.99, 0.99, shape).astype(np.float32)
    sound = browser_sound(Audio(samples=samples, rate=rate))
    heard, heard_rate = soundfile.read(io.BytesIO(sound.data), dtype="float32")
    assert sound.mime == "audio/flac"
    assert heard_rate == rate
    assert heard.T.shape == shape
    assert np.abs(heard.T - samples).max() <= 0.5 / 32_768


def test_samples_of_16_bits_come_back_exactly() -> None:
    samples = np.random.default_rng(2).integers(-32_768, 32_768, 1_000).astype(np.float32) / 32_768
    heard, _ = soundfile.read(io.BytesIO(browser_sound(Audio(samples=samples, rate=16_000)).data), dtype="float32")
    assert np.array_equal(heard, samples)


def test_a_sound_that_is_too_loud_is_clipped_and_does_not_wrap_around() -> None:
    samples = np.array([1.5, -1.5, 1.0], np.float32)
    heard, _ = soundfile.read(io.BytesIO(browser_sound(Audio(samples=samples, rate=16_000)).data), dtype="int16")
    assert heard.tolist() == [32_767, -32_768, 32_767]
