"""How ranks share an epoch: which positions each batch of a rank holds, and where the epoch ends."""

from dataclasses import dataclass
from numbers import Integral
from typing import Literal

import numpy as np

from streamaug.errors import StreamaugError

LastBatch = Literal["drop", "pad", "keep"]
"""What happens to an incomplete last batch: `drop` leaves it out; `pad` fills it with the epoch's
first rows; `keep` serves it as it is, and a rank that gets none of its rows has one batch less."""


@dataclass(frozen=True, kw_only=True)
class RankPartition:
    """One rank's part of an epoch: slice `rank` of each global batch of `batch_size` rows.

        positions   0 1 2 3 | 4 5 6 7 | 8 9
        rank 0      0 1     | 4 5     | 8
        rank 1          2 3 |     6 7 |   9

    Args:
        batch_size: Rows of a global batch.
        rank: Of this process.
        world: Number of ranks.
        tail: What happens to an incomplete last batch.

    Raises:
        StreamaugError: The batch cannot be shared evenly.

    >>> [RankPartition(batch_size=4, rank=1, world=2, tail="keep").positions(batch, 0, 10).tolist() for batch in range(3)]
    [[2, 3], [6, 7], [9]]
    """

    batch_size: int
    rank: int = 0
    world: int = 1
    tail: LastBatch = "drop"

    def __post_init__(self) -> None:
        if self.tail not in ("drop", "pad", "keep"):
            raise StreamaugError(f"tail={self.tail!r}: write 'drop', 'pad' or 'keep'")
        for name, value in (("batch_size", self.batch_size), ("rank", self.rank), ("world", self.world)):
            if not isinstance(value, Integral) or isinstance(value, bool):
                raise StreamaugError(f"{name}={value!r}: write a whole number")
        if self.batch_size < 1 or not 0 <= self.rank < self.world:
            raise StreamaugError(
                f"batch_size={self.batch_size}, rank={self.rank}, world={self.world}: a batch has one row or more, "
                "and ranks count from 0 to world - 1"
            )
        if self.batch_size % self.world:
            raise StreamaugError(
                f"a global batch of {self.batch_size} rows cannot be shared evenly by {self.world} ranks; use a multiple of {self.world}"
            )

    def batches(self, first: int, rows: int) -> int:
        """Global batches from row `first` to the end of an epoch of `rows`."""
        left = max(rows - first, 0)
        return left // self.batch_size if self.tail == "drop" else -(-left // self.batch_size)

    def end(self, batch: int, first: int, rows: int) -> int:
        """Rows of the epoch that are consumed after a batch, counted from `first`."""
        return min(first + (batch + 1) * self.batch_size, rows)

    def is_last(self, consumed: int, rows: int) -> bool:
        """Whether an epoch of which so many rows are consumed has no more batches."""
        return self.batches(consumed, rows) == 0

    def positions(self, batch: int, first: int, rows: int) -> np.ndarray:
        """Positions of this rank's part, int64 of shape (n,). Padding has positions from `rows` on.

        >>> RankPartition(batch_size=4, tail="pad").positions(2, 0, 10).tolist()
        [8, 9, 10, 11]
        """
        start = first + batch * self.batch_size
        size = self.batch_size if self.tail == "pad" else min(self.batch_size, rows - start)
        return np.arange(start + size * self.rank // self.world, start + size * (self.rank + 1) // self.world)
