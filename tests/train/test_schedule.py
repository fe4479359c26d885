"""The learning rate over a run."""

import itertools
import math

import pytest

from train.schedule import learning_rate

STEPS_AN_EPOCH = 437  # ceil(13 962 / 32), the paper's row 1


def test_the_paper_restarts_at_epochs_2_6_14_30_62_and_126():
    rates = [learning_rate(step, total=254 * STEPS_AN_EPOCH, cycles=7, max_lr=0.1) for step in range(254 * STEPS_AN_EPOCH)]
    restarts = [step for step, (before, after) in enumerate(itertools.pairwise(rates), 1) if after > before]
    assert restarts == [epoch * STEPS_AN_EPOCH for epoch in (2, 6, 14, 30, 62, 126)]
    assert all(rates[step] == pytest.approx(0.1) for step in [0, *restarts])
    assert all(rates[step - 1] < 1.01e-5 for step in restarts[3:])
    assert min(rates) >= 1e-5


@pytest.mark.parametrize("total", [1, 2, 7, 100, 801])
@pytest.mark.parametrize("cycles", [1, 3, 7])
def test_any_number_of_steps_lies_between_the_ends(total, cycles):
    for step in range(total):
        assert 1e-5 <= learning_rate(step, total=total, cycles=cycles, max_lr=0.1) <= 0.1


def test_one_cycle_is_a_half_cosine():
    rates = [learning_rate(step, total=10, cycles=1, max_lr=1.0) for step in range(10)]
    assert rates == pytest.approx([1e-4 + (1 - 1e-4) * (1 + math.cos(math.pi * step / 10)) / 2 for step in range(10)])


def test_the_further_decay_divides_by_one_plus_a_millionth_of_the_step():
    plain, decayed = (learning_rate(500_000, total=10**6, cycles=1, max_lr=0.1, decay=decay) for decay in (0.0, 1e-6))
    assert decayed == pytest.approx(plain / 1.5)


@pytest.mark.parametrize("step", [-1, 10])
def test_a_step_outside_the_schedule_is_refused(step):
    with pytest.raises(ValueError, match=r"outside the 10 steps"):
        learning_rate(step, total=10, cycles=1, max_lr=0.1)
