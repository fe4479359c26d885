"""Messages between a process and those that decode for it: pickled objects and open files, over a
socket pair that nobody else can reach.

A large message goes as a file in memory. So a send does not wait for the other side to receive,
which may be sending itself.
"""

import os
import pickle
import socket
import struct
from collections.abc import Sequence
from typing import Any

from streamaug.streaming.shared import anonymous_file

_HEADER = struct.Struct("<Q?")
_IN_SOCKET = 16 << 10
"""Bytes up to which a message goes through the socket, whose buffer has room for several."""

_MAX_FILES = 200


def send(connection: socket.socket, message: Any, files: Sequence[int] = ()) -> None:
    """Send an object, and descriptors of open files with it.

    Args:
        connection: A Unix socket.
        message: Any object that can be pickled.
        files: Descriptors; the receiver gets duplicates of them.

    Raises:
        OSError: The other side is gone.
    """
    payload = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    if len(payload) <= _IN_SOCKET:
        socket.send_fds(connection, [_HEADER.pack(len(payload), False)], files)
        connection.sendall(payload)
        return
    with os.fdopen(anonymous_file(0), "wb") as file:
        file.write(payload)
        file.flush()
        socket.send_fds(connection, [_HEADER.pack(len(payload), True)], [file.fileno(), *files])


def receive(connection: socket.socket) -> tuple[Any, list[int]] | None:
    """Wait for the next message: the object, and descriptors of the files that came with it.

    Args:
        connection: A Unix socket.

    Returns:
        None when the other side has closed the socket, or is gone.
    """
    try:
        header, files, _, _ = socket.recv_fds(connection, _HEADER.size, _MAX_FILES, socket.MSG_WAITALL)
        if len(header) < _HEADER.size:
            return None
        size, is_file = _HEADER.unpack(header)
        if is_file:
            descriptor, *files = files
            os.lseek(descriptor, 0, os.SEEK_SET)  # both sides share the position
            with os.fdopen(descriptor, "rb") as file:
                payload = file.read()
        else:
            payload = connection.recv(size, socket.MSG_WAITALL)
        if len(payload) < size:
            return None
    except ConnectionError:
        return None
    return pickle.loads(payload), files  # noqa: S301  of a process that this one started, or was started by
