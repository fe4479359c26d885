"""Which gains hold over seeds and folds, from an experiment's predictions: each seed and fold by itself.

python -m train.paper.spread FOLDER        reads the predictions of `train.paper.experiment_b`
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import typer

from streamaug.cli.console import run as run_app
from streamaug.cli.console import stdout
from streamaug.conditions import parse_conditions
from streamaug.pages.page import Table
from streamaug.stress.bootstrap import paired_difference
from train.errors import RunError
from train.predictions import by_clip, correct, in_order, read_predictions
from train.results import ORIGINAL
from train.run_folder import PREDICTIONS

CODED = "mean of coded"


def gains(predictions: pa.Table, row: str, first: str, conditions: Sequence[str], column: str) -> list[float]:
    """Accuracy of one experiment row less that of another, for each seed or fold by itself.

    Args:
        predictions: The predictions (`train.predictions.SCHEMA`).
        row: The experiment row.
        first: The row that it is compared with.
        conditions: Conditions over which the mean is taken.
        column: `seed` or `fold`.
    """
    chosen = predictions.filter(pc.is_in(predictions["condition"], pa.array(conditions)))
    found = (
        pa.table({"row": chosen["row"], "part": chosen[column], "right": pa.array(correct(chosen).astype(np.float64))})
        .group_by(["row", "part"])
        .aggregate([("right", "mean")])
        .to_pylist()
    )
    accuracy = {(each["row"], each["part"]): each["right_mean"] for each in found}
    return [accuracy[row, part] - accuracy[first, part] for part in sorted({part for _, part in accuracy})]


def spread_table(predictions: pa.Table, conditions: Sequence[str]) -> Table:
    """Every row less the first one: the mean with its interval over groups of clips (* excludes zero),
    and the difference in each seed and each fold.

    Args:
        predictions: The predictions of a cross-validated experiment.
        conditions: Conditions to list, above the mean of all coded ones.

    Raises:
        RunError: There is one row, no fold, or no such condition.
    """
    rows, known = in_order(predictions, "row"), in_order(predictions, "condition")
    if len(rows) < 2 or predictions["fold"].null_count:
        raise RunError("the experiment needs two rows and held-out folds; run it with --rows A,B and --cross-validate COLUMN")
    if missing := [name for name in conditions if name not in known]:
        raise RunError(f"condition '{missing[0]}' was not evaluated; choose from {', '.join(known)}")
    listed = {name: [name] for name in conditions} | {CODED: [name for name in known if name != ORIGINAL]}
    lines = []
    for row in rows[1:]:
        for title, names in listed.items():
            right, base = (np.mean([by_clip(predictions, each, name)[2] for name in names], 0) for each in (row, rows[0]))
            whole = paired_difference(right, base, by_clip(predictions, row, names[0])[1])
            star = " *" if whole.is_significant else ""
            parts = (gains(predictions, row, rows[0], names, column) for column in ("seed", "fold"))
            lines.append(
                [
                    f"{row} - {rows[0]}",
                    title,
                    f"{whole.mean:+.3f} [{whole.low:+.3f}, {whole.high:+.3f}]{star}",
                    *(", ".join(f"{gain:+.2f}" for gain in part) for part in parts),
                ]
            )
    return Table(header=["rows", "condition", "difference", "by seed", "by fold"], rows=lines)


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of an experiment that train.paper.experiment_b has written.")],
    conditions: Annotated[str, typer.Option(help="Comma-separated conditions to list.")] = "original,mp3_64,mp3_32,he-aac_16,sbc_64",
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001  # read by streamaug.cli.main.run
) -> None:
    """Print how much each experiment row gains over the first one, in each seed and each fold."""
    names = [str(condition) for condition in parse_conditions(conditions, links=True)]
    stdout.print(spread_table(read_predictions(folder / PREDICTIONS), names).markdown())


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)
