"""Weights by a column of the clips: how often a clip comes, by its label or any other value."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from streamaug.recipes.schedule import exact, plain_number

EQUAL = "equal"
"""What a recipe writes for a column whose values all get the same number of rows."""


@dataclass(frozen=True, kw_only=True)
class ColumnWeights:
    """The weights of a column's values.

    Args:
        column: Name of the column.
        values: Values and their weights, sorted. Values that are not named have the weight 1.
        equal: Whether all values get the same number of rows; `values` is then empty.

    >>> ColumnWeights.of("label", {"siren": 4}).weight("siren"), ColumnWeights.of("label", {"siren": 4}).weight("bird")
    (Fraction(4, 1), Fraction(1, 1))
    """

    column: str
    values: tuple[tuple[str, Fraction], ...] = ()
    equal: bool = False

    @classmethod
    def of(cls, column: str, weights: str | Mapping[str, float]) -> "ColumnWeights":
        """From what a recipe has: `equal`, or weights by value."""
        if isinstance(weights, str):
            return cls(column=column, equal=True)
        return cls(column=column, values=tuple(sorted((value, exact(weight)) for value, weight in weights.items())))

    def weight(self, value: str) -> Fraction:
        """The weight of a value; 1 if the column is to be equal, which depends on the clips."""
        return dict(self.values).get(value, Fraction(1))

    def plain(self) -> Any:
        """The weights as they are written in a recipe."""
        return EQUAL if self.equal else {value: plain_number(weight) for value, weight in self.values}

    def hashed(self) -> Any:
        """The weights as a recipe's hash covers them: like `plain`, but exact."""
        return EQUAL if self.equal else [[value, str(weight)] for value, weight in self.values]
