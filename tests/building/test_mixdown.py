"""Sources with several channels: which one a store gets, and what is said of channels that cancel
or are dead."""

import numpy as np
import pytest

from streamaug.building.reading import Reading
from streamaug.building.sources import load
from streamaug.errors import ClipsError
from tests.building.audio_bytes import RATE, noise, riff


@pytest.fixture
def read(tmp_path):
    def load_channels(*channels: np.ndarray, **settings):
        pcm = np.stack([np.rint(channel).astype(np.int16) for channel in channels], 1)
        (tmp_path / "clip.wav").write_bytes(riff(pcm.tobytes(), channels=len(channels)))
        return load(str(tmp_path / "clip.wav"), Reading(rate=RATE, **settings))

    return load_channels


A, B = noise(1).astype(float), noise(2).astype(float)


@pytest.mark.parametrize(
    ("channels", "lost"),
    [
        ((A,), 0),
        ((A, A), 0),
        ((A, 0.8 * A), 0),
        ((A, B), 3),
        ((A, B, noise(3), noise(4), noise(5)), 3),
        ((A, -0.5 * A), 10),
        ((A, -0.95 * A), 31.6),
        ((A, A, -A), 7.8),
        ((A + 3000, 3000 - A), 100),
        ((A, -A), 100),
    ],
)
def test_what_cancels_is_measured_in_db(read, channels, lost):
    assert read(*channels).lost_db == pytest.approx(lost, abs=0.3)


def test_dead_channels_are_named(read):
    silence, hum = np.zeros(RATE), np.full(RATE, 500.0)
    assert read(A, silence).dead_channels == "right"
    assert read(hum, A).dead_channels == "left"
    assert read(A, silence, B, silence).dead_channels == "2, 4"
    assert read(A, B).dead_channels == read(silence, silence).dead_channels == read(hum, hum).dead_channels == ""
    assert read(A, silence, channel="left").dead_channels == ""
    assert read(A, silence, channel="right").dead_channels == "right"


def test_the_channel_that_is_chosen_is_read_as_it_is(read):
    np.testing.assert_array_equal(read(A, -A, channel="left").pcm, A)
    np.testing.assert_array_equal(read(A, B, channel="right").pcm, B)
    np.testing.assert_array_equal(read(A, channel="right").pcm, A)
    np.testing.assert_array_equal(read(A, B).pcm, np.rint((A + B) / 2))
    assert read(A, -A, channel="left").lost_db == 0


def test_a_channel_that_does_not_exist_is_refused():
    with pytest.raises(ClipsError, match="channel 'middle' does not exist; use one of mix, left, right"):
        Reading(rate=RATE, channel="middle")  # type: ignore[arg-type]  # the wrong name is what is tested


def test_clips_that_are_longer_than_any_source_are_refused():
    with pytest.raises(ClipsError, match=r"clips of 2 s are longer than the longest source that is read, 1.5 s; use a smaller --seconds"):
        Reading(rate=RATE, samples=2 * RATE, longest=1.5)
    with pytest.raises(ClipsError, match="more than 0"):
        Reading(rate=RATE, longest=0)
