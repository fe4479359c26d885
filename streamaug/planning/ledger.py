"""The ledger: how many rows a plan gives each condition and, inside it, each label or any other column; exact, before training."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from streamaug.planning.epoch import Epoch
from streamaug.planning.inventory import Column
from streamaug.planning.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Counts of rows; for `views`, of views: a row counts once in each condition that it shows.

    columns: what is counted by, `condition` first. values: for each column what occurs, in order. counts: int64, one axis a column.
    allow_leakage: whether the recipe allows it, which every table then says.
    """

    columns: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    counts: np.ndarray
    allow_leakage: bool = False

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    def by(self, *columns: str) -> "Ledger":
        """The same counts by fewer columns, in the order asked.

        >>> ledger = Ledger(columns=("condition", "label"), values=(("original",), ("bus", "park")), counts=np.array([[2, 3]]))
        >>> ledger.by("label").counts.tolist()
        [2, 3]
        """
        axes = [self.columns.index(column) for column in columns]
        rest = tuple(axis for axis in range(len(self.columns)) if axis not in axes)
        kept = sorted(axes)
        counts = self.counts.sum(axis=rest).transpose([kept.index(axis) for axis in axes])
        return Ledger(columns=columns, values=tuple(self.values[axis] for axis in axes), counts=counts, allow_leakage=self.allow_leakage)

    def __add__(self, other: "Ledger") -> "Ledger":
        if self.columns != other.columns or self.values != other.values:
            raise ValueError("only ledgers of the same columns and values add up")
        return replace(self, counts=self.counts + other.counts)

    def table(self) -> pa.Table:
        """One line for each combination that occurs: the columns, `rows`, and `leakage` where it is allowed."""
        occurring = np.nonzero(self.counts)
        names = {
            column: pa.array(np.array(values, object)[places], pa.string())
            for column, values, places in zip(self.columns, self.values, occurring, strict=True)
        }
        rows = {"rows": pa.array(self.counts[occurring], pa.int64())}
        leakage = {"leakage": pa.array(["allowed"] * len(rows["rows"]), pa.string())} if self.allow_leakage else {}
        return pa.table({**names, **rows, **leakage})


def planned(plan: Plan, columns: Mapping[str, Column], epochs: Iterable[int] = (0,)) -> Ledger:
    """What a plan gives over some epochs, by condition and columns of the store's clips (`Column.codes` has one code a store row).

    Full passes over a set of clips are multiplied out, only what is left of one is enumerated.
    """
    codes, shape = _joint(columns)
    counts = np.zeros((len(plan.conditions), int(np.prod(shape))), np.int64)
    for epoch in epochs:
        _add_epoch(counts, plan.epoch(epoch), codes)
    return _ledger(plan, columns, counts.reshape(-1, *shape))


def served(plan: Plan, columns: Mapping[str, Column], condition: np.ndarray, clip: np.ndarray) -> Ledger:
    """The ledger of given rows: numbers of conditions (n, views) and of clips in the store (n,), as `Plan.rows` gives them."""
    codes, shape = _joint(columns)
    counts = np.zeros((len(plan.conditions), int(np.prod(shape))), np.int64)
    _add(counts, condition, codes[clip])
    return _ledger(plan, columns, counts.reshape(-1, *shape))


def _ledger(plan: Plan, columns: Mapping[str, Column], counts: np.ndarray) -> Ledger:
    values = (plan.conditions, *(column.values for column in columns.values()))
    return Ledger(columns=("condition", *columns), values=values, counts=counts, allow_leakage=plan.recipe.allow_leakage)


def _joint(columns: Mapping[str, Column]) -> tuple[np.ndarray, Sequence[int]]:
    """One code a store row for the combination of columns, and how many values each column has."""
    shape = [len(column.values) for column in columns.values()]
    return np.ravel_multi_index([column.codes for column in columns.values()], shape).astype(np.int64), shape


def _add(counts: np.ndarray, conditions: np.ndarray, codes: np.ndarray) -> None:
    width = counts.shape[1]
    for view in range(conditions.shape[1]):
        counts += np.bincount(conditions[:, view] * width + codes, minlength=counts.size).reshape(counts.shape)


def _add_epoch(counts: np.ndarray, epoch: Epoch, codes: np.ndarray) -> None:
    cells, candidates = epoch.cells, epoch.candidates
    sizes = candidates.sizes[cells.candidate_set]
    head = np.minimum(-cells.first % sizes, cells.count)  # ordinals up to where the first full pass begins
    full = (cells.count - head) // sizes
    tail = cells.count - head - full * sizes
    if epoch.windows is not None and not cells.reshuffles:  # shards in another order than the circle's: whole rounds only multiply out
        full = np.where(cells.count % sizes, 0, cells.count // sizes)
        head, tail = np.where(full, 0, cells.count), np.zeros_like(head)
    histograms: dict[int, np.ndarray] = {}
    for cell in np.flatnonzero(full).tolist():
        candidate_set = int(cells.candidate_set[cell])
        if candidate_set not in histograms:
            places = np.arange(candidates.sizes[candidate_set])
            histograms[candidate_set] = np.bincount(
                codes[candidates.clips(np.full(len(places), candidate_set), places)], minlength=counts.shape[1]
            )
        for condition in cells.conditions[cell].tolist():
            counts[condition] += full[cell] * histograms[candidate_set]
    for first, count in ((np.zeros_like(head), head), (cells.count - tail, tail)):
        for conditions, clips in epoch.unordered_rows(first, count):
            _add(counts, conditions, codes[clips])
