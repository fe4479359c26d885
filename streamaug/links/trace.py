"""Read a trace: which packets of a real connection were lost."""

import csv
import hashlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamaug.errors import LinkError
from streamaug.files import absolute_path

_LARGEST = 16 << 20
"""Bytes of the largest file: more than a day of packets of 20 ms."""

_COLUMN = "lost"
_VALUES = {"0": False, "1": True}


@dataclass(frozen=True, kw_only=True)
class Trace:
    """Loses the packets that were lost in a recording. A clip begins at a random packet of it, and
    continues at its beginning after its end.

    Args:
        path: The file that it comes from, for people.
        bits: Whether each packet is lost, eight of them in a byte, as `numpy.packbits` writes them.
        packets: Packets of the recording.

    >>> Trace(path="", bits=bytes([0b01100000]), packets=4).lost(np.array([1 << 62] * 5, np.uint64)).tolist()
    [True, True, False, False, True]
    """

    path: str
    bits: bytes
    packets: int

    def lost(self, words: np.ndarray) -> np.ndarray:
        recorded = np.unpackbits(np.frombuffer(self.bits, np.uint8), count=self.packets).astype(bool)
        first = int(words[0]) * self.packets >> 64 if len(words) else 0
        return np.asarray(recorded[(first + np.arange(len(words))) % self.packets])

    def plain(self) -> dict[str, Any]:
        return {"trace": self.path}

    @property
    def digest(self) -> str:
        return hashlib.sha256(b"%d" % self.packets + self.bits).hexdigest()


def read_trace(path: str | os.PathLike[str]) -> Trace:
    """Read a CSV file with a column `lost`: one row per packet, in the order in which they were
    sent, 1 for a packet that was lost and 0 for one that arrived. Other columns are left alone.

    Args:
        path: The file; `~` is the home folder.

    Raises:
        LinkError: The file cannot be read, is too large, or is not such a table.
    """
    file = absolute_path(path)
    try:
        if file.stat().st_size > _LARGEST:
            raise LinkError(f"trace {file}: larger than {_LARGEST} bytes; write a shorter recording")
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.reader(lines, strict=True)
            head = next(rows, [])
            if _COLUMN not in head:
                raise LinkError(f"trace {file}: has no column '{_COLUMN}'; write a first line 'lost', and then 0 or 1 for each packet")
            column = head.index(_COLUMN)
            lost = [_value(row, column, f"{file}:{rows.line_num}") for row in rows if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LinkError(f"trace {file}: cannot be read: {error}") from error
    if not lost or all(lost):
        raise LinkError(f"trace {file}: {'all of its packets are lost' if lost else 'has no packets'}; write 0 for each that arrived")
    return Trace(path=str(file), bits=np.packbits(lost).tobytes(), packets=len(lost))


def _value(row: list[str], column: int, where: str) -> bool:
    text = row[column].strip() if column < len(row) else ""
    if text not in _VALUES:
        raise LinkError(f"trace {where}: '{_COLUMN}' is {text!r}; write 1 for a packet that was lost and 0 for one that arrived")
    return _VALUES[text]
