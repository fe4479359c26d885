"""Accuracy, mean average precision and equal error rate, against values worked out by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_average_precision

from streamaug.stress.analysis.metrics import (
    ACCURACY,
    EQUAL_ERROR,
    MEAN_PRECISION,
    precisions,
    replicates,
    threshold_at_equal_error,
)
from streamaug.stress.bootstrap import group_draws


def one_hot(numbers, classes):
    return np.eye(classes, dtype=bool)[np.asarray(numbers)]


def eer(positive, negative):
    scores = np.array([*positive, *negative])[:, None]
    return EQUAL_ERROR.value(scores, one_hot([1] * len(positive) + [0] * len(negative), 2))


def test_the_equal_error_rate_of_a_tiny_set():
    # From 0.7 up are two of three positives and one of three negatives: a third is wrong on each side.
    assert eer([0.9, 0.8, 0.3], [0.7, 0.2, 0.1]) == pytest.approx(1 / 3)
    assert eer([0.9, 0.8], [0.2, 0.1]) == 0
    assert eer([0.1, 0.2], [0.8, 0.9]) == 1


def test_the_equal_error_rate_lies_between_two_thresholds_where_no_threshold_makes_both_equal():
    # At 0.9: half missed, none taken wrongly. At 0.5: none missed, one of three taken wrongly. The line
    # from (0, 1/2) to (1/3, 0) meets equality at x = 1/2 - 3/2 x, so x = 1/5.
    assert eer([0.9, 0.5], [0.5, 0.2, 0.1]) == pytest.approx(1 / 5)


def test_equal_scores_for_all_are_a_guess():
    assert eer([0.5, 0.5], [0.5, 0.5, 0.5]) == pytest.approx(0.5)


def test_two_scores_per_clip_count_by_their_difference():
    scores, truth = np.array([[0.2, 0.9], [5.0, 5.5], [0.9, 0.2], [3.0, 1.0]]), one_hot([1, 1, 0, 0], 2)
    assert EQUAL_ERROR.value(scores, truth) == EQUAL_ERROR.value(scores[:, 1:] - scores[:, :1], truth) == 0


def test_the_threshold_is_a_score_at_which_both_errors_are_near():
    assert threshold_at_equal_error(np.array([0.9, 0.8, 0.2, 0.1]), np.array([True, True, False, False])) == 0.8


def test_the_greatest_score_is_the_answer_and_the_first_of_equal_ones():
    scores = np.array([[0.5, 0.5], [0.1, 0.9], [0.9, 0.1], [0.5, 0.5]])
    assert ACCURACY.value(scores, one_hot([0, 1, 1, 1], 2)) == 0.5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30).filter(lambda clips: any(mine for _, mine in clips)))
def test_average_precision_is_that_of_torchmetrics_even_with_equal_scores(clips):
    scores, truth = np.array([score / 5 for score, _ in clips]), np.array([mine for _, mine in clips])
    expected = binary_average_precision(torch.tensor(scores), torch.tensor(truth).int()).item()
    assert precisions(scores[:, None], truth[:, None], np.ones((1, len(clips))))[0, 0] == pytest.approx(expected, abs=1e-6)


def test_a_label_without_clips_is_left_out_of_the_mean():
    scores, truth = np.array([[0.9, 0.4], [0.1, 0.6]]), np.array([[True, False], [False, False]])
    assert MEAN_PRECISION.value(scores, truth) == 1


@pytest.mark.parametrize("metric", [ACCURACY, MEAN_PRECISION, EQUAL_ERROR], ids=lambda metric: metric.name)
def test_a_weight_is_how_often_a_clip_is_there(metric):
    rng = np.random.default_rng(3)
    columns = 2 if metric is EQUAL_ERROR else 3
    scores, truth = rng.integers(0, 6, (30, columns)) / 5, one_hot(rng.integers(0, columns, 30), columns)
    weights = rng.integers(0, 4, (5, 30))
    repeated = [metric.value(np.repeat(scores, each, 0), np.repeat(truth, each, 0)) for each in weights]
    assert metric.evaluate(scores, truth, weights) == pytest.approx(repeated)


@pytest.mark.parametrize("metric", [ACCURACY, MEAN_PRECISION, EQUAL_ERROR], ids=lambda metric: metric.name)
def test_all_conditions_are_resampled_by_the_same_draws_of_whole_groups(metric):
    rng = np.random.default_rng(4)
    columns = 2 if metric is EQUAL_ERROR else 3
    scores, truth, groups = rng.random((2, 24, columns)), one_hot(rng.integers(0, columns, 24), columns), np.repeat(np.arange(8), 3)
    found = replicates(metric, scores, truth, groups)[:50]
    counts = next(group_draws(8, resamples=50, block=50))
    expected = np.stack([metric.evaluate(each, truth, counts[:, groups]) for each in scores], 1)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.nan_to_num(found) == pytest.approx(np.nan_to_num(expected))
