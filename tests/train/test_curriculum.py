"""The mixture of a training is counted as it is trained on: whole epochs, or steps."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from streamaug.planning import Plan
from streamaug.recipes import Schedule
from tests.planning.inventories import inventory, recipe
from train.curriculum import mixture_of
from train.figures import mixture_over_time

CLIPS, BATCH = 120, 20


def plan_of(**weights) -> Plan:
    return Plan(recipe=recipe("one-per-clip", weights), inventory=inventory(CLIPS))


def shares_of(plan: Plan, steps: int) -> tuple[list[int], np.ndarray]:
    """Times, and the share of each condition from each time on."""
    rows, times = mixture_of(plan, steps=steps, batch=BATCH)
    return times.tolist(), rows / rows.sum(1, keepdims=True)


def test_weights_by_epoch_are_counted_in_whole_epochs():
    plan = plan_of(original={0: 1, 3: 0}, mp3_64={0: 0, 3: 1})
    times, shares = shares_of(plan, 5 * CLIPS // BATCH)
    assert plan.conditions == ("original", "mp3_64")
    assert times == [0, 1, 2, 3, 4, 5]
    assert shares.tolist() == [[1, 0]] * 3 + [[0, 1]] * 2


def test_a_training_that_ends_inside_an_epoch_shows_that_epoch():
    times, shares = shares_of(plan_of(original=1, mp3_64=1), CLIPS // BATCH + 1)
    assert times == [0, 1, 2]
    assert shares == pytest.approx(np.full((2, 2), 0.5))


def test_weights_by_step_are_counted_in_steps():
    fading = {"original": Schedule.of({0: 1, 8: 0}, unit="step"), "mp3_64": Schedule.of({0: 0, 8: 1}, unit="step")}
    plan = Plan(recipe=recipe("weighted", fading, rows=CLIPS, stratify=BATCH), inventory=inventory(CLIPS))
    times, shares = shares_of(plan, 14)
    assert times == list(range(15))
    assert shares.tolist() == [[1, 0]] * 8 + [[0, 1]] * 6


def test_a_long_training_is_looked_at_a_hundred_times():
    times, shares = shares_of(plan_of(original=1, mp3_64=1), 1_000 * CLIPS // BATCH)
    assert len(shares) == 100
    assert times[-1] == 1_000


def test_the_picture_has_the_conditions_above_one_another():
    shares = np.array([[75, 25], [25, 75]])
    pixels = imread(io.BytesIO(mixture_over_time(("original", "mp3_64"), shares, np.arange(3), unit="epoch")))[..., :3]
    blue = (np.abs(pixels - (0x1F / 255, 0x77 / 255, 0xB4 / 255)) < 0.01).all(-1)
    heights = blue.sum(0)  # of the first condition, from the left: three quarters, then one
    filled = heights[heights > 20]
    assert filled.max() == pytest.approx(3 * filled.min(), rel=0.05)
