"""Print tables, and write tables, rows and pictures to files."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
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
_WIDEST = 10_000
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]\d+)?")


def print_lines(lines: Sequence[Sequence[str]]) -> None:
    """Print a table, its head first, numbers to the right; a narrow terminal does not cut it."""
    from rich.measure import Measurement
    from rich.table import Table

    from streamaug.cli.console import Terminal

    table = Table(*lines[0])
    for number, column in enumerate(table.columns):
        if all(_NUMBER.fullmatch(line[number]) for line in lines[1:]):
            column.justify = "right"
    for line in lines[1:]:
        table.add_row(*line)
    console = Terminal(width=_WIDEST)
    console.print(table, width=Measurement.get(console, console.options, table).maximum)


def split_by_label(clips: pa.Table, labels: Sequence[str], column: str = "split") -> list[list[str]]:
    """Lines of a table of clips: one per label with its clips in each split, then all clips. A clip
    counts under each of its labels. If clips have numbers to be learned, these lines show the
    smallest, the mean and the largest.

    >>> clips = pa.table({"label": ["dog", "cat", "dog"], "split": ["train", "train", None]})
    >>> split_by_label(clips, ["cat", "dog"])
    [['label', 'train', '-', 'clips'], ['cat', '1', '0', '1'], ['dog', '1', '1', '2'], ['all', '2', '1', '3']]
    >>> split_by_label(pa.table({"target": [1.0, 2.5], "split": ["train", "train"]}), [])[1:]
    [['smallest', '1', '1'], ['mean', '1.75', '1.75'], ['largest', '2.5', '2.5'], ['all', '2', '2']]

    Args:
        clips: The column to count by, and label, labels, target or none of them.
        labels: In the order of the lines.
        column: What to count by; clips without a value are counted under `-`.
    """
    sides = clips[column].to_pylist()
    totals = Counter(sides)
    values = sorted(totals, key=lambda value: (value is None, value))
    target = next((name for name in TARGET_FIELDS if name in clips.column_names), None)
    lines = [[target or "", *("-" if value is None else str(value) for value in values), "clips"]]
    if target in ("label", "labels"):
        cells = clips[target].to_pylist()
        own = [[cell] if target == "label" else cell or ["-"] for cell in cells]
        counts = Counter((label, side) for clip, side in zip(own, sides, strict=True) for label in clip)
        for label in (*labels, *(["-"] if [] in cells else [])):
            row = [counts[label, value] for value in values]
            lines.append([label, *map(str, row), str(sum(row))])
    elif target:
        numbers = clips[target].to_pylist()
        sets = [[number for number, side in zip(numbers, sides, strict=True) if side == value] for value in values]
        for name, summary in (("smallest", min), ("mean", fmean), ("largest", max)):
            lines.append([name, *(f"{summary(each):g}" for each in (*sets, numbers))])
    return [*lines, ["all", *(str(totals[value]) for value in values), str(totals.total())]]


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
