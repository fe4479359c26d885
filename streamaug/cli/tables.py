"""Tables on the screen and in files."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from streamaug.errors import StreamaugError
from streamaug.files import staged_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from streamaug.planning import Plan
    from streamaug.reading.locations import BitstreamLocations
    from streamaug.store import Store

_ROWS_AT_ONCE = 1 << 18
_WIDEST = 10_000


def print_lines(lines: Sequence[Sequence[str]]) -> None:
    """Print a table, numbers to the right, its head first; as wide as it must be, however narrow the terminal."""
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    table = Table(*lines[0])
    for place, column in enumerate(table.columns):
        if all(line[place].lstrip("+-").isdigit() for line in lines[1:]):
            column.justify = "right"
    for line in lines[1:]:
        table.add_row(*line)
    console = Console(width=_WIDEST)
    console.print(table, width=Measurement.get(console, console.options, table).maximum)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write to, which takes the wanted name when all is written. Raises StreamaugError where it cannot be written."""
    try:
        with staged_file(path) as part:
            yield part
    except OSError as error:
        raise StreamaugError(f"{path}: cannot be written: {error.strerror or error}; name a file in a folder that exists") from error


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as CSV or Parquet, as the file's name asks."""
    import pyarrow.csv
    import pyarrow.parquet

    writers = {".csv": pyarrow.csv.write_csv, ".parquet": pyarrow.parquet.write_table}
    if path.suffix not in writers:
        raise StreamaugError(f"{path}: a table is written as .csv or .parquet; give the file one of these endings")
    with whole(path) as part:
        writers[path.suffix](table, part)


def write_picture(path: Path, figure: "Figure") -> None:
    """Write a figure as PNG or SVG, as the file's name asks; without date or version, so that the same is drawn again."""
    metadata: dict[str, dict[str, str | None]] = {".png": {"Software": None}, ".svg": {"Date": None}}
    if path.suffix not in metadata:
        raise StreamaugError(f"{path}: a picture is written as .png or .svg; give the file one of these endings")
    with whole(path) as part:
        figure.savefig(part, format=path.suffix[1:], metadata=metadata[path.suffix])


def write_rows(path: Path, plan: "Plan", store: "Store", conditions: Sequence["BitstreamLocations"], epochs: Iterable[int]) -> None:
    """Write every row of some epochs to a Parquet file, a line a view: what is shown when, and where its bytes lie."""
    import pyarrow.parquet

    if path.suffix != ".parquet":
        raise StreamaugError(f"{path}: rows are written as Parquet; give the file the ending .parquet")
    writer = None
    with whole(path) as part:
        try:
            for epoch in epochs:
                size = plan.epoch_size(epoch)
                for start in range(0, size, _ROWS_AT_ONCE):
                    table = _rows(plan, store, conditions, epoch, start, min(start + _ROWS_AT_ONCE, size))
                    writer = writer or pyarrow.parquet.ParquetWriter(part, table.schema)
                    writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()


def _rows(plan: "Plan", store: "Store", conditions: Sequence["BitstreamLocations"], epoch: int, start: int, stop: int) -> pa.Table:
    import numpy as np

    rows = plan.rows(epoch, np.arange(start, stop))
    condition, clip = rows.condition.reshape(-1), np.repeat(rows.clip, plan.views)
    paths: list[str] = []
    first = []
    for bitstreams in conditions:
        first.append(len(paths))
        paths += bitstreams.paths()

    def found(name: str) -> np.ndarray:
        values = np.empty(len(clip), np.int64)
        for number, bitstreams in enumerate(conditions):
            values[condition == number] = getattr(bitstreams, name)[clip[condition == number]]
        return values

    def named(names: Sequence[str], numbers: np.ndarray) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), pa.array(names, pa.string()))

    columns = {
        "epoch": pa.array(np.full(len(clip), epoch), pa.int32()),
        "position": pa.array(np.repeat(np.arange(start, stop), plan.views), pa.int64()),
        "view": pa.array(np.tile(np.arange(plan.views), stop - start), pa.int8()),
        "clip_id": store.clips["clip_id"].take(pa.array(clip)).combine_chunks(),
        "condition": named(plan.conditions, condition),
        "label": store.clips["label"].take(pa.array(clip)).combine_chunks(),
        "shard": named(paths, found("shard") + np.array(first)[condition]),
        "offset": pa.array(found("offset"), pa.int64()),
        "size": pa.array(found("size"), pa.int64()),
    }
    if plan.recipe.allow_leakage:
        columns["leakage"] = pa.array(["allowed"] * len(clip), pa.string())
    return pa.table(columns)
