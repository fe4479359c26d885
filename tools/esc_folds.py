"""What the scripts of ESC-10 and ESC-50 share: clips in folds become a table, and a store of it."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from streamaug.building.job import Job
from streamaug.cli.build import run_build
from streamaug.conditions import parse_conditions
from streamaug.errors import ClipsError

SECONDS = 5.0
"""Nominal clip length; most files have a few samples more, and 17 of ESC-10 are between 3.6 and
7.2 s long."""


def clips_by_fold(table: pa.Table, audio: Path, listed: Path, *, path: str, label: str, group: str) -> pa.Table:
    """A table of clips: absolute path, label, fold as a number, split and group, then the others.

    Args:
        table: Columns of text; one is called fold.
        audio: Folder that the paths are relative to.
        listed: Where the table comes from, for errors.
        path: Its column of paths.
        label: Its column of labels.
        group: Its column of recordings; it keeps its name, too.

    Raises:
        ClipsError: A fold is not a number, or there is only one.
    """
    rows = table.to_pylist()
    for row in rows:
        if not row[path] or not (row["fold"] or "").isdecimal():
            raise ClipsError(f"{listed}: clip {row[path]!r} has fold {row['fold']!r}; write a path and a number")
    folds = [int(row["fold"]) for row in rows]
    if len(set(folds)) < 2:
        raise ClipsError(f"{listed}: all clips are in one fold, so that none is left to evaluate on; download the data set again")
    columns = {
        "path": [str((audio / row[path]).absolute()) for row in rows],
        "label": [row[label] for row in rows],
        "fold": folds,
        "split": ["evaluate" if fold == max(folds) else "train" for fold in folds],
        "group": [row[group] for row in rows],
    }
    own = [name for name in table.column_names if name not in {*columns, path, label}]
    return pa.table({**columns, **{name: table[name] for name in own}})


def build_by_fold(
    table: pa.Table, name: str, store: str, *, conditions: str | None, rate: int | None, skip_bad: bool, workers: int | None
) -> None:
    """Build a store of clips of 5 s, sharded by fold.

    Args:
        table: As `clips_by_fold` returns it.
        name: Name of the data set.
        store: Folder or URL of the store.
        conditions: Separated by commas. None: those of the paper.
        rate: Sample rate of the store in Hz. None: that of the recordings.
        skip_bad: Leave out broken clips.
        workers: Number of processes. None: one per core.
    """
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / f"{name}.parquet"
        pq.write_table(table, path)
        job = Job(
            clips=path,
            store=store,
            conditions=parse_conditions(conditions) if conditions else None,
            seconds=SECONDS,
            rate=rate,
            shard_by="fold",
            skip_bad=skip_bad,
            columns={"label": "label"},  # ESC-50 has class numbers in a column called target
        )
        run_build(job, workers)
