"""Print tables, and write tables, rows and pictures to files."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from streamaug.errors import StreamaugError
from streamaug.files import staged_file
from streamaug.store.format import TARGET_FIELDS
from streamaug.store.targets import target_columns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from streamaug.planning import Plan
    from streamaug.store.catalogue import StoreLike
    from streamaug.store.locations import BitstreamLocations

_ROWS_AT_ONCE = 1 << 18
_NUMBER = re.compile(r"[+−-]?\d+(\.\d+)?(e[+-]\d+)?")


def print_lines(lines: Sequence[Sequence[str]]) -> None:
    """Print a table, its head first, numbers to the right; a narrow terminal does not cut it."""
    from rich.measure import Measurement
    from rich.table import Table

    from streamaug.cli.console import UNCUT, Terminal

    table = Table(*lines[0])
    for number, column in enumerate(table.columns):
        if all(_NUMBER.fullmatch(line[number]) for line in lines[1:]):
            column.justify = "right"
    for line in lines[1:]:
        table.add_row(*line)
    console = Terminal(width=UNCUT)
    console.print(table, width=Measurement.get(console, console.options, table).maximum)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path that gets its final name when all is written. Raises StreamaugError."""
    try:
        with staged_file(path) as part:
            yield part
    except OSError as error:
        raise StreamaugError(f"{path}: cannot be written: {error.strerror or error}; choose a file in a folder that exists") from error


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table as CSV or Parquet, by the ending of the file's name; in CSV, lists are written a;b."""
    import pyarrow.compute
    import pyarrow.csv
    import pyarrow.parquet

    writers = {".csv": pyarrow.csv.write_csv, ".parquet": pyarrow.parquet.write_table}
    if path.suffix not in writers:
        raise StreamaugError(f"{path}: a table must have the ending .csv or .parquet; rename the file")
    lists = [number for number, field in enumerate(table.schema) if pa.types.is_list(field.type) and path.suffix == ".csv"]
    for number in lists:
        table = table.set_column(number, table.column_names[number], pyarrow.compute.binary_join(table[number], ";"))
    with whole(path) as part:
        writers[path.suffix](table, part)


def write_picture(path: Path, figure: "Figure") -> None:
    """Write a figure as PNG or SVG, by the file's ending; without date, so it is reproducible."""
    metadata: dict[str, dict[str, str | None]] = {".png": {"Software": None}, ".svg": {"Date": None}}
    if path.suffix not in metadata:
        raise StreamaugError(f"{path}: a picture must have the ending .png or .svg; rename the file")
    with whole(path) as part:
        figure.savefig(part, format=path.suffix[1:], metadata=metadata[path.suffix])


def write_rows(path: Path, plan: "Plan", store: "StoreLike", conditions: Sequence["BitstreamLocations"], epochs: Iterable[int]) -> None:
    """Write every row of some epochs to a Parquet file, one line per view."""
    import pyarrow.parquet

    if path.suffix != ".parquet":
        raise StreamaugError(f"{path}: rows must have the ending .parquet; rename the file")
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


def _rows(plan: "Plan", store: "StoreLike", conditions: Sequence["BitstreamLocations"], epoch: int, start: int, stop: int) -> pa.Table:
    import numpy as np

    from streamaug.planning.clips_digest import key_columns

    names = [name for name in key_columns(store) if name not in TARGET_FIELDS]
    rows = plan.rows(epoch, np.arange(start, stop))
    condition, clip = rows.condition.reshape(-1), np.repeat(rows.clip, plan.views)
    paths: list[str] = []
    first_path = []
    for bitstreams in conditions:
        first_path.append(len(paths))
        paths += bitstreams.paths()

    def location(name: str) -> np.ndarray:
        values = np.empty(len(clip), np.int64)
        for number, bitstreams in enumerate(conditions):
            values[condition == number] = getattr(bitstreams, name)[clip[condition == number]]
        return values

    def taken(name: str) -> pa.Array:
        return store.clips[name].take(pa.array(clip)).combine_chunks()

    def dictionary(names: Sequence[str], numbers: np.ndarray) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int32()), pa.array(names, pa.string()))

    columns = {
        "epoch": pa.array(np.full(len(clip), epoch), pa.int32()),
        "position": pa.array(np.repeat(np.arange(start, stop), plan.views), pa.int64()),
        "view": pa.array(np.tile(np.arange(plan.views), stop - start), pa.int8()),
        **{name: taken(name) for name in names},
        "condition": dictionary(plan.conditions, condition),
        **{name: taken(name) for name in target_columns(store.manifest.target)},
        "shard": dictionary(paths, location("shard") + np.array(first_path)[condition]),
        "offset": pa.array(location("offset"), pa.int64()),
        "size": pa.array(location("size"), pa.int64()),
    }
    if plan.recipe.allow_leakage:
        columns["leakage"] = pa.array(["allowed"] * len(clip), pa.string())
    return pa.table(columns)
