"""Memory for batches, used again when nothing refers to it any more."""

import weakref

import numpy as np
import torch


class Buffers:
    """Hands out tensors whose memory comes back by itself.

    A fresh batch of 40 MB costs ten thousand page faults, more time than copying its features does.
    """

    def __init__(self) -> None:
        self._free: dict[tuple[int, ...], list[np.ndarray]] = {}

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
        free = self._free.setdefault(shape, [])
        memory = free.pop() if free else np.empty(shape, np.float32)
        lease = memory[:]  # lives as long as any tensor on it
        weakref.finalize(lease, free.append, memory).atexit = False
        with torch.inference_mode(False):  # the consumer may be in that mode; the threads that fill the batch are not
            return torch.from_numpy(lease)
