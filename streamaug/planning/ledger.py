"""The ledger: a plan's exact counts of rows by condition and by any column, before training."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from streamaug.errors import StoreError
from streamaug.planning.epoch import Epoch
from streamaug.planning.inventory import Column, ListColumn
from streamaug.planning.plan import Plan
from streamaug.store.targets import ragged

_OWN_COLUMNS = ("condition", "rows", "leakage")


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Counts of rows. A row with several views counts once in each condition that it shows, and one
    with several labels once under each of them.

    Args:
        columns: Names of the columns, `condition` first.
        values: For each column its values, in order.
        counts: Rows of each combination, int64, one axis per column.
        several: A column of which a clip may have several values. Default: none.
        rows: With such a column, rows of each condition, int64; sums of counts would be larger.
        allow_leakage: Whether the recipe allows leakage; every table then has a column that says
            so.
    """

    columns: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]
    counts: np.ndarray
    several: str | None = None
    rows: np.ndarray | None = None
    allow_leakage: bool = False

    @property
    def condition_rows(self) -> np.ndarray:
        """Rows of each condition, int64."""
        return np.asarray(self.counts.sum(axis=tuple(range(1, self.counts.ndim))) if self.rows is None else self.rows)

    @property
    def total(self) -> int:
        """Number of all rows; a row with views counts once per view."""
        return int(self.condition_rows.sum())

    def by(self, *columns: str) -> "Ledger":
        """The same counts by fewer columns, in the given order.

        >>> ledger = Ledger(columns=("condition", "label"), values=(("original",), ("bus", "park")), counts=np.array([[2, 3]]))
        >>> ledger.by("label").counts.tolist()
        [2, 3]
        """
        if self.several is not None and self.several not in columns:
            raise ValueError(f"a row counts under each of its {self.several}, so these counts have no sum; count by other columns instead")
        axes = [self.columns.index(column) for column in columns]
        rest = tuple(axis for axis in range(len(self.columns)) if axis not in axes)
        ascending = sorted(axes)
        counts = self.counts.sum(axis=rest).transpose([ascending.index(axis) for axis in axes])
        return Ledger(
            columns=columns,
            values=tuple(self.values[axis] for axis in axes),
            counts=counts,
            several=self.several,
            rows=self.rows,
            allow_leakage=self.allow_leakage,
        )

    def __add__(self, other: "Ledger") -> "Ledger":
        if self.columns != other.columns or self.values != other.values:
            raise ValueError("only ledgers with the same columns and values can be added")
        rows = None if self.rows is None or other.rows is None else self.rows + other.rows
        return replace(self, counts=self.counts + other.counts, rows=rows)

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


def planned(plan: Plan, columns: Mapping[str, Column | ListColumn], epochs: Iterable[int] = (0,)) -> Ledger:
    """Count the rows of a plan's epochs by condition and other columns.

    Full passes over a candidate set are multiplied out; only the rest of a pass is enumerated.

    Args:
        plan: The plan.
        columns: Columns of the store's clips table, with the values of every clip of the store; one
            of them may be a `ListColumn`.
        epochs: Numbers of the epochs. Default: the first.
    """
    values = _Values.of(plan, columns)
    counts = np.zeros((len(plan.conditions), values.width), np.int64)
    for epoch in epochs:
        _add_epoch(counts, plan.epoch(epoch), values)
    return _ledger(plan, columns, counts)


def served(plan: Plan, columns: Mapping[str, Column | ListColumn], condition: np.ndarray, clip: np.ndarray) -> Ledger:
    """Count rows that were served.

    Args:
        plan: The plan that the rows belong to.
        columns: Columns of the store's clips table, as for `planned`.
        condition: Numbers of conditions, (n, views), as in `Rows`.
        clip: Row numbers in the store's clips table, (n,), as in `Rows`.
    """
    values = _Values.of(plan, columns)
    counts = np.zeros((len(plan.conditions), values.width), np.int64)
    _add(counts, condition, *values.codes_of(clip))
    return _ledger(plan, columns, counts)


def _ledger(plan: Plan, columns: Mapping[str, Column | ListColumn], counts: np.ndarray) -> Ledger:
    values = (plan.conditions, *(column.values for column in columns.values()))
    several = next((name for name, column in columns.items() if isinstance(column, ListColumn)), None)
    rows = None
    if several is not None:
        counts, rows = counts[:, :-1], counts[:, -1]
    return Ledger(
        columns=("condition", *columns),
        values=values,
        counts=counts.reshape([len(each) for each in values]),
        several=several,
        rows=rows,
        allow_leakage=plan.recipe.allow_leakage,
    )


@dataclass(frozen=True, kw_only=True)
class _Values:
    """The combinations of values that each clip of the store has in some columns, as codes.

    Args:
        codes: One per clip; or, if a column has several values per clip, those of all clips, one
            clip after the other: each clip's last code is `width - 1`, to count its rows once.
        starts: Where those of each clip begin; None if each clip has one.
        width: Number of codes.
    """

    codes: np.ndarray
    starts: np.ndarray | None
    width: int

    @classmethod
    def of(cls, plan: Plan, columns: Mapping[str, Column | ListColumn]) -> "_Values":
        if twice := [name for name in columns if name in _OWN_COLUMNS]:
            raise StoreError(
                f"rows cannot be counted by a column '{twice[0]}': the ledger has a column of that name of its own; count by another one, "
                "or rename it in the table that the store is built from"
            )
        shape = [len(column.values) for column in columns.values()]
        width = math.prod(shape)
        several = [column for column in columns.values() if isinstance(column, ListColumn)]
        if not columns:
            return cls(codes=np.zeros(int(plan.clips[-1]) + 1, np.int64), starts=None, width=width)
        if not several:
            codes = np.ravel_multi_index([column.codes for column in columns.values()], shape)
            return cls(codes=codes.astype(np.int64), starts=None, width=width)
        if len(several) > 1:
            raise StoreError("rows can be counted by one column with several values per clip, such as labels; leave the others out")
        starts = several[0].starts
        sizes = np.diff(starts)
        joint = np.ravel_multi_index(
            [column.codes if isinstance(column, ListColumn) else np.repeat(column.codes, sizes) for column in columns.values()], shape
        )
        codes = np.insert(joint.astype(np.int64), starts[1:], width)
        return cls(codes=codes, starts=starts + np.arange(len(starts)), width=width + 1)

    def codes_of(self, clips: np.ndarray) -> tuple[np.ndarray, np.ndarray | slice]:
        """The codes of some clips, and which of them each code belongs to."""
        if self.starts is None:
            return self.codes[clips], slice(None)
        rows, places = ragged(self.starts, clips)
        return self.codes[places], rows


def _add(counts: np.ndarray, conditions: np.ndarray, codes: np.ndarray, rows: np.ndarray | slice) -> None:
    width = counts.shape[1]
    for view in range(conditions.shape[1]):
        counts += np.bincount(conditions[rows, view] * width + codes, minlength=counts.size).reshape(counts.shape)


def _add_epoch(counts: np.ndarray, epoch: Epoch, values: _Values) -> None:
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
            codes, _ = values.codes_of(candidates.clips(np.full(len(members), candidate_set), members))
            histograms[candidate_set] = np.bincount(codes, minlength=counts.shape[1])
        for condition in cells.conditions[cell].tolist():
            counts[condition] += full[cell] * histograms[candidate_set]
    for first, count in ((np.zeros_like(head), head), (cells.count - tail, tail)):
        for conditions, clips in epoch.unordered_rows(first, count):
            _add(counts, conditions, *values.codes_of(clips))
