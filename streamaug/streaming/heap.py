"""Give freed memory that the C library holds on to back to the system now and then.

Up to version 2.37 glibc finds little use for freed blocks that were allocated aligned, as all of
PyTorch's are (its bug 14581): the heap of a process that decodes grows by some 50 kB per clip,
without an end.
"""

import ctypes
from collections.abc import Callable
from functools import cache

CLIPS_PER_TRIM = 2048
"""Clips that are decoded between two trims.

One took 70 to 120 ms on a busy machine, where so many clips take ten seconds.
"""


@cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None  # another C library than glibc
    return trim


def trim_heap() -> None:
    """Give the heap's free pages back, if the C library is glibc."""
    if (trim := _malloc_trim()) is not None:
        trim(0)
