"""The cells of a weighted draw: how its rows are divided, epoch by epoch or step by step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from streamaug.keys import named_key
from streamaug.planning.apportion import apportion, integer_shares, largest_remainder
from streamaug.planning.candidates import Stratum
from streamaug.planning.draws.base import Cell, Cells, Stretch
from streamaug.planning.draws.group_weights import GroupWeights
from streamaug.planning.ramp import ramp_counts
from streamaug.recipes.recipe import Share
from streamaug.recipes.schedule import Schedule

_EPOCHS_KEPT = 4


@dataclass(frozen=True, kw_only=True)
class WeightedCells:
    """The cells of the epochs of a weighted draw.

    The ordinals of a stratum count on over the epochs: one pass over its clips after the other,
    each in an order of its own.

    Weights change at times, which are epochs, or steps of `batch` rows. An epoch is cut into
    stretches where they do. A stretch of constant weights is divided by largest remainder, first
    among the groups, then in each group among the conditions. If a condition lacks a group, it is
    first divided among the conditions. On a ramp by step, every batch is divided on its own.

    Args:
        shares: The weight of each condition.
        strata: For each condition, its strata: a single one, or one per group.
        rows: Rows per epoch.
        batch: Rows per step, a divisor of `rows`; None if weights change by epoch.
        groups: The weights of the groups, by which the rows are divided first; None if a condition
            lacks a group.
        by_condition: For each condition, the groups' shares of its rows, whole numbers.
        seed: Seed for all shuffles.
    """

    shares: Sequence[Share]
    strata: Sequence[Sequence[Stratum]]
    rows: int
    batch: int | None
    groups: GroupWeights | None
    by_condition: Sequence[Sequence[int]]
    seed: int
    _known: dict[int, list[int]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def cells(self, epoch: int) -> Cells:
        """The cells of an epoch."""
        stretches = list(self._stretches(epoch))
        counts, firsts = _sums(stretches), self._rows_before(epoch)
        self._remember(epoch + 1, [first + count for first, count in zip(firsts, counts, strict=True)])
        strata = [(condition, stratum) for condition, groups in enumerate(self.strata) for stratum in groups]
        cells = [
            Cell((condition,), stratum.candidate_set, first, count, named_key(self.seed, "passes", *stratum.name))
            for (condition, stratum), first, count in zip(strata, firsts, counts, strict=True)
        ]
        changing = len(stretches) > 1 or stretches[0].batches is not None
        return Cells.of(cells, views=1, reshuffles=True, stretches=stretches if changing else ())

    @property
    def _times(self) -> int:
        """Times per epoch at which weights can change: its steps, or 1."""
        return 1 if self.batch is None else self.rows // self.batch

    def _stretches(self, epoch: int) -> Iterator[Stretch]:
        """The stretches of an epoch."""
        start, end = epoch * self._times, (epoch + 1) * self._times
        inner = {time for share in self.shares for time, _ in share.weight.points if start < time < end}
        for first, stop in pairwise([start, *sorted(inner), end]):
            if self.batch is not None and any(share.weight.slope(first) for share in self.shares):
                batches = self._batches(first, stop - first, self.batch)
                yield Stretch(count=batches.sum(axis=0, dtype=np.int64), batches=batches)
            else:
                yield Stretch(count=self._counts(first, self.rows * (stop - first) // self._times))

    def _counts(self, time: int, rows: int) -> np.ndarray:
        """Divide rows by the weights of a time; int64 of shape (cells,)."""
        weights = integer_shares([share.weight.at(time) for share in self.shares])
        if self.groups is None:
            return np.array(apportion(largest_remainder(rows, weights), self.by_condition), np.int64).ravel()
        by_group = self.groups.divide(rows)
        return np.array(apportion(by_group, [weights] * len(by_group)), np.int64).T.ravel()

    def _batches(self, first: int, batches: int, size: int) -> np.ndarray:
        """Rows of each cell in some batches on a ramp, (batches, cells)."""
        shares, slopes = ([part(share.weight, first) for share in self.shares] for part in (Schedule.at, Schedule.slope))
        groups = self.by_condition if self.groups is None else [self.groups.shares] * len(self.shares)
        return ramp_counts(shares, slopes, batches=batches, size=size, groups=groups)

    def _rows_before(self, epoch: int) -> list[int]:
        """Rows of each cell in all epochs before one; the last few are cached."""
        known = {0: [0] * sum(map(len, self.strata)), **self._known}
        last = max(each for each in known if each <= epoch)
        total = known[last]
        for start, end in self._runs(last, epoch):
            counts = _sums(self._stretches(start))
            total = [rows + (end - start) * count for rows, count in zip(total, counts, strict=True)]
        self._remember(epoch, total)
        return total

    def _remember(self, epoch: int, total: list[int]) -> None:
        """Keep the rows of each cell in all epochs before one: those that follow begin there."""
        self._known.pop(epoch, None)
        while len(self._known) >= _EPOCHS_KEPT:
            self._known.pop(next(iter(self._known)), None)
        self._known[epoch] = total

    def _runs(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        """Runs of epochs with the same counts, as first epoch and end."""
        changes = {time // self._times + after for share in self.shares for time, _ in share.weight.points for after in (0, 1)}
        edges = sorted({first, stop, *(epoch for epoch in changes if first < epoch < stop)})
        for start, end in pairwise(edges):
            if any(share.weight.slope(start * self._times) for share in self.shares):
                yield from ((epoch, epoch + 1) for epoch in range(start, end))
            else:
                yield start, end


def _sums(stretches: Sequence[Stretch] | Iterator[Stretch]) -> list[int]:
    """Rows of each cell in some stretches together."""
    counts: list[int] = np.sum([stretch.count for stretch in stretches], axis=0).tolist()
    return counts
