"""What a recipe mixes while a run trains: the share of each condition, epoch by epoch or step by
step."""

from collections.abc import Iterator

import numpy as np

from streamaug.planning import Plan
from streamaug.planning.ledger import planned
from train.figures import mixture_over_time

_MOST = 100
"""Epochs or steps that are looked at."""


def draw_curriculum(plan: Plan, *, steps: int, batch: int) -> bytes:
    """PNG of the mixture over a training.

    A recipe whose weights go by epoch is counted in whole epochs, exactly; one whose weights go by
    step, in single batches.

    Args:
        plan: The plan that is trained on.
        steps: Steps of the training.
        batch: Rows of a step.
    """
    epochs = list(_epochs(plan, steps, batch))
    if plan.recipe.unit == "epoch":
        chosen = _some(len(epochs))
        rows = np.stack([planned(plan, {}, [epochs[number][0]]).condition_rows for number in chosen])
        return mixture_over_time(plan.conditions, rows, np.append(chosen, len(epochs)), unit="epoch")
    chosen = _some(steps)
    numbers = np.searchsorted([first for _, first in epochs], chosen, "right") - 1
    rows = np.stack([_rows(plan, epochs[number], step, batch) for number, step in zip(numbers, chosen, strict=True)])
    return mixture_over_time(plan.conditions, rows, np.append(chosen, steps), unit="step")


def _epochs(plan: Plan, steps: int, batch: int) -> Iterator[tuple[int, int]]:
    """Number and first step of each epoch that a training sees; rows that fill no batch are dropped."""
    epoch, first = 0, 0
    while first < steps:
        yield epoch, first
        first += plan.epoch_size(epoch) // batch
        epoch += 1


def _some(count: int) -> np.ndarray:
    """At most 100 numbers below `count`, evenly spaced, beginning with 0."""
    return np.unique(np.linspace(0, count, min(count, _MOST), endpoint=False).astype(np.int64))


def _rows(plan: Plan, begun: tuple[int, int], step: int, batch: int) -> np.ndarray:
    """Rows of each condition in the batch of a step; begun: the step's epoch and the first step of that."""
    epoch, first = begun
    positions = (step - first) * batch + np.arange(batch)
    return np.bincount(plan.rows(epoch, positions).condition.ravel(), minlength=len(plan.conditions))
