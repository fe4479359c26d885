"""Symmetries of the model, and what it says to signals that cannot be graded."""

import math

import numpy as np
import pytest

from streamaug.errors import QualityError
from streamaug.quality.peaq import peaq

RATE = 48_000


def coloured_noise(seed: int, seconds: float = 2.0) -> np.ndarray:
    """Int16 noise that falls off towards high frequencies and ends at 20 kHz, as music at 44.1 kHz
    does.
    """
    samples = int(RATE * seconds)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples))
    hertz = np.fft.rfftfreq(samples, 1 / RATE)
    shaped = np.fft.irfft(spectrum * np.where(hertz < 20_000, 1 / (1 + hertz / 1000), 0), samples)
    return np.round(4000 * shaped / shaped.std()).astype(np.int16)


REFERENCE = coloured_noise(1)
NOISE = coloured_noise(2)


def with_noise(gain: float, reference: np.ndarray = REFERENCE) -> np.ndarray:
    return np.round(reference + gain * NOISE[: len(reference)]).clip(-32768, 32767).astype(np.int16)


def test_a_signal_against_itself_differs_in_nothing():
    graded = peaq(REFERENCE, REFERENCE, RATE)
    assert 0.19 < graded.odg < 0.22
    differences = ("WinModDiff1B", "ADBB", "EHSB", "AvgModDiff1B", "AvgModDiff2B", "RmsNoiseLoudB", "MFPDB", "RelDistFramesB")
    assert {name: graded.movs[name] for name in differences} == dict.fromkeys(differences, 0)
    assert graded.movs["BandwidthRefB"] == graded.movs["BandwidthTestB"] > 800
    assert graded.movs["TotalNMRB"] < -100
    assert not graded.saturated
    assert not graded.without_bandwidth


def test_int16_and_unit_scale_give_the_same_bits():
    test = with_noise(0.05)
    assert peaq(REFERENCE, test, RATE) == peaq(REFERENCE / 32768, (test / 32768).astype(np.float32), RATE)


def test_mono_doubled_to_stereo_gives_the_same_grade():
    test = with_noise(0.05)
    mono, stereo = peaq(REFERENCE, test, RATE), peaq(np.stack([REFERENCE] * 2, axis=1), np.stack([test] * 2, axis=1), RATE)
    assert stereo.movs == pytest.approx(mono.movs, rel=1e-12)
    assert peaq(REFERENCE[:, None], test, RATE) == mono


def test_swapping_the_channels_changes_nothing():
    reference, test = np.stack([REFERENCE, NOISE], axis=1), np.stack([with_noise(0.1), NOISE], axis=1)
    graded, swapped = peaq(reference, test, RATE), peaq(reference[:, ::-1], test[:, ::-1], RATE)
    assert swapped.movs == pytest.approx(graded.movs, rel=1e-12)


def test_more_noise_is_worse_in_every_variable_that_measures_it():
    graded = [peaq(REFERENCE, with_noise(gain), RATE) for gain in (0.001, 0.01, 0.1, 1.0)]
    for name in ("TotalNMRB", "RmsNoiseLoudB", "AvgModDiff1B", "AvgModDiff2B", "WinModDiff1B", "MFPDB", "RelDistFramesB"):
        values = [pair.movs[name] for pair in graded]
        assert values == sorted(values), name
        assert values[0] < values[-1], name
    grades = [pair.odg for pair in graded]
    assert grades == sorted(grades, reverse=True)


def test_the_longer_signal_is_cut_to_the_shorter():
    assert peaq(REFERENCE, with_noise(0.1)[:60_001], RATE) == peaq(REFERENCE[:60_001], with_noise(0.1)[:60_001], RATE)


def test_silence_before_and_after_is_left_out_of_the_averages():
    silence = np.zeros(RATE, np.int16)
    padded = peaq(np.concatenate([silence, REFERENCE, silence]), np.concatenate([silence, with_noise(0.1), silence]), RATE)
    assert padded.frames == 140 - 45 + 1  # frame 45 ends after sample 48000, frame 140 begins before sample 144000


@pytest.mark.parametrize(
    ("reference", "test"),
    [
        (np.zeros(RATE, np.int16), np.zeros(RATE, np.int16)),
        (np.zeros(RATE, np.int16), NOISE[:RATE]),
        (NOISE[:RATE], np.zeros(RATE, np.int16)),
        (NOISE[:0], NOISE[:0]),
        (NOISE[:1], NOISE[:1]),
        (NOISE[:1024], NOISE[:1024]),
        (NOISE[: 28 * 1024 - 1], NOISE[: 28 * 1024 - 1]),
    ],
    ids=["both silent", "silent reference", "silent test", "no sample", "one sample", "one frame", "27 frames"],
)
@pytest.mark.filterwarnings("error")
def test_a_pair_too_short_or_too_quiet_has_no_grade(reference: np.ndarray, test: np.ndarray):
    graded = peaq(reference, test, RATE)
    assert math.isnan(graded.odg)
    assert math.isnan(graded.di)


@pytest.mark.filterwarnings("error")
def test_28_frames_have_a_grade():
    assert peaq(NOISE[: 28 * 1024], NOISE[: 28 * 1024], RATE).odg > 0.1


@pytest.mark.filterwarnings("error")
def test_digital_silence_in_the_middle_of_either_signal_is_graded():
    test = with_noise(0.01)
    hole = test.copy()
    hole[40_000:60_000] = 0
    graded = [peaq(REFERENCE, test, RATE), peaq(REFERENCE, hole, RATE), peaq(hole, REFERENCE, RATE), peaq(hole, hole, RATE)]
    assert all(math.isfinite(pair.odg) and math.isfinite(pair.movs["EHSB"]) for pair in graded)
    assert graded[1].odg < graded[0].odg
    assert graded[3].movs["EHSB"] == 0


def test_a_narrow_band_reference_is_counted_as_without_bandwidth():
    spectrum = np.fft.rfft(REFERENCE)
    spectrum[np.fft.rfftfreq(len(REFERENCE), 1 / RATE) > 3500] = 0
    narrow = np.round(np.fft.irfft(spectrum)).astype(np.int16)
    graded = peaq(narrow, narrow, RATE)
    assert graded.without_bandwidth
    assert (graded.movs["BandwidthRefB"], graded.movs["BandwidthTestB"]) == (0, 0)
    assert math.isfinite(graded.odg)


def test_a_lost_harmonic_tone_saturates_the_error_structure():
    time = np.arange(2 * RATE) / RATE
    tones = sum(np.sin(2 * np.pi * 440 * k * time + k**2) for k in range(1, 45))
    hiss = 30 * np.random.default_rng(3).standard_normal(len(time))
    graded = peaq(np.round(hiss + 500 * tones).astype(np.int16), np.round(hiss).astype(np.int16), RATE)
    assert graded.movs["EHSB"] > 8
    assert graded.saturated


@pytest.mark.parametrize(
    ("reference", "test", "rate", "words"),
    [
        (REFERENCE, REFERENCE, 44_100, "sample rate of 48000 Hz, not 44100 Hz; convert"),
        (REFERENCE, np.stack([REFERENCE] * 2, axis=1), RATE, "reference has 1 channels, test 2"),
        (np.stack([REFERENCE] * 3, axis=1), REFERENCE, RATE, "reference has the shape"),
        (np.stack([REFERENCE] * 2), REFERENCE, RATE, "reference has the shape"),
        (np.float64(0), REFERENCE, RATE, r"reference has the shape \(\)"),
        (REFERENCE, REFERENCE.astype(np.int32), RATE, "test has samples of type int32"),
        (REFERENCE, REFERENCE.astype(np.float32), RATE, "test has samples up to"),
        (REFERENCE, np.array([0.1, np.nan]), RATE, "test has samples that are not finite"),
        (np.array([0.1, -np.inf]), REFERENCE, RATE, "reference has samples that are not finite"),
    ],
)
def test_what_cannot_be_graded_is_refused_with_a_reason(reference: np.ndarray, test: np.ndarray, rate: int, words: str):
    with pytest.raises(QualityError, match=words):
        peaq(reference, test, rate)
