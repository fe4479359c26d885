"""What decodes: workers that carry out decode tasks, and their memory for batches."""

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

import torch
from torch import Tensor

from streamaug.streaming.buffers import Buffers
from streamaug.streaming.decode import DecodedRow, DecodeTask, decode_row
from streamaug.streaming.heap import CLIPS_PER_TRIM, trim_heap


class Workers(Protocol):
    """Carries out decode tasks."""

    @property
    def count(self) -> int:
        """Tasks that are decoded at the same time."""

    def buffer(self, shape: tuple[int, ...]) -> Tensor:
        """Memory for a batch, float32, that the workers can write into."""

    def pin(self) -> None:
        """Let a GPU read the buffers by itself, those that are made from now on."""

    def submit(self, prepare: Callable[[], DecodeTask], outs: Sequence[Tensor]) -> Future[DecodedRow]:
        """Decode into `outs`, parts of a buffer.

        `prepare` runs in this process and may wait for the bitstream.
        """

    def call(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Run a function in this process, on a thread."""

    def close(self) -> None:
        """End the workers; what they have not begun is dropped."""


class ThreadWorkers:
    """Threads of this process, in each of which PyTorch computes on one core."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._buffers = Buffers()
        self._decoded = itertools.count(1)
        self._pool = start_threads(count)

    def buffer(self, shape: tuple[int, ...]) -> Tensor:
        return self._buffers.take(shape)

    def pin(self) -> None:
        self._buffers.pin()

    def submit(self, prepare: Callable[[], DecodeTask], outs: Sequence[Tensor]) -> Future[DecodedRow]:
        return self._pool.submit(self._decode, prepare, outs)

    def _decode(self, prepare: Callable[[], DecodeTask], outs: Sequence[Tensor]) -> DecodedRow:
        row = decode_row(prepare(), outs)
        if next(self._decoded) % CLIPS_PER_TRIM == 0:
            trim_heap()
        return row

    def call(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        return self._pool.submit(function, *arguments)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def start_threads(count: int) -> ThreadPoolExecutor:
    """A pool of started threads, in each of which PyTorch computes on one core; elsewhere its
    setting stays.

    PyTorch keeps the number of cores per thread, and new threads take the number that was set last
    anywhere. So every thread of the pool sets its own now, and the caller sets its own again
    afterwards.
    """
    before = torch.get_num_threads()
    together = threading.Barrier(count)  # without it the first thread would take all the tasks

    def settle() -> None:
        torch.get_num_threads()  # a thread's first question or computation takes the number set elsewhere, once and for all
        torch.set_num_threads(1)
        together.wait()

    pool = ThreadPoolExecutor(count, thread_name_prefix="streamaug-decode")
    try:
        for task in [pool.submit(settle) for _ in range(count)]:
            task.result()
    except BaseException:  # a thread could not be started: the others must not wait for it
        together.abort()
        pool.shutdown(wait=False)
        raise
    torch.set_num_threads(before)
    return pool
