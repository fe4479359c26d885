"""Whole numbers from shares: how many rows each condition gets, never one too many or too few."""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate


def integer_shares(weights: Sequence[Fraction]) -> list[int]:
    """Weights in the smallest whole numbers of the same proportions.

    >>> integer_shares([Fraction("0.5"), Fraction("0.25"), Fraction(0)])
    [2, 1, 0]
    """
    common = math.lcm(*(weight.denominator for weight in weights))
    whole = [int(weight * common) for weight in weights]
    divisor = math.gcd(*whole) or 1
    return [weight // divisor for weight in whole]


def largest_remainder(total: int, weights: Sequence[int]) -> list[int]:
    """Share a total out by weight: each gets its quota rounded down or up, the largest remainders up; ties to the earlier.

    >>> largest_remainder(10, [1, 1, 1])
    [4, 3, 3]
    """
    return apportion([total], [weights])[0]


def apportion(totals: Sequence[int], weights: Sequence[Sequence[int]], cap: int | None = None) -> list[list[int]]:
    """Share several totals out, each by weights of its own, so that what each column gets over all of them is right too.

    totals: one for each group. weights: for each group one weight a column, whole numbers, not all zero where the total is not.
    Returns counts (groups, columns): a group's counts sum to its total, and each is its quota rounded down or up. Which are
    rounded up is settled by what a column has been owed so far (the remainder carried over), so that a column's sum stays
    within a row or so of the sum of its quotas however many groups there are.

    cap: a group of `total` rows gives at most `total / cap` of them to one column; what would be above it goes to the others in
    proportion to their weights. For k views a clip, cap = k: no clip has the same view twice.
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
    """Largest remainder with no count above `most`: fill the largest shares to the brim, share the rest among the others."""
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
    """Where counts end when laid one after the other.

    >>> cuts([2, 0, 3])
    [2, 2, 5]
    """
    return list(accumulate(counts))
