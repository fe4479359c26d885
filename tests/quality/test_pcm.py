import numpy as np

from streamaug.quality.pcm import at_48_khz


def test_samples_are_rounded_before_and_after_resampling():
    decoded = np.random.default_rng(1).uniform(-0.5, 0.5, 4410)
    converted = at_48_khz(decoded, 44_100)
    assert converted.dtype == np.int16
    assert converted.shape == (4800,)
    below_half_a_step = decoded + 0.2 / 32768 - (decoded * 32768 - np.rint(decoded * 32768)) / 32768
    assert np.array_equal(at_48_khz(below_half_a_step, 44_100), converted)


def test_at_48_khz_samples_are_only_rounded():
    assert at_48_khz(np.array([0.5, -1.0, 1.5, 0.4 / 32768]), 48_000).tolist() == [16384, -32768, 32767, 0]


def test_channels_are_kept():
    assert at_48_khz(np.zeros((441, 2)), 44_100).shape == (480, 2)
