"""How many rows of each condition each batch has while weights go along straight lines.

A quota is rounded down or up, so that the counts of a batch add up. Those that were rounded down so
far are rounded up first: what is owed is carried from batch to batch, as `apportion` does from group
to group. So a batch is less than a row off every quota, and so is, but for a fraction of a row, the
sum of any number of batches.

    quotas of one condition   2.6  2.2  1.8  1.4  1.0  0.6  0.2
    counts                    3    2    2    1    1    1    0

A condition's rows are then divided among groups of clips in the same way.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from streamaug.planning.apportion import integer_shares

_BITS = 32
"""What is owed is counted in 2^-32 of a row; it only decides what is rounded up."""
_LARGEST = 1 << (62 - _BITS)
"""Shares up to here are counted in 64 bits, others with Python's integers, which are slower."""
_CHUNK = 1 << 18
"""Counts that are computed together."""


def ramp_counts(
    shares: Sequence[Fraction], slopes: Sequence[Fraction], *, batches: int, size: int, groups: Sequence[Sequence[int]]
) -> np.ndarray:
    """The rows of conditions and groups in some batches that follow one another.

    Args:
        shares: Each condition's share of the first batch.
        slopes: By how much each share changes from batch to batch.
        batches: Number of batches.
        size: Rows per batch, up to 2^20.
        groups: For each condition, the groups' shares of its rows, whole numbers.

    Returns:
        int32 of shape (batches, conditions x groups), one condition after the other.

    >>> counts = ramp_counts([Fraction(1), Fraction(0)], [Fraction(-1, 8), Fraction(1, 8)], batches=8, size=16, groups=[[1], [1]])
    >>> counts[:, 1].tolist()  # 0 to 7/8 of 16 rows
    [0, 2, 4, 6, 8, 10, 12, 14]
    """
    kind: Any = np.int64 if max(map(sum, groups)) < _LARGEST else object
    group_shares, first = np.array(groups, kind), 0
    counts = np.empty((batches, group_shares.size), np.int32)
    owed, owed_to_groups = (np.zeros(shape, np.int64) for shape in ((1, len(shares)), group_shares.shape))
    for current in _shares(shares, slopes, batches, max(1, _CHUNK // counts.shape[1])):
        of_conditions = _rounded(current[:, None] * size, current.sum(axis=1)[:, None, None], owed)[:, 0]
        if group_shares.shape[1] > 1:
            quotas = of_conditions.astype(kind)[:, :, None] * group_shares
            of_groups = _rounded(quotas, group_shares.sum(axis=1)[None, :, None], owed_to_groups)
        else:
            of_groups = of_conditions[:, :, None]
        counts[first : first + len(current)] = of_groups.reshape(len(current), -1)
        first += len(current)
    return counts


def _shares(shares: Sequence[Fraction], slopes: Sequence[Fraction], batches: int, step: int) -> Iterator[np.ndarray]:
    """The conditions' shares of each batch in whole numbers, (batches, conditions), so many batches
    at a time."""
    integers = integer_shares([*shares, *slopes])
    start, slope = integers[: len(shares)], integers[len(shares) :]
    kind: Any = np.int64 if max(sum(start), sum(start) + sum(slope) * batches) < _LARGEST else object
    for first in range(0, batches, step):
        numbers = np.arange(first, min(first + step, batches)).astype(kind)[:, None]
        yield np.array(start, kind) + np.array(slope, kind) * numbers


def _rounded(numerators: np.ndarray, denominators: np.ndarray, owed: np.ndarray) -> np.ndarray:
    """Round quotas, so that those of each line keep their sum, a whole number.

    Args:
        numerators: Of the quotas, (batches, lines, quotas).
        denominators: Of the quotas, of a shape that goes with (batches, lines, 1).
        owed: What each quota is owed from earlier batches, (lines, quotas); changed in place.

    Returns:
        Whole numbers, int64 of shape (batches, lines, quotas).
    """
    down = numerators // denominators
    rests = numerators - down * denominators
    missing = (rests.sum(axis=2) // denominators[:, :, 0]).astype(np.int64)
    fractions = (-(-(rests << _BITS) // denominators)).astype(np.int64)  # rounded up: 0 only for whole quotas
    counts = np.array(down, np.int64)
    last = np.iinfo(np.int64).max
    for batch in range(len(counts)):
        owed += fractions[batch]
        if missing[batch].any():
            ranks = np.argsort(np.argsort(np.where(fractions[batch], -owed, last), axis=1, kind="stable"), axis=1)
            chosen = ranks < missing[batch, :, None]
            counts[batch] += chosen
            owed -= chosen.astype(np.int64) << _BITS
    return counts
