"""A weight over time: its value at any time, its sum, and its spelling."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaug.recipes import Schedule
from streamaug.recipes.schedule import times_to_check
from tests.planning.settings import some

weights = st.sampled_from([0, 0.1, 0.29, 1, 2.5])
points = st.dictionaries(st.integers(1, 40), weights, max_size=5).flatmap(lambda later: weights.map(lambda first: {0: first, **later}))


@some
@given(points=points, ramp=st.booleans())
def test_it_sums_to_what_its_times_have(points: dict[int, float], ramp: bool) -> None:
    schedule = Schedule.of(points, ramp=ramp)
    total = Fraction(0)
    for time in range(50):
        assert schedule.before(time) == total
        total += schedule.at(time)


@some
@given(points=points)
def test_a_ramp_goes_through_its_points_in_straight_lines(points: dict[int, float]) -> None:
    ramp = Schedule.of(points, ramp=True)
    for time, weight in points.items():
        assert ramp.at(time) == Fraction(str(weight))
    inner = [time for time in range(1, 49) if time not in points]
    assert all(ramp.at(time - 1) + ramp.at(time + 1) == 2 * ramp.at(time) for time in inner)
    assert all(ramp.at(time + 1) - ramp.at(time) == ramp.slope(time) for time in range(49))


def test_steps_stay_until_the_next_point() -> None:
    steps = Schedule.of({0: 0.1, 3: 0, 7: 2.5})
    assert [float(steps.at(time)) for time in (0, 2, 3, 6, 7, 1000)] == [0.1, 0.1, 0, 0, 2.5, 2.5]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Schedule.of({0: 1, 5: 1, 9: 2}), Schedule.of({0: 1, 9: 2})),
        (Schedule.of({0: 1, 5: 0.5, 10: 0}, ramp=True), Schedule.of({0: 1, 10: 0}, ramp=True)),
        (Schedule.of({0: 1, 10: 0, 20: 0}, ramp=True), Schedule.of({0: 1, 10: 0}, ramp=True)),
        (Schedule.of({0: 2, 10: 2}, ramp=True, unit="step"), Schedule.of(2)),
    ],
)
def test_what_changes_nothing_is_left_out(one: Schedule, other: Schedule) -> None:
    assert one == other


def test_shape_and_unit_are_part_of_what_a_hash_covers() -> None:
    points = {0: 1, 5: 0.5}
    every = [Schedule.of(points, ramp=ramp, unit=unit) for ramp in (False, True) for unit in ("epoch", "step")]  # type: ignore[arg-type]  # a literal
    assert len({str(each.hashed()) for each in every}) == len({str(each.plain()) for each in every}) == 4


@some
@given(one=points, other=points, ramp=st.booleans())
def test_the_extremes_of_what_is_linear_are_at_the_times_to_check(one: dict[int, float], other: dict[int, float], ramp: bool) -> None:
    first, second = Schedule.of(one, ramp=True), Schedule.of(other, ramp=ramp)
    differences = [first.at(time) - 3 * second.at(time) for time in range(60)]
    checked = [differences[time] for time in times_to_check([first, second])]
    assert (min(checked), max(checked)) == (min(differences), max(differences))
