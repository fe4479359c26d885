"""Batches on their way through a stream: as planned, and with their features."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import Tensor

from streamaug.crop import Span


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows that are served together.

    Args:
        number: Of the global batch, counted from where the iteration began.
        position: int64 (n,), in the epoch.
        condition: Numbers of conditions, int64 (n, views).
        clip: Row numbers in the clips table, int64 (n,).
        epoch: Number of the epoch.
        row: Positions of the rows that are served, int64 (n,); other than `position` in padding,
            which repeats rows.
        words: One random word per row, for the place of its crop; see `crop_words`.
        window: Of shards, in which the batch is read; None if the plan has none.
    """

    number: int
    position: np.ndarray
    condition: np.ndarray
    clip: np.ndarray
    epoch: int
    row: np.ndarray
    words: Sequence[int]
    window: int | None = None


@dataclass(frozen=True, kw_only=True)
class DecodedBatch:
    """A batch with its features.

    Args:
        batch: As planned.
        features: By key, float32 (n, views, ...), each filled up with zeros in its last axis.
        served: As batch.clip, except where a clip was replaced.
        spans: The samples of its clip that each row has.
        frames: Of each feature the sizes of the last axis before it was filled up, int64 (n,).
        lost: For each row, in each of its views, the stretches of its samples that were lost on a link,
            int64 (stretches, 2).
    """

    batch: Batch
    features: Mapping[str, Tensor]
    served: np.ndarray
    spans: Sequence[Span]
    frames: Mapping[str, np.ndarray]
    lost: Sequence[Sequence[np.ndarray]]


class Stage(Protocol):
    """What happens to batches after they are decoded."""

    def run(self, batches: Iterable[DecodedBatch]) -> Iterator[DecodedBatch]:
        """The same batches, in the same order."""

    def close(self) -> None:
        """Let go of their memory."""
