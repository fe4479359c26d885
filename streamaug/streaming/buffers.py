"""Memory for batches, used again when nothing refers to it any more."""

import math
import mmap
import os
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from streamaug.streaming.messages import Place
from streamaug.streaming.shared import anonymous_file


def _allocate(count: int) -> np.ndarray:
    return np.empty(count, np.float32)


def _capacity(count: int) -> int:
    """Numbers that memory for so many is made for: few sizes, so that batches of many shapes share
    it, and at most a quarter more.

    >>> [_capacity(count) for count in (5, 100, 112, 1000, 1025)]
    [5, 112, 112, 1024, 1280]
    """
    step = 1 << max(0, (count - 1).bit_length() - 3)
    return -(-count // step) * step


class Buffers:
    """Hands out tensors whose memory comes back by itself.

    A fresh batch of 40 MB costs ten thousand page faults, more time than copying its features does.

    Args:
        allocate: Gives fresh memory for a count of float32 numbers. Default: of this process alone.
    """

    def __init__(self, allocate: Callable[[int], np.ndarray] = _allocate) -> None:
        self._allocate, self._is_pinned = allocate, False
        self._free: dict[int, list[np.ndarray]] = {}

    def pin(self) -> None:
        """Let a GPU read the memory by itself, from now on: it is copied in the background then."""
        self._is_pinned = True

    def take(self, shape: tuple[int, ...]) -> torch.Tensor:
        """A float32 tensor of the shape, its content undefined.

        >>> buffers = Buffers()
        >>> first = buffers.take((2, 3)); address = first.data_ptr()
        >>> buffers.take((2, 3)).data_ptr() == address
        False
        >>> row = first[0]; del first
        >>> buffers.take((2, 3)).data_ptr() == address  # still in use, by the row
        False
        >>> del row
        >>> buffers.take((2, 3)).data_ptr() == address
        True
        """
        count = math.prod(shape)
        capacity = _capacity(count)
        # Memory that is up to twice as large does, too: so there is little more than is in use together.
        larger = min((size for size, free in self._free.items() if free and capacity <= size <= 2 * capacity), default=None)
        memory = self._fresh(capacity) if larger is None else self._free[larger].pop()
        lease = memory[:count].reshape(shape)  # lives as long as any tensor on it
        weakref.finalize(lease, self._free.setdefault(len(memory), []).append, memory).atexit = False
        with torch.inference_mode(False):  # the consumer may be in that mode; the threads that fill the batch are not
            return torch.from_numpy(lease)

    def _fresh(self, count: int) -> np.ndarray:
        memory = self._allocate(count)
        if self._is_pinned:
            address = memory.ctypes.data
            runtime: Any = torch.cuda.cudart()  # type: ignore[no-untyped-call]  # CUDA's own functions
            if int(runtime.cudaHostRegister(address, memory.nbytes, 0)) == 0:  # else the copy is slower, and right
                weakref.finalize(memory, runtime.cudaHostUnregister, address)
        return memory


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Shared memory of a batch.

    Args:
        file: Its descriptor.
        size: Bytes.
        address: Where it begins in this process.
        memory: What keeps it there.
    """

    file: int
    size: int
    address: int
    memory: np.ndarray


class SharedMemory:
    """Memory without a name, which the decode processes get as an open file."""

    def __init__(self) -> None:
        self.segments: list[Segment] = []
        weakref.finalize(self, _close_files, self.segments)

    def allocate(self, count: int) -> np.ndarray:
        """Memory for so many float32 numbers."""
        size = 4 * count
        file = anonymous_file(size)
        memory = np.frombuffer(mmap.mmap(file, size), np.float32)
        self.segments.append(Segment(file=file, size=size, address=memory.ctypes.data, memory=memory))
        return memory

    def place(self, row: torch.Tensor) -> Place:
        """Where a decode process finds a row that is in one of the segments."""
        for number, segment in enumerate(self.segments):
            offset = row.data_ptr() - segment.address
            if 0 <= offset < segment.size:
                return Place(buffer=number, offset=offset, shape=tuple(row.shape))
        raise AssertionError("this row is not in memory that was allocated here")


def _close_files(segments: Sequence[Segment]) -> None:
    for segment in segments:
        os.close(segment.file)
