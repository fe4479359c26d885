"""Intervals by drawing whole groups."""

import numpy as np
import pytest

from streamaug.stress.bootstrap import ENDS, group_draws, paired_difference, resampled_means


def test_the_bootstrap_draws_groups_and_not_clips():
    by_group = np.arange(40) < 23
    first, second = np.repeat(by_group, 25).astype(float), np.repeat(~by_group, 25).astype(float)
    grouped = paired_difference(first, second, np.repeat(np.arange(40), 25))
    single = paired_difference(first, second, np.arange(1000))
    assert grouped.mean == single.mean
    assert (grouped.high - grouped.low) / (single.high - single.low) == pytest.approx(5, rel=0.1)  # the root of 25 clips a group
    assert single.is_significant
    assert not grouped.is_significant


def test_the_interval_is_that_of_a_normal_mean_where_groups_are_clips():
    generator = np.random.default_rng(1)
    first, second = generator.random((2, 2000)) < [[0.7], [0.6]]
    found = paired_difference(first, second, np.arange(2000))
    half = 1.96 * np.std(first.astype(float) - second) / np.sqrt(2000)
    assert found.low == pytest.approx(found.mean - half, abs=0.1 * half)
    assert found.high == pytest.approx(found.mean + half, abs=0.1 * half)


def test_nineteen_of_twenty_intervals_contain_the_true_accuracy():
    """Groups of ten clips whose accuracies vary from group to group; the share that covers is
    binomial, so it is between 0.91 and 0.98 for 400 intervals."""
    generator = np.random.default_rng(2)
    groups = np.repeat(np.arange(60), 10)
    right = generator.random((600, 400)) < np.repeat(generator.beta(7, 3, (60, 400)), 10, axis=0)
    low, high = np.percentile(resampled_means(right, groups), ENDS, axis=0)
    assert 0.91 <= ((low <= 0.7) & (high >= 0.7)).mean() <= 0.98


def test_blocks_change_no_draw():
    one, other = (np.concatenate(list(group_draws(7, resamples=20, block=block))) for block in (20, 3))
    assert np.array_equal(one, other)
