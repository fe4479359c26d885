"""The other side of `processes.py`: a server that imports once what decoding needs, and the
processes that it forks, which decode.

    this process ──socket──▶ server ──fork──▶ decode process ◀──socket── this process

A fork takes milliseconds and shares the memory of what is imported. It is safe in the server, which
has one thread. All of them end when the process that they decode for is gone: their sockets close.
"""

import gc
import mmap
import os
import pickle
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from streamaug.streaming.decode import DecodedRow, DecodeTask, decode_row
from streamaug.streaming.heap import CLIPS_PER_TRIM, trim_heap
from streamaug.streaming.messages import Failure, Place
from streamaug.streaming.wire import receive, send


def serve(control: socket.socket) -> None:
    """Fork a decode process for each socket that arrives, until the other side is gone.

    Args:
        control: To the process that asks.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system forgets processes that have ended
    gc.freeze()  # what is imported stays: a collection in a process would copy the memory that it looks at
    while (message := receive(control)) is not None:
        variables, [descriptor] = message
        if not os.fork():
            control.close()
            os.environ.update(variables)
            _decode_all(socket.socket(fileno=descriptor))
            os._exit(0)
        os.close(descriptor)


def _decode_all(connection: socket.socket) -> None:
    """Decode what arrives, until the other side is gone."""
    torch.set_num_threads(1)
    if (message := receive(connection)) is None:
        return
    _, [file] = message
    progress = np.frombuffer(mmap.mmap(file, 8), np.uint64)
    processing: Any = None
    buffers: list[mmap.mmap] = []

    def row(task: DecodeTask, places: Sequence[Place]) -> DecodedRow | Failure:
        if isinstance(processing, Failure):
            return processing
        outs = [torch.from_numpy(np.ndarray(place.shape, np.float32, buffers[place.buffer], place.offset)) for place in places]
        try:
            return decode_row(replace(task, processing=processing), outs, is_alone=True)
        except Exception as error:
            return Failure(kind=type(error).__name__, text=str(error))

    while (message := receive(connection)) is not None:
        work, files = message
        for size, file in zip(work.opened, files, strict=True):
            buffers.append(mmap.mmap(file, size))
            os.close(file)
        if work.processing is not None:
            pickled, sys.path[:] = work.processing
            try:
                processing = pickle.loads(pickled)  # noqa: S301  of the process that this one decodes for
            except Exception as error:  # of a user's module: whatever it is
                text = "its features or the augmentation cannot be loaded in a decode process"
                reason = f"{type(error).__name__}: {error}; give Stream(workers='threads')"
                processing = Failure(kind="FeatureError", text=f"{text}: {reason}")
        answers = []
        for task, places in zip(work.tasks, work.outs, strict=True):
            answers.append(row(task, places))
            progress[0] += 1
            if progress[0] % CLIPS_PER_TRIM == 0:
                trim_heap()
        try:
            send(connection, answers)
        except ConnectionError:
            return
