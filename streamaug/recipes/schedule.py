"""A weight over time: constant, in steps, or along a ramp; by epoch, or by training step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal

Unit = Literal["epoch", "step"]
"""What a schedule counts in; a step is a global batch, counted from the start of the training."""


def exact(number: float) -> Fraction:
    """A number as a person wrote it: 0.29 is 29/100, not the nearest binary fraction.

    >>> exact(0.29) * 100
    Fraction(29, 1)
    """
    return Fraction(str(number))


@dataclass(frozen=True)
class Schedule:
    """Points of (time, weight). The first one is at time 0, and the last holds forever.

    Args:
        points: The points in their order.
        ramp: Whether the weight goes in a straight line from point to point. Default: it stays, and
            jumps at the next point.
        unit: Whether times are epochs or steps. Default: epochs.

    >>> fading = Schedule.of({0: 1.0, 50: 0.25})
    >>> fading.at(49), fading.at(50)
    (Fraction(1, 1), Fraction(1, 4))
    >>> fading.before(52)  # 50 epochs of 1 and two of 1/4
    Fraction(101, 2)
    >>> ramp = Schedule.of({0: 1, 4: 0}, ramp=True)
    >>> [float(ramp.at(epoch)) for epoch in range(6)], float(ramp.before(5))
    ([1.0, 0.75, 0.5, 0.25, 0.0, 0.0], 2.5)
    """

    points: tuple[tuple[int, Fraction], ...]
    ramp: bool = False
    unit: Unit = "epoch"

    @classmethod
    def of(cls, weight: float | Mapping[int, float], *, ramp: bool = False, unit: Unit = "epoch") -> "Schedule":
        """A schedule from a number, or from points {time: weight}; points that change nothing are
        left out.

        Args:
            weight: A number, or the points.
            ramp: See the class.
            unit: See the class.
        """
        points = sorted((time, exact(value)) for time, value in (weight if isinstance(weight, Mapping) else {0: weight}).items())
        kept = _corners(points) if ramp else _changes(points)
        return cls(tuple(kept), ramp=ramp, unit=unit) if len(kept) > 1 else cls(tuple(kept))

    def at(self, time: int) -> Fraction:
        """The weight at a time."""
        number = next(number for number in reversed(range(len(self.points))) if self.points[number][0] <= time)
        start, weight = self.points[number]
        return weight + self.slope(start) * (time - start)

    def slope(self, time: int) -> Fraction:
        """By how much the weight changes from a time to the next along a ramp."""
        for (start, weight), (end, then) in pairwise(self.points):
            if start <= time < end and self.ramp:
                return (then - weight) / (end - start)
        return Fraction(0)

    def before(self, time: int) -> Fraction:
        """The sum of the weights at the times 0 to time - 1, in closed form."""
        total = Fraction(0)
        for number, (start, weight) in enumerate(self.points):
            end = self.points[number + 1][0] if number + 1 < len(self.points) else time
            count = max(0, min(end, time) - start)
            total += weight * count + self.slope(start) * (count * (count - 1) // 2)
        return total

    def plain(self) -> Any:
        """The schedule as it is written in a recipe."""
        numbers = {time: plain_number(weight) for time, weight in self.points}
        if len(numbers) == 1:
            return numbers[0]
        shaped = {"ramp": numbers} if self.ramp else numbers
        return {"by_step": shaped} if self.unit == "step" else shaped

    def hashed(self) -> Any:
        """The schedule as a recipe's hash covers it: like `plain`, but exact."""
        points = [[time, str(weight)] for time, weight in self.points]
        shape = ["ramp"] if self.ramp else []
        unit = ["by_step"] if self.unit == "step" else []
        return {" ".join([*unit, *shape]): points} if unit or shape else points


def times_to_check(schedules: Iterable[Schedule]) -> list[int]:
    """Times at which to look at some schedules to know the extremes of all that is linear in their
    weights, ascending; the first is 0.

    Between two points, weights are constant or along straight lines. So it is enough to look at the
    points, and at the last time before a point that a ramp leads to.

    >>> times_to_check([Schedule.of({0: 1, 7: 2}), Schedule.of({0: 1, 50: 0}, ramp=True)])
    [0, 6, 7, 49, 50]
    """
    schedules = list(schedules)
    points = {time for schedule in schedules for time, _ in schedule.points}
    if any(schedule.ramp for schedule in schedules):
        points |= {time - 1 for time in points if time}
    return sorted(points)


def _changes(points: Sequence[tuple[int, Fraction]]) -> list[tuple[int, Fraction]]:
    """The points at which steps change."""
    return [point for number, point in enumerate(points) if not number or points[number - 1][1] != point[1]]


def _corners(points: Sequence[tuple[int, Fraction]]) -> list[tuple[int, Fraction]]:
    """The points at which a ramp changes its direction, and the first; flat ends are left out."""
    kept: list[tuple[int, Fraction]] = []
    for number, (time, weight) in enumerate(points):
        following = points[number + 1] if number + 1 < len(points) else (time + 1, weight)
        slope_after = (following[1] - weight) / (following[0] - time)
        slope_before = (weight - kept[-1][1]) / (time - kept[-1][0]) if kept else None
        if slope_before != slope_after:
            kept.append((time, weight))
    return kept


def plain_number(weight: Fraction) -> float:
    """A weight as a person would write it: 1 and not 1.0."""
    return int(weight) if weight.denominator == 1 else float(weight)
