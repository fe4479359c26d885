"""What a recipe mixes while a run trains: the share of each condition, epoch by epoch or step by
step."""

from collections.abc import Iterator

import numpy as np

from streamaug.planning import Plan
from streamaug.planning.ledger import planned

_MOST = 100


def mixture_of(plan: Plan, *, steps: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """What a training mixes over time, in the unit of the recipe's weights.

    Weights by epoch are counted in whole epochs, exactly; weights by step, in single batches. Of more
    than 100 epochs or steps, 100 are looked at.

    Args:
        plan: The plan that is trained on.
        steps: Steps of the training.
        batch: Rows of a step.

    Returns:
        Rows of each condition from each time on, (times, conditions), and the times with the end:
        (times + 1,).
    """
    epochs = list(_epochs(plan, steps, batch))
    if plan.recipe.unit == "epoch":
        chosen = _some(len(epochs))
        rows = np.stack([planned(plan, {}, [epochs[number][0]]).condition_rows for number in chosen])
        return rows, np.append(chosen, len(epochs))
    chosen = _some(steps)
    numbers = np.searchsorted([first for _, first in epochs], chosen, "right") - 1
    rows = np.stack([_rows(plan, epochs[number], step, batch) for number, step in zip(numbers, chosen, strict=True)])
    return rows, np.append(chosen, steps)


def _epochs(plan: Plan, steps: int, batch: int) -> Iterator[tuple[int, int]]:
    """Number and first step of each epoch that a training sees; rows that fill no batch are dropped."""
    epoch, first = 0, 0
    while first < steps:
        yield epoch, first
        first += plan.epoch_size(epoch) // batch
        epoch += 1


def _some(count: int) -> np.ndarray:
    """At most `_MOST` numbers below `count`, evenly spaced, beginning with 0."""
    return np.unique(np.linspace(0, count, min(count, _MOST), endpoint=False).astype(np.int64))


def _rows(plan: Plan, begun: tuple[int, int], step: int, batch: int) -> np.ndarray:
    """Rows of each condition in the batch of a step; begun: the step's epoch and the first step of that."""
    epoch, first = begun
    positions = (step - first) * batch + np.arange(batch)
    return np.bincount(plan.rows(epoch, positions).condition.ravel(), minlength=len(plan.conditions))
