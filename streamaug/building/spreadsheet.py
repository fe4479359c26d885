"""Write CSV files that are safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence

from streamaug.printable import escape_controls

_FORMULA = ("=", "+", "-", "@")
"""First characters of what a spreadsheet computes instead of shows."""


def safe_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A CSV file whose texts start no formula and hold no control characters.

    A text that a spreadsheet would compute begins with an apostrophe, which spreadsheets do not
    show.

    >>> safe_csv(["row", "path"], [(1, "=HYPERLINK(A1)"), (-2, "a.wav")])
    b"row,path\\r\\n1,'=HYPERLINK(A1)\\r\\n-2,a.wav\\r\\n"
    """
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows([_safe(value) if isinstance(value, str) else value for value in row] for row in rows)
    return text.getvalue().encode()


def _safe(value: str) -> str:
    shown = escape_controls(value)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA) else shown
