"""What the DataLoader that iterates a stream was told.

PyTorch does not tell a dataset how it is loaded, and two settings would go wrong in silence: a
DataLoader that stacks whole batches, and one that hands them over out of order. Both are seen in
the frames of the call that iterates, forks or pickles the stream.
"""

import sys
from collections.abc import Iterator
from types import FrameType

from torch.utils.data import DataLoader


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


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        yield frame
        frame = frame.f_back
