"""What a row is: each draw lays an epoch out as a line of cells, whose counts are whole numbers.

A cell is a run of rows that show the clips of one pool in the same condition (for views: in the same conditions). All that
comes later, the order in time and the clip of a row, is the same for every draw.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Protocol

import numpy as np

from streamaug.planning.apportion import apportion, cuts, integer_shares, largest_remainder
from streamaug.planning.permutation import named_key, permute
from streamaug.recipes.recipe import Share


@dataclass(frozen=True, kw_only=True)
class Cells:
    """An epoch's line of cells. A cell takes `count` ranks, from `first` on, of one order of its pool's clips.

    conditions: numbers of the conditions that its rows show, (cells, views). pool: the pool's number. first, count: int64.
    key: names the order, uint64; cells with one key share an order. All of shape (cells,).
    passes: whether `first` counts on over the passes through the pool, each pass in an order of its own; else the order goes
    round in a circle, always the same.
    """

    conditions: np.ndarray
    pool: np.ndarray
    first: np.ndarray
    count: np.ndarray
    key: np.ndarray
    passes: bool

    @property
    def kinds(self) -> np.ndarray:
        """A number for each run of cells that show the same conditions, int64 of shape (cells,)."""
        return np.cumsum(np.any(np.diff(self.conditions, axis=0, prepend=-1) != 0, axis=1)) - 1

    @classmethod
    def of(cls, rows: Sequence[tuple[tuple[int, ...], int, int, int, int]], *, views: int, passes: bool = False) -> "Cells":
        """From (conditions, pool, first, count, key) of each cell; those that count nothing are left out."""
        rows = [row for row in rows if row[3]]
        conditions, pool, first, count, key = zip(*rows, strict=True) if rows else ((), (), (), (), ())
        return cls(
            conditions=np.array(conditions, np.int64).reshape(-1, views),
            pool=np.array(pool, np.int64),
            first=np.array(first, np.int64),
            count=np.array(count, np.int64),
            key=np.array(key, np.uint64),
            passes=passes,
        )


class Draw(Protocol):
    """Where the cells of an epoch come from."""

    def cells(self, epoch: int) -> Cells: ...


@dataclass(frozen=True, kw_only=True)
class Part:
    """A pool as draws see it. name: what it is made of, for keys. conditions: numbers of those that its clips can be drawn in."""

    name: tuple[str, ...]
    pool: int
    size: int
    conditions: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Union:
    """A clip in each condition, as often as the weight says.

    The clips of a part lie in one circle for ever. Before epoch e, floor(size x sum of the weights before e) of its ranks were
    taken, and the epoch goes on from there: each clip comes floor(w) or ceil(w) times an epoch, and all as often over epochs.
    With groups, the i-th of a condition's G groups is rounded down after i/G was added, so that roundings do not add up.
    """

    weights: Sequence[Share]
    parts: Sequence[Sequence[Part]]
    seed: int

    def cells(self, epoch: int) -> Cells:
        rows = []
        for condition, (share, groups) in enumerate(zip(self.weights, self.parts, strict=True)):
            before, after = share.weight.before(epoch), share.weight.before(epoch + 1)
            unit = len(groups) * math.lcm(before.denominator, after.denominator)
            per_clip = int(before * unit), int(after * unit)  # ranks, counted in whole units: exact, and quicker than fractions
            for number, part in enumerate(groups):
                offset = number * (unit // len(groups))
                first, end = ((part.size * each + offset) // unit for each in per_clip)
                if end > first:
                    rows.append(((condition,), part.pool, first % part.size, end - first, named_key(self.seed, "order", *part.name)))
        return Cells.of(rows, views=1)


@dataclass(frozen=True, kw_only=True)
class Weighted:
    """`rows` rows an epoch, shared out by weight.

    The ranks of a part count on over epochs, one pass over its clips after the other, each in an order of its own.
    """

    weights: Sequence[Share]
    parts: Sequence[Sequence[Part]]
    rows: int
    group_sizes: Sequence[int]
    seed: int

    def counts(self, epoch: int) -> list[list[int]]:
        """Rows of each group and condition, (groups, conditions)."""
        shares = integer_shares([share.weight.at(epoch) for share in self.weights])
        return apportion(largest_remainder(self.rows, self.group_sizes), [shares] * len(self.group_sizes))

    def cells(self, epoch: int) -> Cells:
        steps = sorted({first for share in self.weights for first, _ in share.weight.steps if first <= epoch})
        now = self.counts(steps[-1])
        done = [[0] * len(self.weights) for _ in self.group_sizes]
        for start, end in zip(steps, [*steps[1:], epoch], strict=True):
            for so_far, each in zip(done, self.counts(start), strict=True):
                so_far[:] = [had + (end - start) * count for had, count in zip(so_far, each, strict=True)]
        rows = [
            ((condition,), part.pool, done[group][condition], now[group][condition], named_key(self.seed, "passes", *part.name))
            for condition, groups in enumerate(self.parts)
            for group, part in enumerate(groups)
        ]
        return Cells.of(rows, views=1, passes=True)


@dataclass(frozen=True, kw_only=True)
class PerClip:
    """Every clip once, in `views` distinct conditions drawn by weight, after the anchor where there is one.

    The clips of a part take, in an order of each epoch's own, the places u = 0..size-1. The conditions lie on a line of
    views x size points, none longer than `size`; the clip at place u is shown in those at the points u, u + size, u + 2 size, …,
    which therefore are distinct. For several views the conditions' order on the line changes with the epoch, so that all pairs come up.
    """

    weights: Sequence[Share]
    parts: Sequence[Part]
    views: int
    anchor: int | None
    seed: int

    def cells(self, epoch: int) -> Cells:
        drawn = self.views - (self.anchor is not None)
        order = list(range(len(self.weights)))
        if drawn > 1:
            order = permute(order, len(order), named_key(self.seed, "conditions", epoch)).tolist()
        shares = integer_shares([Fraction(0) if c == self.anchor else share.weight.at(epoch) for c, share in enumerate(self.weights)])
        weights = [[shares[condition] if condition in part.conditions else 0 for condition in order] for part in self.parts]
        totals = [drawn * part.size if any(row) else 0 for part, row in zip(self.parts, weights, strict=True)]
        counts = apportion(totals, weights, cap=drawn)
        rows = []
        for part, total, row in zip(self.parts, totals, counts, strict=True):
            if total:
                key = named_key(self.seed, "clips", epoch, *part.name)
                ends = cuts(row)
                stops = [*sorted({end % part.size for end in ends} | {0}), part.size]
                for first, stop in pairwise(stops):
                    points = [first + view * part.size for view in range(drawn)]
                    seen = [order[next(place for place, end in enumerate(ends) if point < end)] for point in points]
                    shown = tuple(seen if self.anchor is None else [self.anchor, *seen])
                    rows.append((shown, part.pool, first, stop - first, key))
        if self.views == 1:
            rows.sort(key=lambda row: row[0])  # a condition's cells side by side, so that a batch can be exact in conditions
        return Cells.of(rows, views=self.views)
