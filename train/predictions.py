"""Predictions of models, one row per clip and condition: all tables can be computed from them,
without a model.
"""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streamaug.files import write_whole
from train.errors import RunError

_BEFORE = [
    pa.field("row", pa.string(), nullable=False),
    pa.field("seed", pa.int64(), nullable=False),
    pa.field("fold", pa.string()),
    pa.field("condition", pa.string(), nullable=False),
    pa.field("clip_id", pa.string(), nullable=False),
    pa.field("group", pa.string(), nullable=False),
]
_PROBABILITIES = pa.field("probabilities", pa.list_(pa.float32()), nullable=False)

SCHEMA = pa.schema(
    [*_BEFORE, pa.field("label", pa.string(), nullable=False), pa.field("predicted", pa.string(), nullable=False), _PROBABILITIES]
)
"""`row`: experiment row, named after its recipe. `fold`: the fold that was held out, if folds were.
`group`: recordings that belong together; by default the clip's own id. `probabilities`: in the
order of the store's labels."""

LABELS_SCHEMA = pa.schema([*_BEFORE, pa.field("labels", pa.list_(pa.string()), nullable=False), _PROBABILITIES])
"""The same for several labels per clip: what a clip has, and the probability of each."""


def schema_of(predictions: pa.Table) -> pa.Schema:
    """The schema of predictions of one or of several labels per clip."""
    return LABELS_SCHEMA if "labels" in predictions.column_names else SCHEMA


def write_predictions(path: Path, predictions: pa.Table) -> None:
    """Write predictions as Parquet; a reader finds the old file or the whole new one."""
    file = io.BytesIO()
    pq.write_table(predictions.cast(schema_of(predictions)), file, compression="zstd")
    write_whole(path, file.getvalue())


def read_predictions(path: Path) -> pa.Table:
    """Read predictions. Raises RunError if the file is missing or is not a table of predictions."""
    try:
        table = pq.read_table(path)
        return table.cast(schema_of(table))
    except FileNotFoundError:
        raise RunError(f"{path}: no such file; run the experiment first") from None
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, OSError) as error:
        raise RunError(f"{path}: not readable as predictions: {error}; remove it and run the experiment again") from error


def in_order(table: pa.Table, column: str) -> list[str]:
    """The values of a column in the order in which they first appear."""
    return [str(value) for value in table[column].unique().to_pylist()]


def correct(predictions: pa.Table) -> np.ndarray:
    """Whether each prediction is right: bool of shape (predictions,)."""
    right: np.ndarray = pc.equal(predictions["label"], predictions["predicted"]).to_numpy()
    return right


def by_clip(predictions: pa.Table, row: str, condition: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clips of one row and condition, sorted by id: their ids, groups, and the share of seeds that
    got each right.
    """
    chosen = predictions.filter(pc.and_(pc.equal(predictions["row"], row), pc.equal(predictions["condition"], condition)))
    shares = (
        pa.table({"clip_id": chosen["clip_id"], "group": chosen["group"], "right": pa.array(correct(chosen).astype(np.float64))})
        .group_by(["clip_id", "group"])
        .aggregate([("right", "mean")])
        .sort_by("clip_id")
    )
    return shares["clip_id"].to_numpy(), shares["group"].to_numpy(), shares["right_mean"].to_numpy()
