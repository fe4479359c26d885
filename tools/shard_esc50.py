"""Build a store from ESC-50 as published, sharded by fold.

    python tools/shard_esc50.py FOLDER STORE [--conditions original,mp3_64,...]

FOLDER is the data set's own: meta/esc50.csv and audio/. The recording's Freesound number becomes
`group`. Fold 5 is the split `evaluate`, the others are `train`; other splits are written as
`fold=1,2`. The clips of ESC-10 have `esc10` = True.
"""

from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from streamaug.building.table_files import read_file
from streamaug.cli.console import run
from streamaug.errors import ClipsError
from tools.esc_folds import build_by_fold, clips_by_fold

COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")


def clips_table(folder: Path) -> pa.Table:
    """The clips of meta/esc50.csv with absolute paths, label, fold, split and group. Raises
    ClipsError.
    """
    listed = folder / "meta" / "esc50.csv"
    if not listed.exists():
        raise ClipsError(f"{folder} has no meta/esc50.csv; name the folder with ESC-50's meta/ and audio/")
    table, problems = read_file(listed)
    lacking = set(COLUMNS) - set(table.column_names)
    if problems or lacking:
        problem = problems[0] if problems else f"no column '{min(lacking)}'; it must have {', '.join(COLUMNS)}"
        raise ClipsError(f"{listed}: {problem}; download the data set again")
    return clips_by_fold(table, folder / "audio", listed, path="filename", label="category", group="src_file")


def shard(
    folder: Annotated[Path, typer.Argument(help="Folder of the data set: meta/ and audio/.")],
    store: Annotated[str, typer.Argument(help="Folder or URL of the store.")],
    conditions: Annotated[str | None, typer.Option(help="Comma-separated conditions. Default: those of the paper.")] = None,
    rate: Annotated[int | None, typer.Option(help="Sample rate of the store in Hz. Default: that of the recordings.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out broken clips, and list them in STORE/rejected.csv.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of processes. Default: one per core.")] = None,
) -> None:
    """Build a store from ESC-50, sharded by fold: the highest fold evaluates, the others train."""
    build_by_fold(clips_table(folder), "esc50", store, conditions=conditions, rate=rate, skip_bad=skip_bad, workers=workers)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(shard)

if __name__ == "__main__":
    run(app)
