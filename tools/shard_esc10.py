"""Build a store from ESC-10, sharded by fold.

    python tools/shard_esc10.py FOLDER STORE [--conditions original,mp3_64,...]

FOLDER is the data set as published: a folder per class, `001 - Dog bark` for example, with
`FOLD-RECORDING-TAKE.ogg` in it. A folder with a clips.csv (path, label, fold, freesound_id) and
audio/ is read, too. Excerpts of one recording share its Freesound number, which becomes `group`.
The highest fold is the split `evaluate`, all others are `train`; other splits are written as
`fold=1,2`.
"""

import re
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import typer

from streamaug.building.table_files import read_file
from streamaug.cli.console import run
from streamaug.errors import ClipsError
from tools.esc_folds import build_by_fold, clips_by_fold

CLASS_FOLDER = re.compile(r"\d+ - (?P<label>.+)")
FILE_NAME = re.compile(r"(?P<fold>\d+)-(?P<recording>\d+)-(?P<take>[A-Z]+)\.ogg")


def clips_table(folder: Path) -> pa.Table:
    """The clips of the data set with absolute paths, label, fold, split and group. Raises
    ClipsError.
    """
    listed = folder / "clips.csv"
    if not listed.exists():
        return _published(folder)
    table, problems = read_file(listed)
    lacking = {"path", "label", "fold", "freesound_id"} - set(table.column_names)
    if problems or lacking:
        problem = problems[0] if problems else f"no column '{min(lacking)}', only {', '.join(table.column_names)}; add it"
        raise ClipsError(f"{listed}: {problem}")
    return clips_by_fold(table, folder, listed, path="path", label="label", group="freesound_id")


def _published(folder: Path) -> pa.Table:
    rows = []
    for path in sorted(folder.glob("*/*.ogg")):
        parts, named = FILE_NAME.fullmatch(path.name), CLASS_FOLDER.fullmatch(path.parent.name)
        if named is None or parts is None:
            raise ClipsError(f"{path} is not named like '001 - Dog bark/1-30226-A.ogg'; name the folder that holds ESC-10's class folders")
        label = named["label"].strip().lower().replace(" ", "_")
        rows.append({"path": str(path.relative_to(folder)), "label": label, "fold": parts["fold"], "freesound_id": parts["recording"],
                     "take": parts["take"]})  # fmt: skip
    if not rows:
        raise ClipsError(f"{folder} has no clips.csv and no class folders with Ogg files; name the folder of ESC-10")
    return clips_by_fold(pa.Table.from_pylist(rows), folder, folder, path="path", label="label", group="freesound_id")


def shard(
    folder: Annotated[Path, typer.Argument(help="Folder of the data set: class folders, or clips.csv and audio/.")],
    store: Annotated[str, typer.Argument(help="Folder or URL of the store.")],
    conditions: Annotated[str | None, typer.Option(help="Comma-separated conditions. Default: those of the paper.")] = None,
    rate: Annotated[int | None, typer.Option(help="Sample rate of the store in Hz. Default: that of the recordings.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out broken clips, and list them in STORE/rejected.csv.")] = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of processes. Default: one per core.")] = None,
) -> None:
    """Build a store from ESC-10, sharded by fold: the highest fold evaluates, the others train."""
    build_by_fold(clips_table(folder), "esc10", store, conditions=conditions, rate=rate, skip_bad=skip_bad, workers=workers)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
app.command()(shard)

if __name__ == "__main__":
    run(app)
