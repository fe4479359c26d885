"""How often the clips of each group come, from a recipe's weights by column.

A group's factor compares its clips with those of a draw without these weights. Weights of values
multiply. A column that is to be equal comes last: whatever the other columns gave, each of its
values is scaled to the mean of all. An example, `weights: {label: {siren: 4}, device: equal}`:

    device  label  clips   x label   of the device   mean / device   factor
    a       bird      60        60             100         54 / 100    0.54
    a       siren     10        40             100         54 / 100    2.16
    b       bird       4         4               8         54 / 8      6.75
    b       siren      1         4               8         54 / 8     27
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from streamaug.planning.apportion import integer_shares, largest_remainder
from streamaug.planning.candidates import Stratum
from streamaug.recipes.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class GroupWeights:
    """The weights of groups of clips, of which each row of the table above is one.

    Args:
        factors: How often the clips of each group come, compared with a draw without weights.
        sizes: Clips of each group.
        values: For each group, its value of the column that is to be equal; empty for none.
    """

    factors: Sequence[Fraction]
    sizes: Sequence[int]
    values: Sequence[str] = ()

    @classmethod
    def of(cls, recipe: Recipe, names: Sequence[tuple[str, ...]], sizes: Sequence[int]) -> "GroupWeights":
        """The weights of groups.

        Args:
            recipe: The recipe.
            names: For each group, its values of `recipe.group_columns`.
            sizes: Clips of each group.

        >>> from streamaug.recipes import load_recipe
        >>> weights = {"label": {"siren": 4}, "device": "equal"}
        >>> recipe = load_recipe({"draw": "union", "mixture": {"original": 1}, "weights": weights})
        >>> names = [("a", "bird"), ("a", "siren"), ("b", "bird"), ("b", "siren")]
        >>> [float(factor) for factor in GroupWeights.of(recipe, names, [60, 10, 4, 1]).factors]
        [0.54, 2.16, 6.75, 27.0]
        """
        columns = recipe.group_columns
        factors = [_product(each.weight(name[columns.index(each.column)]) for each in recipe.weights) for name in names]
        equal = next((columns.index(each.column) for each in recipe.weights if each.equal), None)
        if equal is None:
            return cls(factors=factors, sizes=sizes)
        values = [name[equal] for name in names]
        amounts = dict.fromkeys(values, Fraction(0))
        for value, size, factor in zip(values, sizes, factors, strict=True):
            amounts[value] += size * factor
        mean = sum(amounts.values(), start=Fraction(0)) / max(1, sum(map(bool, amounts.values())))
        scaled = [factor * mean / amounts[value] if amounts[value] else Fraction(0) for value, factor in zip(values, factors, strict=True)]
        return cls(factors=scaled, sizes=sizes, values=values)

    @cached_property
    def shares(self) -> list[int]:
        """The groups' shares of rows, whole numbers in the proportions of their clips times their
        factors."""
        return integer_shares([size * factor for size, factor in zip(self.sizes, self.factors, strict=True)])

    def divide(self, rows: int) -> list[int]:
        """Divide rows among the groups by largest remainder, first among the values that are to be
        equal."""
        shares = self.shares
        if not self.values:
            return largest_remainder(rows, shares)
        members: dict[str, list[int]] = {}
        for group, (value, share) in enumerate(zip(self.values, shares, strict=True)):
            if share:
                members.setdefault(value, []).append(group)
        divided = [0] * len(shares)
        for total, groups in zip(largest_remainder(rows, [1] * len(members)), members.values(), strict=True):
            for group, count in zip(groups, largest_remainder(total, [shares[group] for group in groups]), strict=True):
                divided[group] = count
        return divided


def _product(weights: Iterable[Fraction]) -> Fraction:
    product = Fraction(1)
    for weight in weights:
        product *= weight
    return product


def check_equal(recipe: Recipe, strata: Sequence[Sequence[Stratum]]) -> None:
    """Check that each condition has clips with every value of the column that is to be equal.

    Args:
        recipe: The recipe.
        strata: For each condition, its strata, one per group.

    Raises:
        RecipeError: A condition lacks a value.
    """
    for each in recipe.weights:
        if not each.equal:
            continue
        number = recipe.group_columns.index(each.column)
        by_condition = [{stratum.name[1 + number] for stratum in groups if stratum.size} for groups in strata]
        every = set.union(*by_condition)
        lacking = [(condition, values) for condition, values in zip(recipe.conditions, by_condition, strict=True) if values != every]
        if lacking:
            condition, values = next((pair for pair in lacking if pair[1] == {""}), lacking[0])
            value = min(every - values)
            which = f"= '{value}'" if value else "empty, as others have"
            problem = f"'{condition}' has no clip with {each.column} {which}"
            if values == {""}:
                problem = f"the clips of '{condition}' have no value in '{each.column}'"
            raise recipe.error_at(
                ("weights", each.column),
                f"weights: {problem}, so the values cannot be equal; remove the condition or its 'where', leave these clips out with "
                "'where', or write weights of values",
            )
