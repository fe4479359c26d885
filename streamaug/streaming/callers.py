"""How the DataLoader that iterates a stream is set up.

PyTorch does not tell a dataset how it is loaded, and three settings would go wrong in silence: a
DataLoader that stacks whole batches, one that hands them over out of order, and one of accelerate
that shares them among the ranks again. They are seen in the frames of the call that iterates, forks
or pickles the stream.
"""

import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

from torch.utils.data import DataLoader

_LIBRARIES = ("torch.utils.data", "torchdata.", "accelerate.")

_ACCELERATE_LOADERS = {("accelerate.data_loader", name) for name in ("DataLoaderDispatcher", "DataLoaderShard", "IterableDatasetShard")}


def stacks_batches() -> bool:
    """Whether a DataLoader with a `batch_size` iterates, which would make batches of batches."""
    return any(
        frame.f_code.co_name == "__init__" and frame.f_locals.get("auto_collation") is True and "collate_fn" in frame.f_locals
        for frame in _frames()
    )


def loads_out_of_order() -> bool:
    """Whether a DataLoader with in_order=False starts this worker, or is about to."""
    loaders = (frame.f_locals.get("loader") for frame in _frames() if frame.f_code.co_name == "__init__")
    return any(isinstance(loader, DataLoader) and not getattr(loader, "in_order", True) for loader in loaders)


def is_shared_again() -> bool:
    """Whether accelerate iterates, which shares out, reads ahead and counts epochs by itself.

    Its shard fails before it reaches a dataset that has no batch size, in a line that names neither
    of them. With a size it gets as far as the stream, which refuses it.
    """
    owners = [frame.f_locals.get("self") for frame in _frames()]
    loaders: list[Any] = [owner for owner in owners if (type(owner).__module__, type(owner).__name__) in _ACCELERATE_LOADERS]
    for loader in loaders:
        if type(loader).__name__ == "IterableDatasetShard" and getattr(loader, "batch_size", 1) is None:
            loader.batch_size = 1
    return bool(loaders)


def _frames() -> Iterator[FrameType]:
    """The callers that belong to these libraries.

    Whoever reads the variables of a frame keeps what they hold until the frame ends (up to Python
    3.12), and the variables of a training loop hold batches and models.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_LIBRARIES):
            yield frame
        frame = frame.f_back
