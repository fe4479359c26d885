"""Traces come from outside: what is not one is refused with file and line."""

import numpy as np
import pytest

from streamaug.errors import LinkError
from streamaug.keys import derived_key
from streamaug.links import read_trace


def test_a_clip_takes_the_trace_from_a_random_packet_on(tmp_path) -> None:
    recorded = np.random.default_rng(3).random(500) < 0.2
    (tmp_path / "trace.csv").write_text("ms,lost\n" + "".join(f"{20 * number},{int(lost)}\n" for number, lost in enumerate(recorded)))
    trace = read_trace(tmp_path / "trace.csv")
    starts = set()
    for key in range(60):
        lost = trace.lost(derived_key(key, np.arange(700)))
        [start] = [first for first in range(500) if np.array_equal(lost, np.resize(np.roll(recorded, -first), 700))]
        starts.add(start)
    assert len(starts) > 40
    assert trace.digest != read_trace_of(tmp_path, "lost\n1\n0\n").digest
    assert trace.plain() == {"trace": str(tmp_path / "trace.csv")}


def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path) -> None:
    assert read_trace_of(tmp_path, b"\xef\xbb\xbflost\r\n1\r\n0\r\n").digest == read_trace_of(tmp_path, "lost\n1\n0\n").digest


def read_trace_of(folder, content: str | bytes):
    path = folder / "other.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_trace(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no column 'lost'"),
        ("packet\n1\n", "has no column 'lost'"),
        ("lost\n", "has no packets"),
        ("lost\n1\n1\n", "all of its packets are lost"),
        ("lost\n0\nyes\n", r"other.csv:3: 'lost' is 'yes'"),
        ("a,lost\n0,1\n0\n", r"other.csv:3: 'lost' is ''"),
        (b"lost\n\xff\n", "cannot be read"),
        ('lost\n"0\n', "cannot be read"),
    ],
)
def test_what_is_not_a_trace_is_refused(tmp_path, content: str | bytes, message: str) -> None:
    with pytest.raises(LinkError, match=message):
        read_trace_of(tmp_path, content)


def test_a_trace_that_is_missing_or_too_large_is_refused(tmp_path) -> None:
    with pytest.raises(LinkError, match="cannot be read"):
        read_trace(tmp_path / "none.csv")
    with (tmp_path / "large.csv").open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(LinkError, match="larger than"):
        read_trace(tmp_path / "large.csv")
