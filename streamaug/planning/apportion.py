"""Whole numbers from shares: how many rows each condition gets, exact to the row."""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate


def integer_shares(weights: Sequence[Fraction]) -> list[int]:
    """Weights as the smallest whole numbers in the same proportions.

    >>> integer_shares([Fraction("0.5"), Fraction("0.25"), Fraction(0)])
    [2, 1, 0]
    """
    common = math.lcm(*(weight.denominator for weight in weights))
    whole = [int(weight * common) for weight in weights]
    divisor = math.gcd(*whole) or 1
    return [weight // divisor for weight in whole]


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Divide a total by weight: each quota is rounded down or up, the largest remainders up.

    Of equal remainders, the earlier one is rounded up.

    >>> largest_remainder(10, [1, 1, 1])
    [4, 3, 3]
    """
    return apportion([total], [weights])[0]


def apportion(totals: Sequence[int], weights: Sequence[Sequence[int]], cap: int | None = None) -> list[list[int]]:
    """Divide several totals, each by its own weights, so that the sums of columns are right, too.

    A group's counts add up to its total, and each is its quota rounded down or up. Those that were
    rounded down so far are rounded up first: the remainders are carried over. So a column's sum is
    within about a row of the sum of its quotas, no matter how many groups there are.

    Args:
        totals: One total per group.
        weights: For each group one weight per column, whole numbers; not all zero unless the total
            is.
        cap: If given, a column gets at most total / cap of a group's rows; the rest goes to the
            other columns in proportion to their weights. With k views per row, a cap of k keeps a
            clip from having the same view twice.

    Returns:
        Counts, (groups, columns).
    """
    sums = [sum(row) for row in weights]
    unit = math.lcm(*(value for value in sums if value))  # remainders of all groups are counted in this fraction of a row
    owed = [0] * (len(weights[0]) if weights else 0)
    counts = []
    for total, shares, whole in zip(totals, weights, sums, strict=True):
        if not total:
            counts.append([0] * len(owed))
            continue
        if cap is not None and any(share * cap > whole for share in shares):
            row = _capped(total, shares, total // cap)
            counts.append(row)
            continue
        row, remainders = map(list, zip(*(divmod(total * share, whole) for share in shares), strict=True))
        scale = unit // whole
        owed = [debt + remainder * scale for debt, remainder in zip(owed, remainders, strict=True)]
        open_ = sorted((column for column, remainder in enumerate(remainders) if remainder), key=lambda column: -owed[column])
        for column in open_[: total - sum(row)]:
            row[column] += 1
            owed[column] -= unit
        counts.append(row)
    return counts


def _capped(total: int, shares: Sequence[int], most: int) -> list[int]:
    """Largest remainder with no count above `most`: what is above it goes to the others."""
    full: set[int] = set()
    while True:
        rest = [0 if column in full else share for column, share in enumerate(shares)]
        left = total - most * len(full)
        over = {column for column, share in enumerate(rest) if share and share * left >= most * sum(rest)}
        if not over:
            counts = largest_remainder(left, rest) if left else [0] * len(rest)
            return [most if column in full else count for column, count in enumerate(counts)]
        full |= over


def cuts(counts: Sequence[int]) -> list[int]:
    """Where counts end when they are put one after the other.

    >>> cuts([2, 0, 3])
    [2, 2, 5]
    """
    return list(accumulate(counts))
