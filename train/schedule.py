"""Learning rate: cosine annealing with warm restarts (Loshchilov and Hutter 2017) and a slow
further decay.
"""

import math

LOW = 1e-4
"""The learning rate at the end of a cycle, as a share of that at its start."""


def learning_rate(step: int, *, total: int, cycles: int, max_lr: float, decay: float = 0.0) -> float:
    """The learning rate of a step.

    The steps are divided into cosine cycles, each twice as long as the one before, so that the last
    step ends the last
    cycle: 254 epochs in 7 cycles restart at epochs 2, 6, 14, 30, 62 and 126. In a cycle the rate
    falls from `max_lr` to `max_lr` * LOW; everything is divided by 1 + decay * step.

    Args:
        step: Number of the step, from 0.
        total: Steps of the run.
        cycles: Number of cosine cycles.
        max_lr: Learning rate at the start of each cycle.
        decay: Further decay per step.

    Raises:
        ValueError: The step is outside the schedule.

    >>> [round(learning_rate(step, total=254, cycles=7, max_lr=0.1), 4) for step in (0, 1, 2, 4, 6)]
    [0.1, 0.05, 0.1, 0.05, 0.1]
    """
    if not 0 <= step < total:
        raise ValueError(f"step {step} is outside the {total} steps of the schedule")
    parts = 2**cycles - 1  # cycle c begins after 2**c - 1 of them and is 2**c long
    cycle = (step * parts // total + 1).bit_length() - 1
    phase = (step * parts / total - (2**cycle - 1)) / 2**cycle
    min_lr = max_lr * LOW
    return (min_lr + (max_lr - min_lr) * (1 + math.cos(math.pi * phase)) / 2) / (1 + decay * step)
