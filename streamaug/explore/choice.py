"""Choose a few clips that show what a store has: spread over its labels and over its order."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamaug.errors import StoreError
from streamaug.explore.clips import Clips
from streamaug.explore.filters import Filter, Query
from streamaug.hints import nearest
from streamaug.splits import Split

_LABELS_PER_CLIP = 4
"""Labels that are looked at per clip, where a store has more: each is a pass over the clips table."""


def query_of(where: Sequence[str]) -> Query:
    """A query from choices as a user writes them.

    Args:
        where: Each a column and values, such as `label=rain,wind` or `fold!=4`; `train` is a split.

    Raises:
        StoreError: A text is not a choice.

    >>> query_of(["fold!=4"]).filters
    (Filter(column='fold', operator='is not', values=('4',)),)
    """
    splits = map(Split.parse, where)
    return Query(filters=tuple(Filter(column=s.column, operator="is" if s.keep else "is not", values=s.values) for s in splits))


def spread_clips(clips: Clips, labels: Sequence[str], query: Query, count: int) -> np.ndarray:
    """Row numbers of clips that match, ascending: as many of each label as the labels allow.

    Args:
        clips: The clips table.
        labels: The store's labels; empty if it has none.
        query: Which clips may be chosen.
        count: How many to choose.

    Raises:
        StoreError: No clip matches.
    """
    rows = clips.rows(query)
    if not len(rows):
        raise _no_clip_error(clips, query)
    chosen: set[int] = set()
    if labels and clips.target:
        looked_at = [labels[number] for number in evenly(len(labels), _LABELS_PER_CLIP * count)]
        of_label = [clips.rows(replace(query, filters=(*query.filters, _only(clips.target, label)))) for label in looked_at]
        for own, number in zip(of_label, deal([len(own) for own in of_label], count), strict=True):
            chosen |= set(own[evenly(len(own), number)].tolist())
    # A clip with several labels was perhaps chosen twice.
    left = np.setdiff1d(rows, np.array(sorted(chosen), rows.dtype), assume_unique=True)
    chosen |= set(left[evenly(len(left), count - len(chosen))].tolist())
    return np.array(sorted(chosen), np.int64)


def _no_clip_error(clips: Clips, query: Query) -> StoreError:
    """Says which choice no clip fulfils."""
    for each in query.filters:
        if not len(clips.rows(Query(filters=(each,)))):
            split = Split(column=each.column, values=each.values, keep=each.operator == "is")
            problem = f"{'no' if split.keep else 'every'} clip has {each.column} = {', '.join(each.values)}"
            values = nearest(each.values[0], [value for value, _ in clips.values(each.column).counts])
            return StoreError(f"--where {split}: {problem}; write another value, or column=value, such as label=rain. {values}")
    return StoreError("no clip matches all of --where together; leave one of them out")


def _only(target: str, label: str) -> Filter:
    return Filter(column=target, operator="is", values=(label,))


def evenly(total: int, count: int) -> np.ndarray:
    """Some of the numbers 0 to total - 1, at equal distances.

    >>> evenly(10, 3).tolist(), evenly(2, 5).tolist()
    ([1, 5, 8], [0, 1])
    """
    count = min(max(count, 0), total)
    return ((2 * np.arange(count) + 1) * total) // (2 * max(count, 1))


def deal(available: Sequence[int], count: int) -> list[int]:
    """How many to take of each heap, one by one in turn; if there are more heaps than to be taken,
    of some at equal distances.

    >>> deal([5, 1, 5], 6), deal([1, 1], 6), deal([9, 0, 9, 9, 9], 2)
    ([2, 1, 3], [1, 1], [0, 0, 1, 0, 1])
    """
    counts = np.zeros(len(available), np.int64)
    while left := min(count, sum(available)) - int(counts.sum()):
        heaps = np.flatnonzero(np.asarray(available) > counts)
        counts[heaps[evenly(len(heaps), left)]] += 1
    return [int(number) for number in counts]
