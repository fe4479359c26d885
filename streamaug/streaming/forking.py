"""Start the server that forks decode processes, once in this process, and ask it for them."""

import atexit
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import weakref
from multiprocessing.spawn import get_executable
from pathlib import Path

from streamaug.codecs.neural.config import VARIABLE
from streamaug.streaming.wire import send

ENVIRONMENT = {
    # Libraries would start threads, which a process that forks must not have.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # glibc gives freed memory back at once, and each clip pays a tenth of its time for getting it again.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
}
"""What the environment of decode processes has besides this one's."""

_START = """
import json, socket, sys
descriptor, path = json.loads(sys.argv[1])
sys.path[:] = path
from streamaug.streaming.decode_server import serve
serve(socket.socket(fileno=descriptor))
"""


class _Server:
    """The process that forks decode processes; it ends when this one does."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        keep_from_forks(self._control)
        path = [str(Path(each).absolute()) for each in sys.path]  # an empty one is the working directory, which may change
        with theirs:
            self._process = subprocess.Popen(
                [os.fsdecode(get_executable()), "-c", _START, json.dumps([theirs.fileno(), path])],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, **ENVIRONMENT},
                process_group=0,  # Ctrl-C goes to all processes of a terminal's group; these end with their parent
            )

    def fork(self) -> socket.socket:
        """A connection to a new decode process, which finds the checkpoints that this one finds now.
        Raises OSError if the server is gone."""
        ours, theirs = socket.socketpair()
        with theirs:
            send(self._control, {VARIABLE: os.environ.get(VARIABLE, "")}, [theirs.fileno()])
        return ours

    def close(self) -> None:
        """End the server."""
        self._control.close()
        self._process.wait()


_server: _Server | None = None
_server_lock = threading.Lock()
_open_connections: "weakref.WeakSet[socket.socket]" = weakref.WeakSet()


def keep_from_forks(connection: socket.socket) -> None:
    """Close a connection in processes that are forked from this one.

    Args:
        connection: To a process that ends when all copies of the connection are closed.
    """
    _open_connections.add(connection)


def fork() -> socket.socket:
    """A connection to a new decode process; starts the server if none runs."""
    global _server
    with _server_lock:
        if _server is not None:
            with contextlib.suppress(OSError):
                return _server.fork()
            _server.close()  # it was killed
        _server = _Server()
        return _server.fork()


def start_server() -> None:
    """Start the server before the first decode process is needed: it imports what decoding needs
    while this process does something else."""
    global _server
    with _server_lock:
        _server = _server or _Server()


def _forget() -> None:
    """In a process that was forked: the connections are its parent's, whose decode processes must
    see when the parent has ended."""
    global _server, _server_lock
    _server, _server_lock = None, threading.Lock()
    for connection in list(_open_connections):
        connection.close()


@atexit.register
def _end() -> None:
    if _server is not None:
        _server.close()


os.register_at_fork(after_in_child=_forget)
