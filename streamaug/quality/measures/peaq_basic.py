"""PEAQ Basic as a measure."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from streamaug.quality.measures.base import Measure
from streamaug.quality.peaq import VARIABLES, Peaq, peaq
from streamaug.quality.peaq.ear import RATE


def peaq_columns(graded: Peaq) -> dict[str, Any]:
    """The columns of a clip in a table of grades.

    Args:
        graded: What PEAQ says of it.
    """
    counts = {"frames": graded.frames, "bandwidth_frames": graded.bandwidth_frames}
    return {"grade": graded.odg, "di": graded.di, **graded.movs, **counts}


def _compare(original: np.ndarray, coded: np.ndarray) -> Mapping[str, Any]:
    return peaq_columns(peaq(original, coded, RATE))


PEAQ = Measure(
    name="peaq",
    method="PEAQ Basic (ITU-R BS.1387-1), 48 kHz, 16 bit",
    made_for="music and any sound of full bandwidth in good codecs",
    rate=RATE,
    label="ODG (PEAQ Basic)",
    scale={0: "imperceptible", -1: "perceptible", -2: "slightly annoying", -3: "annoying", -4: "very annoying"},
    ends=(-4.1, 0.4),
    versions=("numpy",),
    details=(
        *(pa.field(name, pa.float64(), nullable=False) for name in ("di", *VARIABLES)),
        pa.field("frames", pa.int32(), nullable=False),
        pa.field("bandwidth_frames", pa.int32(), nullable=False),
    ),
    compare=_compare,
)
"""Objective difference grade, 0 (no difference) to -4 (very annoying)."""
