"""Read finished training runs, for leave-one-out gaps: a folder with recipe.yaml and
predictions.parquet, as train/ writes it."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.errors import CorruptError, StoreError
from streamaug.recipes import load_recipe
from streamaug.store.parquet import from_parquet
from streamaug.stress.analysis.left_out import TrainedRun

_REMEDY = "give folders of finished runs, with recipe.yaml and predictions.parquet"
_COLUMNS = ("condition", "clip_id", "group", "label", "predicted")


def load_runs(folders: Iterable[Path]) -> list[TrainedRun]:
    """Read runs.

    Args:
        folders: Folders of runs, or folders that contain some, such as an experiment's.

    Raises:
        StoreError: A folder contains no finished run.
        CorruptError: The predictions of a run are damaged, or are not those of one.
        RecipeError: The recipe of a run cannot be read.
    """
    found: dict[Path, None] = {}
    for folder in folders:
        runs = sorted(path.parent for path in folder.rglob("recipe.yaml") if (path.parent / "predictions.parquet").is_file())
        if not runs:
            raise StoreError(f"--run: {folder} contains no finished run; {_REMEDY}")
        found |= dict.fromkeys(runs)
    return [_load_run(folder) for folder in found]


def _load_run(folder: Path) -> TrainedRun:
    path = folder / "predictions.parquet"
    data = path.read_bytes()
    table = from_parquet(data, str(path), _REMEDY)
    texts = [name for name in _COLUMNS if table.column_names.count(name) == 1 and pa.types.is_string(table.schema.field(name).type)]
    if texts != list(_COLUMNS):
        raise CorruptError(f"{path}: is not a table of predictions of one label per clip; {_REMEDY}")
    if not len(table) or any(table[name].null_count for name in _COLUMNS):
        raise CorruptError(f"{path}: a value is missing; {_REMEDY}")
    table = table.sort_by([("condition", "ascending"), ("clip_id", "ascending")])
    right, clips = {}, None
    for condition in table["condition"].unique().to_pylist():
        part = table.filter(pc.equal(table["condition"], condition))
        clips = part if clips is None else clips
        if part["clip_id"].combine_chunks() != clips["clip_id"].combine_chunks() or len(part["clip_id"].unique()) != len(part):
            raise CorruptError(f"{path}: '{condition}' does not have each clip once, as other conditions do; {_REMEDY}")
        right[condition] = np.array(pc.equal(part["label"], part["predicted"]))
    assert clips is not None, "the table has rows"
    return TrainedRun(
        name=str(folder),
        sha256=hashlib.sha256(data).hexdigest(),
        trained_on=load_recipe(folder / "recipe.yaml").conditions,
        clip_ids=np.array(clips["clip_id"].to_pylist()),
        groups=np.array(clips["group"].to_pylist()),
        right=right,
    )
