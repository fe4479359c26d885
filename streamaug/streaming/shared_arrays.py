"""Values whose arrays are not copied into the processes that are spawned.

The arrays are written once, into one anonymous file that each of these processes maps into its
memory; only the rest of the value is pickled for it. Forked processes have the arrays already.
Pickled or copied in any other way, the value is copied whole.
"""

import io
import mmap
import os
import pickle
from collections.abc import Sequence
from functools import cached_property
from multiprocessing import context, reduction
from typing import Any, Generic, TypeVar

import numpy as np

from streamaug.streaming.shared import anonymous_file

_T = TypeVar("_T")

_ALIGNED = 64
"""Every array begins at a multiple of so many bytes, as NumPy and Arrow like it."""


class SharedArrays(Generic[_T]):
    """A value that can be pickled, and that nobody changes.

    Args:
        value: Such as a dataclass of NumPy and Arrow arrays, anywhere in it.
    """

    def __init__(self, value: _T) -> None:
        self.value = value

    @cached_property
    def _file(self) -> "_File":
        return _File.of(self.value)

    def __reduce__(self) -> tuple[Any, ...]:
        if context.get_spawning_popen() is None:
            return SharedArrays, (self.value,)
        return _attach, (reduction.DupFd(self._file.descriptor), self._file.sizes, self._file.rest)


class _File:
    """The arrays of a value in an anonymous file.

    Args:
        descriptor: The file.
        sizes: Bytes of each array.
        rest: The value without its arrays, pickled.
    """

    def __init__(self, descriptor: int, sizes: Sequence[int], rest: bytes) -> None:
        self.descriptor, self.sizes, self.rest = descriptor, sizes, rest

    @classmethod
    def of(cls, value: Any) -> "_File":
        """Write the arrays of a value."""
        rest, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
        _Pickler(rest, protocol=5, buffer_callback=buffers.append).dump(value)
        arrays = [buffer.raw() for buffer in buffers]
        sizes = [array.nbytes for array in arrays]
        starts, size = _layout(sizes)
        file = cls(anonymous_file(size), sizes, rest.getvalue())
        with mmap.mmap(file.descriptor, size) as memory:
            for start, array in zip(starts, arrays, strict=True):
                memory[start : start + array.nbytes] = array
        return file

    def load(self) -> Any:
        """The value, with arrays that are views of the file. They cannot be written to, since other
        processes read them, too."""
        starts, size = _layout(self.sizes)
        memory = memoryview(mmap.mmap(self.descriptor, size, access=mmap.ACCESS_READ))
        arrays = [memory[start : start + length] for start, length in zip(starts, self.sizes, strict=True)]
        return pickle.loads(self.rest, buffers=arrays)  # noqa: S301  # by the process that started this one

    def __del__(self) -> None:
        os.close(self.descriptor)


class _Pickler(pickle.Pickler):
    """Leaves arrays out. One that repeats a single item, which takes no memory, stays as it is:
    otherwise it would be pickled item by item."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.ndarray) and value.size and not any(value.strides):
            return np.broadcast_to, (value[(0,) * value.ndim], value.shape)
        return NotImplemented


def _layout(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Where each array begins in the file, and the bytes of the file, which has at least one."""
    steps = np.array([-(-size // _ALIGNED) * _ALIGNED for size in sizes], np.int64)
    return (np.cumsum(steps) - steps).tolist(), max(1, int(steps.sum()))


def _attach(descriptor: Any, sizes: Sequence[int], rest: bytes) -> SharedArrays[Any]:
    file = _File(descriptor.detach(), sizes, rest)
    shared = SharedArrays(file.load())
    shared._file = file  # for the processes that this one starts
    return shared
