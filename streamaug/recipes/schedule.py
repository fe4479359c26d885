"""A weight over the epochs: constant, or in steps."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction


def exact(number: float) -> Fraction:
    """A number as a person wrote it: 0.29 is 29/100, not the nearest binary fraction.

    >>> exact(0.29) * 100
    Fraction(29, 1)
    """
    return Fraction(str(number))


@dataclass(frozen=True)
class Schedule:
    """Steps of (first epoch, weight). The first one begins at epoch 0, the last never ends.

    >>> fading = Schedule.of({0: 1.0, 50: 0.25})
    >>> fading.at(49), fading.at(50)
    (Fraction(1, 1), Fraction(1, 4))
    >>> fading.before(52)  # 50 epochs of 1 and two of 1/4
    Fraction(101, 2)
    """

    steps: tuple[tuple[int, Fraction], ...]

    @classmethod
    def of(cls, weight: float | Mapping[int, float]) -> "Schedule":
        """A schedule from a number, or from steps {first epoch: weight}."""
        steps: list[tuple[int, Fraction]] = []
        for epoch, value in sorted((weight if isinstance(weight, Mapping) else {0: weight}).items()):
            if not steps or steps[-1][1] != exact(value):
                steps.append((epoch, exact(value)))
        return cls(tuple(steps))

    def at(self, epoch: int) -> Fraction:
        """The weight in an epoch."""
        return next(weight for first, weight in reversed(self.steps) if first <= epoch)

    def before(self, epoch: int) -> Fraction:
        """The sum of the weights of the epochs 0 to epoch - 1."""
        ends = [first for first, _ in self.steps[1:]] + [epoch]
        return sum(
            (weight * max(0, min(end, epoch) - first) for (first, weight), end in zip(self.steps, ends, strict=True)), start=Fraction(0)
        )

    def plain(self) -> float | dict[int, float]:
        """The schedule as it is written in a recipe."""
        numbers = {first: _number(weight) for first, weight in self.steps}
        return numbers[0] if len(numbers) == 1 else numbers


def _number(weight: Fraction) -> float:
    return int(weight) if weight.denominator == 1 else float(weight)
