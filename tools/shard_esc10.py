"""Build a store from ESC-10 (folds 1 to 4 with a clips.csv), sharded by fold.

    python tools/shard_esc10.py FOLDER STORE [--conditions original,mp3_64,...]

Excerpts of one recording share its Freesound number, which becomes `group`. Folds 1 to 3 are the
split `train`, fold 4 is `evaluate`; other splits are written as `fold=1,2`.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import typer

from streamaug.cli.build import build
from streamaug.cli.console import run
from streamaug.errors import ClipsError

TRAIN_FOLDS = {1, 2, 3}
EVALUATE_FOLDS = {4}
SECONDS = 5.0
"""Nominal clip length; most files have a few samples more, and 17 are between 3.6 and 7.2 s long.
"""


def clips_table(folder: Path) -> pa.Table:
    """The data set's clips.csv with absolute paths, and the split and group of every clip. Raises
    ClipsError.
    """
    listed = folder / "clips.csv"
    names = {"freesound_id": pa.string(), "take": pa.string()}
    try:
        table = pacsv.read_csv(listed, convert_options=pacsv.ConvertOptions(column_types=names))
    except FileNotFoundError:
        raise ClipsError(f"{folder} has no clips.csv; name the folder with ESC-10's clips.csv and audio/") from None
    except pa.ArrowInvalid as error:
        raise ClipsError(f"{listed}: not readable: {error}; repair the table") from error
    lacking = {"path", "label", "fold", "freesound_id"} - set(table.column_names)
    if lacking:
        raise ClipsError(f"{listed}: no column '{min(lacking)}', only {', '.join(table.column_names)}; add it")
    folds = table["fold"].to_pylist()
    unknown = set(folds) - TRAIN_FOLDS - EVALUATE_FOLDS
    if unknown:
        fold = min(map(str, unknown))
        raise ClipsError(f"{listed}: fold {fold} is neither a training fold (1 to 3) nor the evaluation fold (4); leave its clips out")
    table = table.set_column(0, "path", pa.array([str((folder / path).absolute()) for path in table["path"].to_pylist()]))
    table = table.append_column("split", pa.array(["train" if fold in TRAIN_FOLDS else "evaluate" for fold in folds]))
    return table.append_column("group", table["freesound_id"])


def shard(
    folder: Annotated[Path, typer.Argument(help="Folder of the data set: clips.csv and audio/.")],
    store: Annotated[str, typer.Argument(help="Folder or URL of the store.")],
    conditions: Annotated[str | None, typer.Option(help="Comma-separated conditions. Default: those of the paper.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out broken clips, and list them in STORE/rejected.csv.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of processes. Default: one per core.")] = None,
) -> None:
    """Build a store from ESC-10, sharded by fold: folds 1 to 3 train, fold 4 evaluates."""
    with TemporaryDirectory() as scratch:
        table = Path(scratch) / "esc10.parquet"
        pq.write_table(clips_table(folder), table)
        build(table, store, conditions=conditions, seconds=SECONDS, shard_by="fold", skip_bad=skip_bad, workers=workers)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(shard)

if __name__ == "__main__":
    run(app)
