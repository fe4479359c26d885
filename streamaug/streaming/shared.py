"""A small table of numbers that a process shares with the worker processes that it starts.

The table is an anonymous file that is mapped into memory. It has no name, so nothing is left behind
by a process that is killed. Forked processes inherit it, spawned ones get its descriptor while they
are started. Pickled or copied in any other way, the numbers are copied and go their own way.
"""

import fcntl
import mmap
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import context, reduction
from typing import Any

import numpy as np


class SharedTable:
    """uint64 words in shared memory, a lock on all of them, and marks that last as long as a
    process.

    Args:
        words: How many; zeros at first.
    """

    def __init__(self, words: int) -> None:
        self._open(anonymous_file(words * 8), words)

    def _open(self, descriptor: int, words: int) -> None:
        self.descriptor, self._pid, self._threads = descriptor, os.getpid(), threading.Lock()
        self._memory = mmap.mmap(descriptor, words * 8)
        self.words: np.ndarray = np.frombuffer(self._memory, np.uint64)

    @contextmanager
    def locked(self) -> Iterator[np.ndarray]:
        """The words, while no other thread or process has them."""
        if self._pid != os.getpid():  # forked, perhaps while another thread had the lock
            self._pid, self._threads = os.getpid(), threading.Lock()
        with self._threads:
            # A record lock belongs to a process and ends with it, however it ends.
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX, 1, 0)
            try:
                yield self.words
            finally:
                fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, 0)

    def mark(self, number: int) -> None:
        """Mark a number until this process ends."""
        fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 1 + number)

    def is_marked(self, number: int) -> bool:
        """Whether another process that still runs has marked a number."""
        try:
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 1 + number)
        except OSError:
            return True
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, 1 + number)
        return False

    def copy(self) -> "SharedTable":
        """A table of its own with the same words."""
        return _restore(self.words.tobytes())

    def __del__(self) -> None:
        if hasattr(self, "descriptor"):
            os.close(self.descriptor)

    def __reduce__(self) -> tuple[Any, ...]:
        if context.get_spawning_popen() is not None:  # a process is being started, and is to share the table
            return _attach, (reduction.DupFd(self.descriptor), len(self.words))
        return _restore, (self.words.tobytes(),)

    def __deepcopy__(self, _: dict[int, Any]) -> "SharedTable":
        return self.copy()


def _restore(content: bytes) -> SharedTable:
    table = SharedTable(len(content) // 8)
    table.words[:] = np.frombuffer(content, np.uint64)
    return table


def _attach(descriptor: Any, words: int) -> SharedTable:
    table = SharedTable.__new__(SharedTable)
    table._open(descriptor.detach(), words)
    return table


def anonymous_file(size: int) -> int:
    """The descriptor of a file in memory, without a name.

    Args:
        size: Its bytes, zeros at first.
    """
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("streamaug")
    else:  # macOS
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
