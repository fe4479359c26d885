"""How much of an epoch's batches is padding: what a shuffle in buckets saves."""

from dataclasses import dataclass

import numpy as np

from streamaug.planning.plan import Plan

_MOST_ROWS = 100_000


@dataclass(frozen=True, kw_only=True)
class Padding:
    """Samples of batches that are padded to their longest clip.

    Args:
        rows: Rows that were measured, from the first of the epoch on.
        whole: Whether these are all batches of the epoch.
        samples: Samples of their clips.
        shuffled: Padding in a full shuffle, in samples.
        bucketed: Padding in the buckets of the plan, in samples.
    """

    rows: int
    whole: bool
    samples: int
    shuffled: int
    bucketed: int


def measure_padding(plan: Plan, epoch: int) -> Padding:
    """Measure the padding of an epoch's whole batches, or of those in its first 100 000 rows.

    Args:
        plan: A plan with buckets.
        epoch: Number of the epoch.
    """
    opened, bucket = plan.epoch(epoch), plan.recipe.bucket
    if opened.buckets is None or bucket is None:
        raise ValueError("padding is measured for plans with buckets")
    most = _MOST_ROWS // bucket.rows * bucket.rows or bucket.rows
    rows = min(opened.size // bucket.batch * bucket.batch or opened.size, most)
    positions = np.arange(rows)
    shuffled, bucketed = (opened.buckets.lengths(each) for each in (positions, opened.buckets.sources(positions)))
    samples = int(shuffled.sum())
    return Padding(
        rows=rows,
        whole=opened.size - rows < bucket.batch,
        samples=samples,
        shuffled=_padded(shuffled, bucket.batch) - samples,
        bucketed=_padded(bucketed, bucket.batch) - samples,
    )


def _padded(lengths: np.ndarray, batch: int) -> int:
    """Samples of batches that are padded to their longest clip.

    >>> _padded(np.array([1, 3, 2, 2, 5]), 2)
    15
    """
    starts = np.arange(0, len(lengths), batch)
    sizes = np.diff(starts, append=len(lengths))
    return int((np.maximum.reduceat(lengths, starts) * sizes).sum()) if len(lengths) else 0
