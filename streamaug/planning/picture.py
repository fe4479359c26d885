"""Draw an epoch: which row comes when, in which condition, of which clip."""

from typing import TYPE_CHECKING

import numpy as np

from streamaug.planning.plan import Plan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FIRST, _DOTS, _BATCHES = 256, 20_000, 200


def picture_of(plan: Plan, epochs: range, shard_order: np.ndarray) -> "Figure":
    """Draw three panels: the first rows, the whole first epoch, and each condition's share in the
    batches of all epochs.

    The whole epoch has a lane per condition, in which clips are in the order of their shards: reads
    in windows of shards show as stripes, and a full shuffle fills the lanes evenly. Stratified
    batches have straight shares. Over several epochs, shares show what schedules do.

    Args:
        plan: The plan.
        epochs: Numbers of the epochs.
        shard_order: For each clip of the store, its position in the order of shards, in [0, 1).
    """
    from matplotlib.figure import Figure

    epoch = epochs.start
    size, count = plan.epoch_size(epoch), len(plan.conditions)
    figure = Figure(figsize=(10, 3.2 + 0.6 * count), layout="constrained", dpi=110)
    first, whole, shares = figure.subplots(3, 1, height_ratios=[1 + 0.35 * count, 1 + 0.7 * count, 2.4])
    colours = [f"C{number % 10}" for number in range(count)]

    near = plan.rows(epoch, np.arange(min(_FIRST, size)))
    for view in range(plan.views):
        for number in range(count):
            at = np.flatnonzero(near.condition[:, view] == number)
            first.vlines(at, number - 0.4, number + 0.4, color=colours[number], linewidth=2)
    first.set(title=f"{plan.recipe.title}: first {len(near)} of {size} rows", xlim=(-1, len(near)), xlabel="position")

    positions = np.unique(np.linspace(0, size - 1, min(size, _DOTS)).astype(np.int64))
    seen = plan.rows(epoch, positions)
    for view in range(plan.views):
        for number in range(count):
            shown = seen.condition[:, view] == number
            whole.plot(positions[shown], number + 0.45 - 0.9 * shard_order[seen.clip[shown]], ".", ms=1.6, mew=0, color=colours[number])
    which = "the whole epoch" if len(epochs) == 1 else f"the whole of epoch {epoch}"
    whole.set(title=f"{which}; inside a lane, clips in the order of their shards", xlim=(0, size), xlabel="position")

    batch = plan.recipe.stratify or 256
    places, counts = [], []
    for number in np.unique(np.linspace(epochs.start, epochs.stop - 1, min(len(epochs), _BATCHES)).astype(np.int64)).tolist():
        starts, held = _batches(plan, number, batch, -(-_BATCHES // len(epochs)))
        places.append(starts if len(epochs) == 1 else number + starts / plan.epoch_size(number))
        counts.append(held)
    for number in range(count):
        line = np.concatenate(counts)[:, number]
        shares.plot(np.concatenate(places), line, color=colours[number], linewidth=1, label=plan.conditions[number])
    limits, label = ((0, size), "position") if len(epochs) == 1 else ((epochs.start, epochs.stop), "epoch")
    shares.set(title=f"rows of each condition in batches of {batch}", xlim=limits, ylim=(0, None), xlabel=label)

    for axes in (first, whole):
        axes.set(yticks=range(count), yticklabels=plan.conditions, ylim=(count - 0.5, -0.5))
    return figure


def _batches(plan: Plan, epoch: int, batch: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Some batches of an epoch: their first positions (n,), and their rows by condition (n,
    conditions)."""
    size, conditions = plan.epoch_size(epoch), len(plan.conditions)
    starts = np.unique(np.linspace(0, max(0, size // batch - 1), most).astype(np.int64)) * batch
    shown = plan.rows(epoch, (starts[:, None] + np.arange(min(batch, size))).ravel()).condition.reshape(len(starts), -1)
    return starts, np.stack([np.bincount(row, minlength=conditions) for row in shown])
