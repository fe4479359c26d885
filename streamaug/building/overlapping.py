"""Find excerpts of one recording that have sound in common, but are in different groups.

A group is what must not be on both sides of training and evaluation, and the guard against leakage
compares groups alone. Excerpts are in the group of their recording, unless a table has its own.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from streamaug.building.excerpts import Excerpt


def overlap_warnings(
    excerpts: Sequence[Excerpt], ids: Sequence[str], groups: Sequence[str | None], splits: Sequence[str | None]
) -> list[str]:
    """One line if excerpts of different groups overlap.

    Args:
        excerpts: What each clip is.
        ids: Name of each clip.
        groups: Group of each clip; None for its recording.
        splits: Split of each clip, or None; for the example.

    >>> excerpts = [Excerpt("a.wav", 0, 10), Excerpt("a.wav", 5, 15)]
    >>> overlap_warnings(excerpts, ["one", "two"], ["g", "g"], ["train", "test"])  # the guard sees the group
    []
    >>> print(overlap_warnings(excerpts, ["one", "two"], ["g", "h"], ["train", "test"])[0].partition(",")[0])
    warning: 1 excerpt overlaps with one of another group
    """
    if all(excerpt.is_whole for excerpt in excerpts):
        return []
    pairs = list(_crossing(excerpts, groups))
    if not pairs:
        return []
    pair = next((pair for pair in pairs if len({splits[row] for row in pair}) > 1), pairs[0])
    one, other = (f"'{ids[row]}' (group {groups[row] or 'of its recording'}, split {splits[row] or 'none'})" for row in pair)
    return [
        f"warning: {f'{len(pairs)} excerpts overlap' if len(pairs) > 1 else '1 excerpt overlaps'} with one of another group, for example "
        f"{one} and {other}, so the same sound may be trained on and evaluated; leave the column 'group' out, so that a recording is one "
        "group, or cut excerpts that do not overlap"
    ]


def _crossing(excerpts: Sequence[Excerpt], groups: Sequence[str | None]) -> Iterator[tuple[int, int]]:
    """Excerpts that overlap with an earlier one of the same file and another group: the numbers of
    both.

    >>> excerpts = [Excerpt("a", 0, 10), Excerpt("a", 10, 20), Excerpt("a", 5, 15), Excerpt("b", 0, 10)]
    >>> list(_crossing(excerpts, ["x", "x", "y", "z"]))
    [(0, 2), (2, 1)]
    """
    by_path = defaultdict[str, list[int]](list)
    for number, excerpt in enumerate(excerpts):
        by_path[excerpt.path].append(number)
    for numbers in by_path.values():
        furthest: dict[str | None, tuple[float, int]] = {}  # where the earlier excerpts end; for the two groups that reach furthest
        for number in sorted(numbers, key=lambda number: excerpts[number].start or 0.0):
            start, stop, group = excerpts[number].start or 0.0, excerpts[number].stop, groups[number]
            end, before = max((each for other, each in furthest.items() if other != group), default=(-math.inf, -1))
            if end > start:
                yield before, number
            furthest[group] = max(furthest.get(group, (-math.inf, -1)), (math.inf if stop is None else stop, number))
            if len(furthest) > 2:
                del furthest[min(furthest, key=furthest.__getitem__)]
