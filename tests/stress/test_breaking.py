"""The breaking bitrate, against values worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from streamaug.stress.analysis.breaking import Bitrate, breaking_bitrates, breaking_points, isotonic

CONDITIONS = ("original", "mp3_16", "mp3_32", "mp3_64")


def breaking(values, *, conditions=CONDITIONS, drop=0.05, draws=None):
    values = np.array(values)
    drawn = values[None].repeat(3, 0) if draws is None else np.array(draws)
    return breaking_points(conditions, values, drawn, drop=drop)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-20, 20), min_size=1, max_size=12))
def test_the_fit_is_that_of_pool_adjacent_violators(values):
    assert isotonic(np.array(values, float)) == pytest.approx(isotonic_regression(values).x)


def test_many_draws_are_fitted_together():
    assert isotonic(np.array([[3.0, 1.0, 2.0], [1.0, 2.0, 3.0]])).tolist() == [[2.0, 2.0, 2.0], [1.0, 2.0, 3.0]]


def test_the_bitrate_is_read_off_a_line_over_its_logarithm():
    # 5 % of 0.80 is 0.04, so the threshold is 0.76: halfway from 0.72 at 32 to 0.80 at 64 kbps, which
    # is the geometric mean.
    (found,) = breaking([0.80, 0.60, 0.72, 0.80])
    assert found.codec == "mp3"
    assert found.bitrate.case == "at"
    assert found.bitrate.kbps == pytest.approx(np.sqrt(32 * 64), abs=1e-6)
    assert found.low == found.high == found.bitrate
    assert found.tested == (16, 32, 64)


def test_a_value_that_falls_with_more_bits_is_averaged_with_its_neighbour():
    # 16 and 32 kbps are fitted as 0.65 each; 0.76 is 11/15 of the way from there to 0.80.
    (found,) = breaking([0.80, 0.70, 0.60, 0.80])
    assert found.bitrate.kbps == pytest.approx(32 * 2 ** (11 / 15), abs=1e-6)


def test_the_highest_tested_bitrate_that_costs_too_much_is_above():
    (found,) = breaking([0.80, 0.2, 0.3, 0.7])
    assert found.bitrate == Bitrate(case="above", kbps=64)


def test_the_lowest_tested_bitrate_that_costs_little_is_below():
    (found,) = breaking([0.80, 0.78, 0.79, 0.9])
    assert found.bitrate == Bitrate(case="below", kbps=16)


def test_a_drop_of_exactly_what_is_allowed_is_allowed():
    (found,) = breaking([0.80, 0.5, 0.80 * 0.95, 0.80])
    assert found.bitrate == Bitrate(case="at", kbps=32)
    assert breaking([0.80, 0.76], conditions=("original", "mp3_16"))[0].bitrate == Bitrate(case="below", kbps=16)


def test_a_codec_with_one_bitrate_has_a_side_and_no_number():
    (found,) = breaking([0.8, 0.7], conditions=("original", "opus_24"))
    assert found.bitrate == Bitrate(case="above", kbps=24)


def test_chains_and_effects_have_no_breaking_bitrate():
    assert breaking([0.8, 0.7, 0.6], conditions=("original", "pitch", "mp3_64+aac_32")) == []


def test_the_interval_reaches_from_a_number_to_above_the_tested_bitrates():
    draws = [[0.80, 0.60, 0.72, 0.80]] * 90 + [[0.80, 0.60, 0.70, 0.75]] * 10
    (found,) = breaking([0.80, 0.60, 0.72, 0.80], draws=draws)
    assert found.low == found.bitrate
    assert found.high == Bitrate(case="above", kbps=64)


def test_without_draws_there_is_no_interval():
    (found,) = breaking([0.80, 0.60, 0.72, 0.80], draws=np.empty((0, 4)))
    assert (found.low, found.high) == (None, None)


def test_more_bits_than_the_threshold_needs_do_not_move_the_crossing():
    kbps = np.array([8.0, 16.0, 32.0])
    found = breaking_bitrates(kbps, np.array([[0.1, 0.5, 0.5], [0.1, 0.5, 0.9]]), np.array([0.3, 0.3]))
    assert found[0] == found[1] == pytest.approx(8 * 2**0.5)
