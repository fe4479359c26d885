"""Find names that somebody probably meant to be the same: `dog` and `Dog`, `train` and `trian`."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

_SHORTEST = 4
"""Letters of the longer of two names below which one wrong letter makes another word."""


def same_but_for_blanks_and_case(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that differ only in blanks, case, or how Unicode composes them.

    >>> same_but_for_blanks_and_case(["dog", "cat", "Dog", "dog "])
    [('Dog', 'dog', 'dog ')]
    """
    groups: dict[str, set[str]] = defaultdict(set)
    for name in names:
        groups["".join(unicodedata.normalize("NFKC", name).casefold().split())].add(name)
    return sorted(tuple(sorted(group)) for group in groups.values() if len(group) > 1)


def misspelt(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that one slip of the keyboard makes of each other.

    A slip is two letters swapped, one left out, or one replaced before the end: `fold1` and
    `fold2`, or `test_a` and `test_b`, are names that somebody counts with.

    >>> misspelt(["train", "trian", "test", "evaluate", "evalute", "fold1", "fold2", "test_a", "test_b"])
    [('evaluate', 'evalute'), ('train', 'trian')]
    """
    known = sorted(set(names))
    return [(one, other) for number, one in enumerate(known) for other in known[number + 1 :] if _is_slip(one, other)]


def _is_slip(one: str, other: str) -> bool:
    if len(one) > len(other):
        one, other = other, one
    if len(other) < _SHORTEST or len(other) - len(one) > 1:
        return False
    start = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    if len(one) < len(other):
        return other[start].isalpha() and one[start:] == other[start + 1 :]
    is_swapped = one[start : start + 2] == other[start : start + 2][::-1] and one[start + 2 :] == other[start + 2 :]
    is_replaced = start < len(one) - 1 and one[start + 1 :] == other[start + 1 :] and one[start].isalpha() and other[start].isalpha()
    return one != other and one[start : start + 2].isalpha() and (is_swapped or is_replaced)
