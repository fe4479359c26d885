"""The grade of one clip, out of the table that `streamaug quality` leaves in a store."""

from math import isfinite

import pyarrow as pa
from pydantic import ValidationError

from streamaug.errors import CorruptError
from streamaug.explore.conditions import ConditionRows, Entry
from streamaug.explore.tables import Tables, parquet
from streamaug.quality.table import FOOTER, FORMAT, QualityMeta, quality_file

_ROWS = 1 << 16


def grade_of(rows: ConditionRows, entry: Entry, original: ConditionRows, tables: Tables) -> float | None:
    """The PEAQ grade (ODG) of a clip in a condition: 0 no difference, -4 very annoying.

    Args:
        rows: The condition.
        entry: The clip in it.
        original: The originals, which the grades compare with.
        tables: The store's tables on a local disk.

    Returns:
        The grade; None if the condition was not measured as it is now, or the clip has no grade.

    Raises:
        CorruptError: The table of grades, or an index, is damaged.
        FetchError: It could not be read.
    """
    path = quality_file(rows.name)
    try:
        local = tables.path(path, None)
    except FileNotFoundError:
        return None
    with parquet(local, path) as file:
        try:
            meta = QualityMeta.model_validate_json((file.schema_arrow.metadata or {})[FOOTER])
            if (meta.format, meta.measured, meta.reference) != (FORMAT, rows.digest, original.digest):
                return None
            first = 0
            for batch in file.iter_batches(_ROWS, columns=["clip_id", "grade"], use_threads=False):
                if first <= entry.row < first + batch.num_rows:
                    # The grades are in the order of the index.
                    clip_id, grade = (batch[name][entry.row - first].as_py() for name in ("clip_id", "grade"))
                    return float(grade) if clip_id == entry.location.clip_id and isfinite(grade) else None
                first += batch.num_rows
        except (KeyError, ValidationError, pa.ArrowException) as error:
            raise CorruptError(f"{path}: not readable as a table of grades: {error}; remove it and measure again") from error
    return None
