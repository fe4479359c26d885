"""Read CSV, TSV and Parquet files into columns, as people's programs write them.

Python's own csv module does the work: it gives text as text, names the line of an error, and reads
200 000 lines in half a second. pyarrow.csv guesses types (speaker `0012` becomes 12), needs to know
every column's name beforehand to keep it from guessing, and cannot drop blanks after commas.
`csv.Sniffer` guesses a delimiter from the frequencies of characters; the header's names are a surer
sign.
"""

import codecs
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streamaug.errors import ClipsError

_DELIMITERS = (",", "\t", ";", "|")
_KNOWN_NAMES = {"path", "label", "split", "group", "clip_id"}
_ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
"""Encoding by the mark at the beginning of a file; without one it is UTF-8."""


def read_file(path: Path) -> tuple[pa.Table, list[str]]:
    """The columns of a table as they are, and what is wrong with its lines.

    All columns of a CSV file are text, null where a cell is empty. A column name may be there
    twice.

    Args:
        path: A Parquet file, or text with commas, tabs, semicolons or bars between the cells.

    Raises:
        ClipsError: The file is missing or not readable.
    """
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            # Not read_table, which imports pandas: half a second.
            table = pq.ParquetFile(path).read()
            table.validate(full=True)  # texts may not be UTF-8
            return table, []
        with pa.input_stream(str(path), compression="detect") as file:
            return _read_csv(file.read())
    except FileNotFoundError:
        raise ClipsError(f"clips table {path} does not exist; check the path") from None
    except UnicodeDecodeError as error:
        raise ClipsError(f"clips table {path}: not UTF-8 text ({error}); save it as UTF-8, or as Parquet") from error
    except (pa.ArrowException, csv.Error, OSError) as error:
        raise ClipsError(f"clips table {path}: {error}; it must be CSV or Parquet with columns path, label and split") from error


def _read_csv(data: bytes) -> tuple[pa.Table, list[str]]:
    encoding = next((name for mark, name in _ENCODINGS.items() if data.startswith(mark)), "utf-8")
    text = data.decode(encoding)
    header = next((line for line in text.splitlines() if line.strip()), "")
    delimiter, has_blanks = sniff(header)
    numbered = None
    if delimiter == "\t" and '"' in text:
        # Many programs write tabs without quoting, where a quote is a character like any other.
        try:
            numbered = _split(text, delimiter, has_blanks, csv.QUOTE_MINIMAL)
        except csv.Error:
            numbered = None
        if numbered is None or any("\n" in cell for _, row in numbered for cell in row):
            numbered = _split(text, delimiter, has_blanks, csv.QUOTE_NONE)
    numbered = numbered or _split(text, delimiter, has_blanks, csv.QUOTE_MINIMAL)
    if not numbered:
        return pa.table({}), []
    (_, names), *numbered = numbered
    problems, rows = [], []
    for line, row in numbered:
        if len(row) != len(names):
            if len(row) < len(names) or any(row[len(names) :]):
                problems.append(f"a line of another length: line {line} has {len(row)} cells, not {len(names)} like the header; correct it")
            row = [*row, *[""] * len(names)][: len(names)]
        rows.append(row)
    columns = [text_array(column) for column in zip(*rows, strict=True)]
    columns = columns or [text_array([]) for _ in names]
    named = []
    for number, (name, column) in enumerate(zip(names, columns, strict=True), start=1):
        if name.strip():
            named.append((name.strip(), column))
        elif column.null_count < len(column):  # a column that is empty altogether comes from delimiters at the lines' ends
            problems.append(f"a column without a name: column {number}; write one into the first line")
    return pa.Table.from_arrays([column for _, column in named], names=[name for name, _ in named]), problems


def _split(text: str, delimiter: str, has_blanks: bool, quoting: Literal[0, 3]) -> list[tuple[int, list[str]]]:
    """The lines that are not empty, as cells, each with its number in the file. Raises csv.Error."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=has_blanks, quoting=quoting, strict=True)
    try:
        return [(reader.line_num, row) for row in reader if any(row)]
    except csv.Error as error:
        raise csv.Error(f"line {reader.line_num}: {error}") from None


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type has text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def text_array(cells: Sequence[str | None], *, has_nulls: bool = True) -> pa.StringArray:
    """Cells as an Arrow array, by default null where they are empty; `pa.array` would import pandas.

    >>> text_array(["a", "", "né", None]).to_pylist()
    ['a', None, 'né', None]
    """
    filled = [cell or "" for cell in cells]
    text = "".join(filled)
    data = text.encode()
    sizes = np.fromiter(map(len, filled) if text.isascii() else (len(cell.encode()) for cell in filled), np.int64, len(filled))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    present = np.packbits(sizes > 0, bitorder="little") if has_nulls else None
    buffers = [None if data is None else pa.py_buffer(data) for data in (offsets, data, present)]
    return pc.cast(pa.LargeStringArray.from_buffers(len(filled), *buffers), pa.string())


def sniff(header: str) -> tuple[str, bool]:
    """The delimiter of a table, and whether blanks follow it, from its first line.

    It is the one that gives most of the names that a build knows, and then most columns.

    >>> sniff("path;label;split"), sniff("path, label, split"), sniff("path,label,a;b;c;d")
    ((';', False), (',', True), (',', False))
    """

    def names_and_columns(sign: str) -> tuple[int, int]:
        cells = [cell.strip() for cell in next(csv.reader([header], delimiter=sign), [])]
        return len(_KNOWN_NAMES & {*cells}), len(cells)

    delimiter = max(_DELIMITERS, key=names_and_columns)
    others = header.split(delimiter)[1:]
    return delimiter, bool(others) and all(name.startswith(" ") for name in others)
