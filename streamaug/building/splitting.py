"""Divide clips into splits: groups stay whole, labels are spread evenly, a seed decides the rest."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence


def assign_splits(labels: Sequence[Collection[str | None]], groups: Sequence[str], shares: Sequence[float], seed: int = 0) -> list[int]:
    """The split of each clip, as its number in `shares`.

    The largest groups choose first, each the split that lacks most of its labels; among equals, the
    split that lacks most clips. Where each group has one label, no split exceeds its share
    of a label by a whole group. The order of the clips does not matter.

    >>> assign_splits([["dog"]] * 4 + [["cat"]] * 4, ["a", "a", "b", "c", "d", "d", "e", "f"], [0.5, 0.5])
    [1, 1, 0, 0, 0, 0, 1, 1]

    Args:
        labels: Labels of each clip, one, several or none, spread in the same shares over all splits.
        groups: What must not be divided, for each clip; clips with the same group go together.
        shares: Share of each split, in sum 1.
        seed: Another seed gives another division.
    """
    by_group: dict[str, list[int]] = defaultdict(list)
    for clip, group in enumerate(groups):
        by_group[group].append(clip)
    total = Counter(label for own in labels for label in own)
    lacks = [{label: share * count for label, count in total.items()} for share in shares]
    lacks_clips = [share * len(labels) for share in shares]
    splits = [0] * len(labels)
    for _, _, clips in sorted((-len(clips), _random(group, seed), clips) for group, clips in by_group.items()):
        counts = Counter(label for clip in clips for label in labels[clip])

        def need(split: int, counts: Counter[str | None] = counts) -> tuple[float, float]:
            of_labels = sum(count * lacks[split][label] / total[label] for label, count in counts.items())
            return round(of_labels, 9), round(lacks_clips[split], 9)

        chosen = max(range(len(shares)), key=need)
        for label, count in counts.items():
            lacks[chosen][label] -= count
        lacks_clips[chosen] -= len(clips)
        for clip in clips:
            splits[clip] = chosen
    return splits


def _random(group: str, seed: int) -> bytes:
    """A place in the order that depends on the seed and on nothing but the group."""
    return hashlib.sha256(f"{seed}:{group}".encode("utf-8", "surrogatepass")).digest()
