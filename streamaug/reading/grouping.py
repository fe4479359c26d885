"""Decide which batches' bitstreams are requested from a remote store together."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

_Batch = TypeVar("_Batch")

GROUP = 64 << 20
"""Bytes of bitstreams that are requested from a remote store together, and again while these are
decoded; a window counts as one."""

GROUPS_UNDER_WAY = 2
"""Groups that are requested before the first of them is used up."""


def grouped(
    batches: Iterable[_Batch], window_of: Callable[[_Batch], int | None], size_of: Callable[[_Batch], int]
) -> Iterator[list[_Batch]]:
    """Consecutive batches that are requested together, so many that neighbours find each other.

    Those of a window belong together whatever they take, for they read its shards to the end.

    Args:
        batches: As planned.
        window_of: The window of shards that a batch is in; None if the plan has none.
        size_of: Bytes of a batch's bitstreams.

    >>> list(grouped([1, 2, 3], lambda batch: None, lambda batch: GROUP // 2))
    [[1, 2], [3]]
    >>> list(grouped([1, 2, 3], lambda batch: batch // 2, lambda batch: GROUP))
    [[1], [2, 3]]
    """
    group: list[_Batch] = []
    window, size = None, 0
    for batch in batches:
        following = window_of(batch)
        if group and (following != window or (following is None and size >= GROUP)):
            yield group
            group, size = [], 0
        window = following
        group.append(batch)
        size += size_of(batch)
    if group:
        yield group
