"""Answers against the grade of each clip."""

import numpy as np
import pytest

from streamaug.stress.analysis.grades import condition_grades, grade_bins
from tests.stress.made import answers

LABELS = ("cat", "dog", "owl")
CAT, DOG = [1, 0, 0], [0, 1, 0]
MADE = answers(
    {"a": "cat", "b": "cat", "c": "cat"}, {"original": [CAT, CAT, DOG], "mp3_8": [CAT, DOG, DOG], "mp3_64": [CAT, CAT, CAT]}, LABELS
)
ODG = {"mp3_8": np.array([-3.6, -3.5, np.nan]), "mp3_64": np.array([-0.2, 0.1, -0.6])}


def test_the_mean_is_over_the_clips_that_have_a_grade():
    found = {each.condition: (each.odg, each.clips) for each in condition_grades(MADE, ODG)}
    assert found == {"mp3_8": (pytest.approx(-3.55), 2), "mp3_64": (pytest.approx(-0.233333), 3)}


def test_clips_are_counted_by_the_nearest_grade():
    found = [(each.grade, each.answers, each.original, each.coded) for each in grade_bins(MADE, ODG)]
    assert found == [("imperceptible", 2, 1, 1), ("perceptible, not annoying", 1, 0, 1), ("very annoying", 2, 1, 0.5)]


def test_no_grades_are_no_bins():
    assert condition_grades(MADE, {}) == grade_bins(MADE, {}) == []
