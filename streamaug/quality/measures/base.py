"""Define what a measure is: it grades a coded clip against its original, on a scale of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

MOS = {5: "excellent", 4: "good", 3: "fair", 2: "poor", 1: "bad"}
"""The words of listeners for a mean opinion score (MOS), ITU-T P.800."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A way to grade how a coded clip sounds.

    Args:
        name: Its name in commands and tables.
        method: What it computes, for people; a table of grades is bound to it.
        made_for: The sounds that it was made for.
        rate: Sample rate in Hz at which it compares.
        label: Name of the grade on an axis.
        scale: Words of listeners by grade, best first.
        ends: Lowest and highest grade that an axis shows.
        packages: Packages that it imports besides those that streamaug needs itself.
        versions: Distributions that compute, whose versions are recorded.
        details: Columns that its tables have besides the grade.
        compare: From an original and a coded clip, both int16 at `rate` of shape (samples,) or
            (samples, 2), to `grade` and the details; `grade` is NaN for a clip without one.
    """

    name: str
    method: str
    made_for: str
    rate: int
    label: str
    scale: Mapping[int, str]
    ends: tuple[float, float]
    packages: tuple[str, ...] = ()
    versions: tuple[str, ...]
    details: tuple[pa.Field, ...] = ()
    compare: Callable[[np.ndarray, np.ndarray], Mapping[str, Any]]

    @property
    def schema(self) -> pa.Schema:
        """Of a table of its grades, one row per clip; those of all measures begin the same."""
        return pa.schema(
            [
                pa.field("clip_id", pa.string(), nullable=False),
                pa.field("measure", pa.string(), nullable=False),
                pa.field("grade", pa.float64(), nullable=False),
                *self.details,
            ]
        )


def one_channel(signal: np.ndarray) -> np.ndarray:
    """The mean of a clip's channels, float64 in [-1, 1) of shape (samples,), for measures of one
    channel.

    Args:
        signal: int16 of shape (samples,) or (samples, 2).

    >>> one_channel(np.array([[16384, -16384], [8192, 8192]], np.int16)).tolist()
    [0.0, 0.25]
    """
    scaled = signal / 32_768.0
    mixed: np.ndarray = scaled if scaled.ndim == 1 else scaled.mean(1)
    return mixed
