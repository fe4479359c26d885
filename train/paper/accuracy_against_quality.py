"""Does perceived quality predict a classifier's accuracy? The paper's Figure 4, and the same
question clip by clip.

    python -m train.paper.accuracy_against_quality STORE --accuracies table.csv
    python -m train.paper.accuracy_against_quality STORE --predictions
    runs/experiment_a/predictions.parquet [--row 1]

Grade the store's conditions with `streamaug quality STORE` first. The table has the columns
condition and accuracy.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import typer

from streamaug.cli.console import Terminal, stdout
from streamaug.cli.console import run as run_app
from streamaug.conditions import Condition
from streamaug.quality.table import Quality, load_quality
from streamaug.splits import Split
from streamaug.store import Store
from train.errors import RunError
from train.paper.figure_4 import Curve, draw_accuracy_against_quality, draw_right_answers
from train.paper.fits import ClipLevel, fit_line, fit_logistic, r2_over_conditions, r2_over_groups
from train.predictions import correct, in_order, read_predictions


def read_accuracies(path: Path) -> dict[str, float]:
    """A table of accuracies by condition. Raises RunError."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RunError(f"{path}: not readable as CSV: {error}; give a table with the columns condition and accuracy") from error
    accuracies: dict[str, float] = {}
    for number, row in enumerate(rows, start=2):
        name, text = row.get("condition"), row.get("accuracy")
        if name is None or text is None:
            raise RunError(f"{path}: line {number}: a value is missing; give a table with the columns condition and accuracy")
        condition = str(Condition.parse(name.strip()))
        try:
            accuracy = float(text)
        except ValueError:
            accuracy = np.nan
        if not 0 <= accuracy <= 1:
            raise RunError(f"{path}: line {number}: accuracy '{text}' is not a number from 0 to 1; correct it")
        if condition in accuracies:
            raise RunError(f"{path}: line {number}: duplicate condition '{condition}'; remove one")
        accuracies[condition] = accuracy
    return accuracies


def mean_odg(quality: Quality, clip_ids: pa.Array | None = None) -> float:
    """Mean grade of a condition.

    Args:
        quality: Grades of the condition.
        clip_ids: Clips to average over. Default: all.

    Raises:
        RunError: None of the clips has a grade.
    """
    table = quality.table if clip_ids is None else quality.table.filter(pc.is_in(quality.table["clip_id"], clip_ids))
    odg = table["grade"].to_numpy()
    if not np.isfinite(odg).any():
        raise RunError(f"'{quality.meta.condition}': none of the clips has a grade; leave the condition out")
    return float(np.nanmean(odg))


def choose_row(predictions: pa.Table, row: str | None) -> pa.Table:
    """Predictions of one experiment row. Raises RunError if it is not named and there are several,
    or if there is no such row.
    """
    rows = in_order(predictions, "row")
    if row is None and len(rows) > 1:
        raise RunError(f"the predictions are of rows {', '.join(rows)}; choose one with --row")
    if row is not None and row not in rows:
        raise RunError(f"the predictions have no row '{row}'; choose one of {', '.join(rows)}")
    return predictions.filter(pc.equal(predictions["row"], row or rows[0]))


def clip_levels(predictions: pa.Table, store: Store) -> tuple[dict[str, ClipLevel], int]:
    """Each coded condition's predictions with their clips' grades, and the number of predictions
    left out without a grade.

    Raises:
        RunError: The predictions are of another store, or no clip of a condition has a grade.
        StoreError: A condition was not graded.
    """
    levels: dict[str, ClipLevel] = {}
    ungraded = 0
    for condition in in_order(predictions, "condition"):
        if condition == "original":
            continue
        answers = predictions.filter(pc.equal(predictions["condition"], condition))
        table = load_quality(store, condition).table
        where = pc.index_in(answers["clip_id"], table["clip_id"])
        if where.null_count:
            lost = answers["clip_id"].filter(pc.is_null(where))[0].as_py()
            raise RunError(f"clip '{lost}' was predicted in '{condition}' but is not in {store.url}; give the store that was evaluated")
        odg = table["grade"].take(where).to_numpy()
        graded = np.isfinite(odg)
        if not graded.any():
            raise RunError(f"no clip that was predicted in '{condition}' has a grade; leave the condition out of the predictions")
        ungraded += int((~graded).sum())
        groups = answers["group"].to_numpy()
        levels[condition] = ClipLevel(odg=odg[graded], right=correct(answers)[graded], group=groups[graded])
    return levels, ungraded


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, floats with four decimals."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows({name: f"{value:.4f}" if isinstance(value, float) else value for name, value in row.items()} for row in rows)


def main(
    store: Annotated[str, typer.Argument(help="Folder or URL of the graded store.")],
    accuracies: Annotated[Path | None, typer.Option(help="CSV with the columns condition and accuracy.")] = None,
    predictions: Annotated[Path | None, typer.Option(help="Parquet file of predictions, as Experiments A and B write it.")] = None,
    row: Annotated[str | None, typer.Option(help="Experiment row to use, if the predictions have several.")] = None,
    split: Annotated[
        str | None, typer.Option(help="With --accuracies: their split, such as evaluate or fold=4. Default: all clips.")
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder to write.")] = Path("runs/accuracy_against_quality"),
) -> None:
    """Compare accuracy with perceived quality, by condition and, from predictions, by clip."""
    console: Terminal = stdout
    opened = Store.open(store)
    levels: dict[str, ClipLevel] = {}
    if accuracies is not None and predictions is None:
        clip_ids = None if split is None else opened.clips["clip_id"].take(pa.array(Split.parse(split).rows(opened.clips)))
        accuracy = {name: value for name, value in read_accuracies(accuracies).items() if name != "original"}
        odg = {name: mean_odg(load_quality(opened, name), clip_ids) for name in accuracy}
    elif predictions is not None and accuracies is None:
        levels, ungraded = clip_levels(choose_row(read_predictions(predictions), row), opened)
        if ungraded:
            console.print(f"left out {ungraded} predictions of clips without a grade")
        accuracy = {name: float(level.right.mean()) for name, level in levels.items()}
        odg = {name: float(level.odg.mean()) for name, level in levels.items()}
    else:
        raise RunError("give either --accuracies or --predictions")
    x, y = np.array(list(odg.values())), np.array(list(accuracy.values()))
    line = fit_line(x, y)
    over_conditions = r2_over_conditions(x, y)
    output.mkdir(parents=True, exist_ok=True)
    caption = f"R² = {line.r2:.2f}\n95 %: {over_conditions} over conditions"
    if levels:
        caption += f"\n{r2_over_groups(list(levels.values()))} over recordings"
        _clip_level(levels, output, console)
    write_table(output / "conditions.csv", [{"condition": name, "odg": odg[name], "accuracy": accuracy[name]} for name in odg])
    draw_accuracy_against_quality(odg, accuracy, line.slope, line.intercept, caption, output / "figure_4.png")
    console.print(caption.replace("\n", "; "), f"written to {output}", sep="\n")


def _clip_level(levels: Mapping[str, ClipLevel], output: Path, console: Terminal) -> None:
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
        slope = "no fit" if np.isnan(fit.slope) else f"{fit.slope:+.2f} ({fit.low:+.2f} to {fit.high:+.2f}) log odds per grade"
        console.print(f"{fit.condition}: {fit.answers} answers, {fit.accuracy:.3f} right, {slope}")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)
