"""Read and write predictions: the scores of a model for every clip in every condition."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, ValidationError

from streamaug.condition_names import condition_order
from streamaug.errors import CorruptError
from streamaug.files import write_whole
from streamaug.store.format import TARGET_FIELDS, Sha256, Strict
from streamaug.store.parquet import from_parquet, to_parquet
from streamaug.stress.settings import FORMAT

PREDICTIONS_FILE = "predictions.parquet"
_FOOTER = b"streamaug-predictions"
_REMEDY = "remove it and run 'streamaug stress' again"

LearnedLabels = Literal["label", "labels"]
"""The columns of a store that classes can be compared with."""


def predictions_schema(target: LearnedLabels) -> pa.Schema:
    """One row per condition and clip: by condition, `original` first and then by name; in it by
    clip_id.

    `group` names clips that belong together, by default the clip alone. `scores` are what the model
    gave, one for each of `Predictions.columns`: probabilities, logits, or what else grows with
    the model's confidence.

    Args:
        target: The column of the store with what a clip is.

    >>> predictions_schema("labels").names
    ['condition', 'clip_id', 'group', 'labels', 'scores']
    """
    return pa.schema(
        [
            pa.field("condition", pa.string(), nullable=False),
            pa.field("clip_id", pa.string(), nullable=False),
            pa.field("group", pa.string(), nullable=False),
            TARGET_FIELDS[target],
            pa.field("scores", pa.list_(pa.float32()), nullable=False),
        ]
    )


class _Footer(Strict):
    format: Annotated[int, Field(ge=1, le=FORMAT)] = FORMAT
    columns: tuple[str, ...]
    keys: dict[str, Sha256]


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a model answered.

    Args:
        table: As `predictions_schema` describes it.
        columns: The labels that the columns of `scores` speak for, in their order: those of the
            store, or one if the model gives one score per clip.
        keys: For each condition, in the order of the table, a digest of all that decided its rows.
    """

    table: pa.Table
    columns: tuple[str, ...]
    keys: Mapping[str, str]

    @property
    def conditions(self) -> tuple[str, ...]:
        """The evaluated conditions, `original` first, then by name."""
        return tuple(self.keys)

    def of(self, condition: str) -> pa.Table:
        """The rows of one condition.

        Args:
            condition: One of `conditions`.
        """
        return self.table.filter(pc.equal(self.table["condition"], condition))

    def only(self, condition: str) -> "Predictions":
        """The predictions of one condition.

        Args:
            condition: One of `conditions`.
        """
        return Predictions(table=self.of(condition), columns=self.columns, keys={condition: self.keys[condition]})

    def scores(self, condition: str) -> np.ndarray:
        """The scores of one condition, float32 of shape (clips, columns).

        Args:
            condition: One of `conditions`.
        """
        values: np.ndarray = pc.list_flatten(self.of(condition)["scores"]).to_numpy()
        return values.reshape(-1, len(self.columns))


def join_predictions(parts: Sequence[Predictions]) -> Predictions:
    """One table of several, each of one condition.

    Args:
        parts: At least one, with the same columns.
    """
    ordered = sorted(parts, key=lambda part: condition_order(part.conditions[0]))
    return Predictions(
        table=pa.concat_tables([part.table for part in ordered]).combine_chunks(),
        columns=ordered[0].columns,
        keys={condition: key for part in ordered for condition, key in part.keys.items()},
    )


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions as Parquet; the same ones give the same bytes.

    Args:
        path: The file; a reader finds the old one or the whole new one.
        predictions: What to write.
    """
    footer = _Footer(columns=predictions.columns, keys=dict(predictions.keys))
    write_whole(path, to_parquet(predictions.table.replace_schema_metadata({_FOOTER: footer.model_dump_json().encode()})))


def read_predictions(path: Path) -> Predictions:
    """Read predictions.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: There is no such file.
        CorruptError: It is damaged, or is not a table of predictions.
    """
    table = from_parquet(path.read_bytes(), str(path), _REMEDY)
    try:
        footer = _Footer.model_validate_json((table.schema.metadata or {})[_FOOTER])
        table = table.cast(predictions_schema("labels" if "labels" in table.column_names else "label"))
        conditions = tuple(table["condition"].unique().to_pylist())
    except (pa.ArrowException, KeyError, ValueError, ValidationError) as error:
        raise CorruptError(f"{path}: is not a table of predictions: {error}; {_REMEDY}") from error
    if pc.list_flatten(table["scores"]).null_count:
        raise CorruptError(f"{path}: a score is missing; {_REMEDY}")
    lengths = pc.unique(pc.list_value_length(table["scores"])).to_pylist()
    if conditions != tuple(footer.keys) or lengths != [len(footer.columns)]:
        raise CorruptError(f"{path}: its rows do not fit its footer, which names other conditions or columns; {_REMEDY}")
    return Predictions(table=table.replace_schema_metadata(None), columns=footer.columns, keys=footer.keys)
