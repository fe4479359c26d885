"""Write Table 3 in the paper's shape from saved predictions.

python -m train.paper.tables FOLDER        writes the tables of an experiment's folder again,
without a model
"""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer

from streamaug.cli.console import run as run_app
from streamaug.cli.console import stdout
from streamaug.files import write_whole
from streamaug.pages.page import Table
from streamaug.recipes.familiarity import familiarity
from train.charts import accuracy_chart, accuracy_series
from train.errors import RunError
from train.figures import accuracy_map
from train.predictions import read_predictions
from train.results import ORIGINAL, TABLE_3, Accuracies, Gain, accuracies, gain

BASE = "2"
"""Row that the paper measures gains over, with any suffix such as `2_without_spectrum_correction`.
Default: the first row.
"""

PAPER = (
    "The same rows in the paper (Rao and Peters, On the Effect of Coding Artifacts on Acoustic Scene Classification, DCASE 2021), "
    "trained and evaluated on recordings, TAU Urban Acoustic Scenes 2020 Mobile"
)
INTERVALS = "Differences in accuracy, with 95 % intervals of a paired bootstrap over groups of clips (* excludes zero)"


@dataclass(frozen=True, kw_only=True)
class Row:
    """An experiment row of the table.

    Args:
        name: Short name, such as 6.
        title: Title of its recipe.
        conditions: Conditions that are trained on.
        clips: Rows in an epoch of its plan, the paper's "file count".
        steps: Training steps.
    """

    name: str
    title: str
    conditions: tuple[str, ...]
    clips: int
    steps: int


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write the experiment rows as CSV."""
    cells = [list(map(str, (asdict(row) | {"conditions": " ".join(row.conditions)}).values())) for row in rows]
    write_whole(path, Table(header=list(Row.__dataclass_fields__), rows=cells).csv())


def read_rows(path: Path) -> tuple[Row, ...]:
    """Read experiment rows from CSV. Raises RunError."""
    try:
        with path.open(newline="") as file:
            return tuple(
                Row(
                    name=fields["name"],
                    title=fields["title"],
                    conditions=tuple(fields["conditions"].split()),
                    clips=int(fields["clips"]),
                    steps=int(fields["steps"]),
                )
                for fields in csv.DictReader(file)
            )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path}: not readable as the rows of an experiment: {error}; run the experiment again") from error


def paper_accuracies() -> dict[str, dict[str, float]]:
    """Accuracy of each row of the paper's Table 3 by condition.

    >>> paper_accuracies()["7"]["mp3_32"]
    0.598
    """
    with (Path(__file__).parent / "table3.csv").open(newline="") as file:
        return {row["row"]: {name: float(row[name]) for name in TABLE_3} for row in csv.DictReader(file) if row["row"].isdigit()}


def _figure(mean: float, spread: float) -> str:
    return f"{mean:.3f}" if np.isnan(spread) else f"{mean:.3f} ± {spread:.3f}"


def rows_table(rows: Sequence[Row]) -> Table:
    """What each experiment row is trained on, and for how long."""
    cells = [[row.name, row.title, str(row.clips), str(row.steps)] for row in rows]
    return Table(header=["row", "trained on", "clips per epoch", "steps"], rows=cells)


def column_of(row: str) -> str:
    """What an experiment row is called at the head of a column.

    >>> column_of("6"), column_of("views")
    ('row 6', 'views')
    """
    return f"row {row}" if row[:1].isdigit() else row


def main_table(table: Accuracies, rows: Sequence[Row], compared: Gain | None) -> Table:
    """Conditions x rows: mean and standard deviation over seeds."""
    last = rows[-1]
    header = ["condition", *(column_of(row.name) for row in rows)]
    if compared is not None:
        header.append(_over(compared))
    lines = []
    for column, condition in enumerate(table.conditions):
        cells = [_figure(table.means[number, column], table.spreads[number, column]) for number in range(len(rows))]
        changes = [] if compared is None else [f"{compared.relative[condition]:+.1f}"]
        lines.append([condition, *cells, *changes, familiarity(condition, last.conditions)])
    return Table(header=[*header, f"in training of {column_of(last.name)}"], rows=lines)


def paper_table(table: Accuracies, compared: Gain | None) -> Table | None:
    """What the paper has of these rows and conditions; None if it has none of them."""
    paper = paper_accuracies()
    rows = [row for row in table.rows if row in paper]
    conditions = [name for name in table.conditions if name in TABLE_3]
    if not rows or not conditions:
        return None
    theirs = paper_changes(compared) if compared is not None and {compared.row, compared.over} <= set(rows) else {}
    lines = [[name, *(f"{paper[row][name]:.3f}" for row in rows), *([f"{theirs[name]:+.1f}"] if theirs else [])] for name in conditions]
    header = ["condition", *map(column_of, rows)]
    return Table(header=[*header, *([_over(compared)] if compared is not None and theirs else [])], rows=lines)


def _over(compared: Gain) -> str:
    return f"{compared.row} over {compared.over}, %"


def paper_changes(compared: Gain) -> dict[str, float]:
    """The paper's relative change between the same two rows, in percent."""
    paper = paper_accuracies()
    return {name: 100 * (paper[compared.row][name] / paper[compared.over][name] - 1) for name in TABLE_3}


def significance_table(gains: Sequence[Gain], conditions: Sequence[str]) -> Table:
    """Differences in accuracy with their 95 % intervals; a star marks intervals that exclude zero."""
    rows = []
    for name in conditions:
        differences = [compared.differences[name] for compared in gains]
        cells = [f"{each.mean:+.3f} [{each.low:+.3f}, {each.high:+.3f}]{' *' if each.is_significant else ''}" for each in differences]
        rows.append([name, *cells])
    return Table(header=["condition", *(f"{compared.row} - {compared.over}" for compared in gains)], rows=rows)


def summary(compared: Gain) -> str:
    """The paper's summary for these rows in one sentence, over the coded conditions of Table 3 that
    were evaluated.
    """
    text = (
        f"Row {compared.row} gains {compared.average:.1f} % over row {compared.over} on average over the coded conditions of Table 3, "
        f"and keeps at least {compared.smallest_share:.1f} % of its accuracy on the original in each of them."
    )
    paper = paper_accuracies()
    if compared.row in paper and compared.over in paper:
        average = float(np.mean([change for name, change in paper_changes(compared).items() if name != ORIGINAL]))
        own = paper[compared.row]
        share = 100 * min(value for name, value in own.items() if name != ORIGINAL) / own[ORIGINAL]
        text += f" In the paper: {average:.1f} %, {share:.1f} %."
    return text


@dataclass(frozen=True, kw_only=True)
class Tables:
    """All tables of an experiment.

    Args:
        table: Accuracies of all rows, seeds and conditions.
        rows: What each row is.
        main: Accuracies by condition.
        paper: The same in the paper; None if it has none of the rows.
        significance: Differences of every other row to the base row, the last row's last; None for
            a single row.
        summary: The paper's summary for these rows; empty if it does not apply.
        heat: Heat map of the accuracies.
        chart: The base row and the last row by condition, with intervals.
    """

    table: Accuracies
    rows: Table
    main: Table
    paper: Table | None
    significance: Table | None
    summary: str
    heat: bytes
    chart: bytes

    def markdown(self) -> str:
        parts = [self.rows.markdown(), self.main.markdown(), self.summary]
        if self.paper is not None:
            parts += [f"{PAPER}:", self.paper.markdown()]
        if self.significance is not None:
            parts += [f"{INTERVALS}:", self.significance.markdown()]
        return "\n\n".join(part for part in parts if part) + "\n"


def make_tables(predictions: pa.Table, rows: Sequence[Row]) -> Tables:
    """Compute all tables. Raises RunError if the predictions are not those of the rows."""
    table = accuracies(predictions)
    if table.rows != tuple(row.name for row in rows):
        raise RunError(
            f"the predictions are of rows {', '.join(table.rows)}, not of {', '.join(row.name for row in rows)}; run the experiment again"
        )
    base = next((row for row in table.rows if row.split("_")[0] == BASE), table.rows[0])
    gains = [gain(predictions, row, base, table.conditions) for row in table.rows if row != base]
    last = gains[-1] if gains else None
    of_paper = [name for name in TABLE_3 if name in table.conditions]
    headline = gain(predictions, last.row, base, of_paper) if last and ORIGINAL in of_paper and len(of_paper) > 1 else None
    drawn = [accuracy_series(predictions, row, table.conditions, column_of(row)) for row in ([base, last.row] if last else [base])]
    return Tables(
        table=table,
        rows=rows_table(rows),
        main=main_table(table, rows, last),
        paper=paper_table(table, last),
        significance=significance_table(gains, table.conditions) if gains else None,
        summary=summary(headline) if headline is not None else "",
        heat=accuracy_map(table, {row.name: column_of(row.name) for row in rows}),
        chart=accuracy_chart(predictions, table.conditions, drawn),
    )


def write_tables(folder: Path) -> Tables:
    """Write table3.csv, table3.md, significance.csv, heatmap.png and by_condition.png from a folder's
    predictions.parquet and rows.csv.

    Raises:
        RunError: A file is missing or does not match the other.
    """
    tables = make_tables(read_predictions(folder / "predictions.parquet"), read_rows(folder / "rows.csv"))
    write_whole(folder / "table3.csv", tables.main.csv())
    write_whole(folder / "table3.md", tables.markdown())
    if tables.significance is not None:
        write_whole(folder / "significance.csv", tables.significance.csv())
    write_whole(folder / "heatmap.png", tables.heat)
    write_whole(folder / "by_condition.png", tables.chart)
    return tables


def main(folder: Annotated[Path, typer.Argument(help="Folder of an experiment.")]) -> None:
    """Write the tables of an experiment again."""
    stdout.print(write_tables(folder).markdown())


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)
