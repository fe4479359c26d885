"""Compare two plans on the same store: settings, counts, and single rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff

import numpy as np

from streamaug.condition_names import condition_order
from streamaug.planning.plan import Plan
from streamaug.recipes.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class PlanDifference:
    """How an epoch of two plans differs: by clip in a condition, and by position.

    Args:
        conditions: Names of the conditions of both plans.
        condition: Number of the condition of each clip in a condition whose count changes, int64 of
            shape (n,).
        clip: Its clip, a row number in the store's clips table.
        before: Its count in the first plan.
        after: Its count in the second plan.
        common: Clips in a condition that both plans have, by count.
        unmoved: Positions with the same row in both plans.
    """

    conditions: tuple[str, ...]
    condition: np.ndarray
    clip: np.ndarray
    before: np.ndarray
    after: np.ndarray
    common: int
    unmoved: int

    @property
    def removed(self) -> int:
        """Clips in a condition that only the first plan has, by count."""
        return int(np.maximum(self.before - self.after, 0).sum())

    @property
    def added(self) -> int:
        """Clips in a condition that only the second plan has, by count."""
        return int(np.maximum(self.after - self.before, 0).sum())


def compare(one: Plan, other: Plan, epoch: int = 0) -> PlanDifference:
    """Compare an epoch of two plans on the same store, in memory for all its rows.

    Args:
        one: The first plan.
        other: The second plan.
        epoch: Number of the epoch. Default: 0.
    """
    conditions = tuple(sorted({*one.conditions, *other.conditions}, key=condition_order))
    counted, rows = [], []
    for plan in (one, other):
        shown = plan.rows(epoch, np.arange(plan.epoch_size(epoch)))
        renumbered = np.array([conditions.index(name) for name in plan.conditions])[shown.condition]
        codes = renumbered + shown.clip[:, None] * len(conditions)
        rows.append(codes)
        counted.append(np.unique(codes, return_counts=True))
    every = np.union1d(counted[0][0], counted[1][0])
    before, after = np.zeros(len(every), np.int64), np.zeros(len(every), np.int64)
    for counts, (codes, times) in zip((before, after), counted, strict=True):
        counts[np.searchsorted(every, codes)] = times
    changed = before != after
    clip, condition = np.divmod(every[changed], len(conditions))
    return PlanDifference(
        conditions=conditions,
        condition=condition,
        clip=clip,
        before=before[changed],
        after=after[changed],
        common=int(np.minimum(before, after).sum()),
        unmoved=_unmoved(*rows),
    )


def _unmoved(one: np.ndarray, other: np.ndarray) -> int:
    if one.shape[1] != other.shape[1]:
        return 0
    both = min(len(one), len(other))
    return int((one[:both] == other[:both]).all(axis=1).sum())


def changed_settings(one: Recipe, other: Recipe) -> Sequence[str]:
    """Lines that differ between two joined recipes: '-' in the first, '+' in the second."""
    lines = unified_diff(one.to_yaml().splitlines(), other.to_yaml().splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]
