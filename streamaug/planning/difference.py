"""What changes from one plan to another on the same store: settings, counts, and single rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff

import numpy as np

from streamaug.planning.plan import Plan
from streamaug.recipes.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class PlanDifference:
    """An epoch of two plans, compared by how often each clip is shown in each condition, and position by position.

    conditions: of both plans. condition, clip, before, after: each clip and condition shown not equally often, with how often in
    either plan; int64 of shape (n,). kept: showings that both plans have. unmoved: positions with the same row in both.
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
        """Showings that only the first plan has."""
        return int(np.maximum(self.before - self.after, 0).sum())

    @property
    def added(self) -> int:
        """Showings that only the second plan has."""
        return int(np.maximum(self.after - self.before, 0).sum())


def compare(one: Plan, other: Plan, epoch: int = 0) -> PlanDifference:
    """Compare an epoch of two plans on the same store; takes memory for the epochs' rows."""
    conditions = tuple(sorted({*one.conditions, *other.conditions}, key=lambda name: (name != "original", name)))
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
    """Lines of the recipes that differ, written out without their `extends`: '-' those of the first, '+' those of the second."""
    lines = unified_diff(one.to_yaml().splitlines(), other.to_yaml().splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]
