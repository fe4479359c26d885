"""Messages between processes: whole, in order, with their files, and without waiting."""

import contextlib
import os
import socket
from pathlib import Path

import pytest

from streamaug.streaming.shared import anonymous_file
from streamaug.streaming.wire import receive, send


@pytest.fixture(autouse=True)
def workers():
    """None here."""


def descriptors(file: int) -> int:
    """How many descriptors of this process are of a file. Other tests' files may close meanwhile."""
    same = 0
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            same += os.path.samestat(each.stat(), os.fstat(file))
    return same


@pytest.fixture
def pair():
    one, other = socket.socketpair()
    for each in (one, other):
        each.settimeout(10)
    yield one, other
    one.close()
    other.close()


def test_messages_come_in_order_with_their_files(pair) -> None:
    one, other = pair
    file = anonymous_file(3)
    os.pwrite(file, b"abc", 0)
    for number, size in enumerate((10, 5_000_000, 0, 70_000)):
        send(one, (number, b"x" * size), [file] * number)
    for number, size in enumerate((10, 5_000_000, 0, 70_000)):
        message, files = receive(other)
        assert message == (number, b"x" * size)
        assert [os.pread(each, 3, 0) for each in files] == [b"abc"] * number
        for each in files:
            os.close(each)
    assert descriptors(file) == 1
    os.close(file)


def test_both_sides_may_send_large_messages_at_the_same_time(pair) -> None:
    one, other = pair
    for _ in range(2):
        send(one, b"question" * 1_000_000)
        send(other, b"answer" * 1_000_000)
    for _ in range(2):
        assert receive(other)[0] == b"question" * 1_000_000
        assert receive(one)[0] == b"answer" * 1_000_000


def test_the_end_of_the_other_side_is_none_in_the_middle_of_a_message_too(pair) -> None:
    one, other = pair
    one.sendall((1000).to_bytes(8, "little") + b"\0" + b"half")
    one.close()
    assert receive(other) is None
    assert receive(other) is None
