"""The ledger: a plan's exact counts of rows by condition and by any column, before training."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from streamaug.planning.epoch import Epoch
from streamaug.planning.inventory import Column
from streamaug.planning.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Counts of rows. A row with several views counts once in each condition that it shows.

    Args:
        columns: Names of the columns, `condition` first.
        values: For each column its values, in order.
        counts: Rows of each combination, int64, one axis per column.
        allow_leakage: Whether the recipe allows leakage; every table then has a column that says
            so.
    """

    columns: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    counts: np.ndarray
    allow_leakage: bool = False

    @property
    def total(self) -> int:
        """The sum of all counts."""
        return int(self.counts.sum())

    def by(self, *columns: str) -> "Ledger":
        """The same counts by fewer columns, in the given order.

        >>> ledger = Ledger(columns=("condition", "label"), values=(("original",), ("bus", "park")), counts=np.array([[2, 3]]))
        >>> ledger.by("label").counts.tolist()
        [2, 3]
        """
        axes = [self.columns.index(column) for column in columns]
        rest = tuple(axis for axis in range(len(self.columns)) if axis not in axes)
        ascending = sorted(axes)
        counts = self.counts.sum(axis=rest).transpose([ascending.index(axis) for axis in axes])
        return Ledger(columns=columns, values=tuple(self.values[axis] for axis in axes), counts=counts, allow_leakage=self.allow_leakage)

    def __add__(self, other: "Ledger") -> "Ledger":
        if self.columns != other.columns or self.values != other.values:
            raise ValueError("only ledgers with the same columns and values can be added")
        return replace(self, counts=self.counts + other.counts)

    def table(self) -> pa.Table:
        """One line per combination: the columns, `rows`, and `leakage` if the recipe allows it."""
        occurring = np.nonzero(self.counts)
        names = {
            column: pa.array(np.array(values, object)[numbers], pa.string())
            for column, values, numbers in zip(self.columns, self.values, occurring, strict=True)
        }
        rows = {"rows": pa.array(self.counts[occurring], pa.int64())}
        leakage = {"leakage": pa.array(["allowed"] * len(rows["rows"]), pa.string())} if self.allow_leakage else {}
        return pa.table({**names, **rows, **leakage})


def planned(plan: Plan, columns: Mapping[str, Column], epochs: Iterable[int] = (0,)) -> Ledger:
    """Count the rows of a plan's epochs by condition and other columns.

    Full passes over a candidate set are multiplied out; only the rest of a pass is enumerated.

    Args:
        plan: The plan.
        columns: Columns of the store's clips table; `Column.codes` has one code per clip of the
            store.
        epochs: Numbers of the epochs. Default: the first.
    """
    codes, shape = _joint(columns)
    counts = np.zeros((len(plan.conditions), int(np.prod(shape))), np.int64)
    for epoch in epochs:
        _add_epoch(counts, plan.epoch(epoch), codes)
    return _ledger(plan, columns, counts.reshape(-1, *shape))


def served(plan: Plan, columns: Mapping[str, Column], condition: np.ndarray, clip: np.ndarray) -> Ledger:
    """Count rows that were served.

    Args:
        plan: The plan that the rows belong to.
        columns: Columns of the store's clips table, as for `planned`.
        condition: Numbers of conditions, (n, views), as in `Rows`.
        clip: Row numbers in the store's clips table, (n,), as in `Rows`.
    """
    codes, shape = _joint(columns)
    counts = np.zeros((len(plan.conditions), int(np.prod(shape))), np.int64)
    _add(counts, condition, codes[clip])
    return _ledger(plan, columns, counts.reshape(-1, *shape))


def _ledger(plan: Plan, columns: Mapping[str, Column], counts: np.ndarray) -> Ledger:
    values = (plan.conditions, *(column.values for column in columns.values()))
    return Ledger(columns=("condition", *columns), values=values, counts=counts, allow_leakage=plan.recipe.allow_leakage)


def _joint(columns: Mapping[str, Column]) -> tuple[np.ndarray, Sequence[int]]:
    """One code per clip for its combination of values, and each column's number of values."""
    shape = [len(column.values) for column in columns.values()]
    return np.ravel_multi_index([column.codes for column in columns.values()], shape).astype(np.int64), shape


def _add(counts: np.ndarray, conditions: np.ndarray, codes: np.ndarray) -> None:
    width = counts.shape[1]
    for view in range(conditions.shape[1]):
        counts += np.bincount(conditions[:, view] * width + codes, minlength=counts.size).reshape(counts.shape)


def _add_epoch(counts: np.ndarray, epoch: Epoch, codes: np.ndarray) -> None:
    cells, candidates = epoch.cells, epoch.candidates
    sizes = candidates.sizes[cells.candidate_set]
    head = np.minimum(-cells.first % sizes, cells.count)  # ordinals before the first full pass
    full = (cells.count - head) // sizes
    tail = cells.count - head - full * sizes
    if (
        epoch.windows is not None and not cells.reshuffles
    ):  # shards come in another order than on the circle: only whole rounds can be multiplied out
        full = np.where(cells.count % sizes, 0, cells.count // sizes)
        head, tail = np.where(full, 0, cells.count), np.zeros_like(head)
    histograms: dict[int, np.ndarray] = {}
    for cell in np.flatnonzero(full).tolist():
        candidate_set = int(cells.candidate_set[cell])
        if candidate_set not in histograms:
            members = np.arange(candidates.sizes[candidate_set])
            histograms[candidate_set] = np.bincount(
                codes[candidates.clips(np.full(len(members), candidate_set), members)], minlength=counts.shape[1]
            )
        for condition in cells.conditions[cell].tolist():
            counts[condition] += full[cell] * histograms[candidate_set]
    for first, count in ((np.zeros_like(head), head), (cells.count - tail, tail)):
        for conditions, clips in epoch.unordered_rows(first, count):
            _add(counts, conditions, codes[clips])
