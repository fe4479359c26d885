"""Learning rate: cosine annealing with warm restarts (Loshchilov and Hutter 2017) and a slow further decay."""

import math

LOW = 1e-4
"""The rate at a cycle's end, as a share of its start."""


def learning_rate(step: int, *, total: int, cycles: int, high: float, decay: float = 0.0) -> float:
    """The learning rate of a step, counted from 0.

    The `total` steps are laid out as `cycles` cosines, each twice as long as the one before, so that the last step ends
    the last one: 254 epochs in 7 cycles restart at epochs 2, 6, 14, 30, 62 and 126. From `high` down to `high` * LOW
    in a cycle; everything is divided by 1 + decay * step.

    >>> [round(learning_rate(step, total=254, cycles=7, high=0.1), 4) for step in (0, 1, 2, 4, 6)]
    [0.1, 0.05, 0.1, 0.05, 0.1]
    """
    if not 0 <= step < total:
        raise ValueError(f"step {step} lies outside the {total} steps of the schedule")
    parts = 2**cycles - 1  # cycle c begins after 2**c - 1 of them and is 2**c long
    cycle = (step * parts // total + 1).bit_length() - 1
    phase = (step * parts / total - (2**cycle - 1)) / 2**cycle
    low = high * LOW
    return (low + (high - low) * (1 + math.cos(math.pi * phase)) / 2) / (1 + decay * step)
