"""Keep a folder that one process writes to from all others."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from streamaug.errors import StreamaugError

LOCK = ".lock"
"""Name of the lock's file. The operating system frees the lock however its process ends."""


@contextmanager
def held(folder: Path, inside: str = ".") -> Iterator[None]:
    """Have a folder to oneself until the `with` block or the process ends.

    Args:
        folder: The folder.
        inside: Path of an existing folder in it, which gets the file of the lock.

    Raises:
        StreamaugError: Another process has it.
    """
    try:
        with FileLock(folder / inside / LOCK, timeout=0):
            yield
    except Timeout:
        raise StreamaugError(f"another process writes to {folder}; wait until it ends, or choose another folder") from None
