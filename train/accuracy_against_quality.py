"""Does perceived quality predict a classifier's accuracy? The paper's Figure 4, and the same question clip by clip.

    python -m train.accuracy_against_quality STORE --accuracies table.csv
    python -m train.accuracy_against_quality STORE --predictions runs/experiment_a/predictions.parquet [--row 1]

The store's conditions must have been graded by `streamaug quality STORE`. A table has the columns condition and accuracy.
"""

import csv
import warnings
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import statsmodels.api as sm
import typer
from rich.console import Console
from statsmodels.tools.sm_exceptions import ConvergenceWarning, PerfectSeparationWarning

from streamaug.cli.console import run as run_app
from streamaug.conditions import Condition
from streamaug.quality.figures import Curve, draw_accuracy_against_quality, draw_right_answers
from streamaug.quality.table import Quality, load_quality
from streamaug.splits import Split
from streamaug.store import Store
from train.errors import RunError
from train.predictions import correct, in_order, read_predictions

RESAMPLES = 10_000
FEWEST = 3
"""Conditions that a line needs: through two it always fits."""

_CLIP_LEVEL = 20
"""Right or wrong answers that a fit needs at least."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """The ends of a 95 % interval."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:.2f} to {self.high:.2f}"


@dataclass(frozen=True, kw_only=True)
class Line:
    """Accuracy over mean ODG by least squares. r2: share of the accuracies' variance that it explains."""

    slope: float
    intercept: float
    r2: float


def squared_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """R² of the line through points, (..., points) to (...); NaN where either does not vary.

    >>> float(squared_correlation(np.array([0.0, 1.0, 2.0]), np.array([5.0, 3.0, 1.0])))
    1.0
    """
    x, y = first - first.mean(axis=-1, keepdims=True), second - second.mean(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore"):
        r2: np.ndarray = (x * y).sum(axis=-1) ** 2 / ((x**2).sum(axis=-1) * (y**2).sum(axis=-1))
    return r2


def fit_line(odg: np.ndarray, accuracy: np.ndarray) -> Line:
    """The line through conditions, both (conditions,). Raises RunError for fewer than three, or if either does not vary."""
    r2 = float(squared_correlation(odg, accuracy)) if len(odg) >= FEWEST else np.nan
    if np.isnan(r2):
        raise RunError(f"no line through {len(odg)} conditions; give {FEWEST} or more that differ in accuracy and in ODG")
    slope, intercept = np.polynomial.Polynomial.fit(odg, accuracy, 1).convert().coef[::-1].tolist()
    return Line(slope=slope, intercept=intercept, r2=r2)


def r2_over_conditions(odg: np.ndarray, accuracy: np.ndarray, seed: int = 0) -> Interval:
    """Percentile interval of R² had other conditions of the same kind been tried: conditions are drawn with replacement.

    Draws of fewer than three different conditions say nothing about a line and are left out.
    """
    draws = np.random.default_rng(seed).integers(len(odg), size=(RESAMPLES, len(odg)))
    kept = draws[(np.diff(np.sort(draws), axis=1) > 0).sum(axis=1) + 1 >= FEWEST]
    return _interval(squared_correlation(odg[kept], accuracy[kept]))


@dataclass(frozen=True, kw_only=True)
class ClipLevel:
    """Graded predictions of one condition, each (predictions,): ODG, whether the answer is right, and the clip's group."""

    odg: np.ndarray
    right: np.ndarray
    group: np.ndarray


def r2_over_groups(levels: Sequence[ClipLevel], seed: int = 0) -> Interval:
    """Percentile interval of R² had other recordings been coded by these conditions: groups of clips are drawn with replacement."""
    names = np.unique(np.concatenate([level.group for level in levels]))
    sums = np.zeros((3, len(names), len(levels)))  # predictions, right answers, ODG
    for number, level in enumerate(levels):
        where = np.searchsorted(names, level.group)
        for total, values in zip(sums, (np.ones(len(where)), level.right, level.odg), strict=True):
            total[:, number] = np.bincount(where, values, len(names))
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    counts, right, odg = (draws @ total for total in sums)
    with np.errstate(invalid="ignore"):
        return _interval(squared_correlation(odg / counts, right / counts))


def _interval(values: np.ndarray) -> Interval:
    low, high = np.nanpercentile(values, [2.5, 97.5]).tolist()
    return Interval(low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class Logistic:
    """Probability of a right answer over the ODG of the clip: 1 / (1 + exp(-(intercept + slope * odg))).

    slope: log odds a grade, with the ends of its 95 % interval; groups of clips count as one trial (cluster-robust). All
    NaN where nothing can be fitted: too few right or too few wrong answers, or a grade that parts the two without exception.
    """

    condition: str
    answers: int
    accuracy: float
    intercept: float
    slope: float
    low: float
    high: float

    def probability(self, odg: np.ndarray) -> np.ndarray:
        chance: np.ndarray = 1 / (1 + np.exp(-(self.intercept + self.slope * odg)))
        return chance


def fit_logistic(condition: str, level: ClipLevel) -> Logistic:
    """Fit the answers of one condition."""
    right = level.right.astype(np.float64)
    intercept = slope = low = high = np.nan
    rarer = min(right.sum(), len(right) - right.sum())
    if rarer >= _CLIP_LEVEL / 4 and len(right) >= _CLIP_LEVEL and np.ptp(level.odg) > 0:
        groups = np.unique(level.group, return_inverse=True)[1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # overflow on the way to a perfect separation
            warnings.simplefilter("error", PerfectSeparationWarning)
            warnings.simplefilter("error", ConvergenceWarning)
            with suppress(PerfectSeparationWarning, ConvergenceWarning, np.linalg.LinAlgError):
                model = sm.Logit(right, sm.add_constant(level.odg))
                fit = model.fit(disp=False, cov_type="cluster", cov_kwds={"groups": groups})
                (intercept, slope), (low, high) = fit.params.tolist(), fit.conf_int()[1].tolist()
    accuracy = float(right.mean()) if right.size else np.nan
    return Logistic(condition=condition, answers=len(right), accuracy=accuracy, intercept=intercept, slope=slope, low=low, high=high)


def read_accuracies(path: Path) -> dict[str, float]:
    """A table of accuracies by condition. Raises RunError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path}: not readable as CSV: {error}") from error
    accuracies: dict[str, float] = {}
    for number, row in enumerate(rows, start=2):
        name, text = row.get("condition"), row.get("accuracy")
        if name is None or text is None:
            raise RunError(f"{path}: line {number}: give a table with the columns condition and accuracy")
        condition = str(Condition.parse(name.strip()))
        try:
            accuracy = float(text)
        except ValueError:
            accuracy = np.nan
        if not 0 <= accuracy <= 1:
            raise RunError(f"{path}: line {number}: accuracy '{text}'; write a number from 0 to 1")
        if condition in accuracies:
            raise RunError(f"{path}: line {number}: '{condition}' a second time; keep one")
        accuracies[condition] = accuracy
    return accuracies


def mean_odg(quality: Quality, clip_ids: pa.Array | None = None) -> float:
    """Mean grade of a condition, over some of its clips if they are named. Raises RunError where none of them has a grade."""
    table = quality.table if clip_ids is None else quality.table.filter(pc.is_in(quality.table["clip_id"], clip_ids))
    odg = table["odg"].to_numpy()
    if not np.isfinite(odg).any():
        raise RunError(f"'{quality.meta.condition}': no clip in question has a grade")
    return float(np.nanmean(odg))


def choose_row(predictions: pa.Table, row: str | None) -> pa.Table:
    """Predictions of one row. Raises RunError where there are several and none is named, or there is no such row."""
    rows = in_order(predictions, "row")
    if row is None and len(rows) > 1:
        raise RunError(f"the predictions are of rows {', '.join(rows)}; name one with --row")
    if row is not None and row not in rows:
        raise RunError(f"the predictions have no row '{row}'; there are {', '.join(rows)}")
    return predictions.filter(pc.equal(predictions["row"], row or rows[0]))


def clip_levels(predictions: pa.Table, store: Store) -> tuple[dict[str, ClipLevel], int]:
    """Each coded condition's predictions beside their clips' grades, and how many have none and are left out. Raises RunError."""
    levels: dict[str, ClipLevel] = {}
    ungraded = 0
    for condition in in_order(predictions, "condition"):
        if condition == "original":
            continue
        chosen = predictions.filter(pc.equal(predictions["condition"], condition))
        table = load_quality(store, condition).table
        where = pc.index_in(chosen["clip_id"], table["clip_id"])
        if where.null_count:
            lost = chosen["clip_id"].filter(pc.is_null(where))[0].as_py()
            raise RunError(f"clip '{lost}' was predicted under '{condition}' but is not in {store.url}; name the store that was evaluated")
        odg = table["odg"].take(where).to_numpy()
        graded = np.isfinite(odg)
        if not graded.any():
            raise RunError(f"no clip that was predicted under '{condition}' has a grade; leave the condition out of the predictions")
        ungraded += int((~graded).sum())
        groups = chosen["group"].to_numpy()
        levels[condition] = ClipLevel(odg=odg[graded], right=correct(chosen)[graded], group=groups[graded])
    return levels, ungraded


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({name: f"{value:.4f}" if isinstance(value, float) else value for name, value in row.items()} for row in rows)


def main(
    store: Annotated[str, typer.Argument(help="Folder or URL of the store whose conditions were graded.")],
    accuracies: Annotated[Path | None, typer.Option(help="CSV with the columns condition and accuracy.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="Parquet of per-clip predictions, as Experiments A and B write it.")] = None,
    row: Annotated[str | None, typer.Option(help="Row of the table that the predictions are of, where there are several.")] = None,
    split: Annotated[str | None, typer.Option(help="With --accuracies: the clips they are of, such as evaluate or fold=4.")] = None,
    output: Annotated[Path, typer.Option(help="Folder to write.")] = Path("runs/accuracy_against_quality"),
) -> None:
    """Hold accuracy against perceived quality, by condition and, from predictions, by clip."""
    console = Console(soft_wrap=True, highlight=False)
    if (accuracies is None) == (predictions is None):
        raise RunError("give either --accuracies or --predictions")
    opened = Store.open(store)
    if accuracies is not None:
        clip_ids = None if split is None else opened.clips["clip_id"].take(pa.array(Split.parse(split).rows(opened.clips)))
        accuracy = {name: value for name, value in read_accuracies(accuracies).items() if name != "original"}
        odg = {name: mean_odg(load_quality(opened, name), clip_ids) for name in accuracy}
    else:
        levels, ungraded = clip_levels(choose_row(read_predictions(predictions), row), opened)
        if ungraded:
            console.print(f"{ungraded} predictions of clips without a grade left out")
        accuracy = {name: float(level.right.mean()) for name, level in levels.items()}
        odg = {name: float(level.odg.mean()) for name, level in levels.items()}
    x, y = np.array(list(odg.values())), np.array(list(accuracy.values()))
    line = fit_line(x, y)
    over_conditions = r2_over_conditions(x, y)
    output.mkdir(parents=True, exist_ok=True)
    told = f"R² = {line.r2:.2f}\n95 %: {over_conditions} over conditions"
    if predictions is not None:
        told += f"\n{r2_over_groups(list(levels.values()))} over recordings"
        _clip_level(levels, output, console)
    write_table(output / "conditions.csv", [{"condition": name, "odg": odg[name], "accuracy": accuracy[name]} for name in odg])
    draw_accuracy_against_quality(odg, accuracy, line.slope, line.intercept, told, output / "figure_4.png")
    console.print(told.replace("\n", "; "), f"written to {output}", sep="\n")


def _clip_level(levels: Mapping[str, ClipLevel], output: Path, console: Console) -> None:
    """Fit, tabulate and draw the answers of each condition and of all together."""
    pooled = ClipLevel(
        **{field.name: np.concatenate([getattr(level, field.name) for level in levels.values()]) for field in fields(ClipLevel)}
    )
    together = {**levels, "all": pooled}
    fits = {name: fit_logistic(name, level) for name, level in together.items()}
    write_table(output / "clips.csv", [asdict(fit) for fit in fits.values()])
    curves = [Curve(name=name, odg=level.odg, right=level.right, chance=fits[name].probability) for name, level in together.items()]
    draw_right_answers(curves, output / "clips.png")
    for fit in fits.values():
        slope = "no fit" if np.isnan(fit.slope) else f"{fit.slope:+.2f} ({fit.low:+.2f} to {fit.high:+.2f}) log odds a grade"
        console.print(f"{fit.condition}: {fit.answers} answers, {fit.accuracy:.3f} right, {slope}")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)
