"""PESQ as a measure, by the package pesq, which holds the reference code of ITU-T P.862.

That code comes with a notice that permits evaluation and nothing commercial, so no extra installs it.
"""

from collections.abc import Mapping
from functools import partial
from math import nan
from typing import Any, Literal

import numpy as np

from streamaug.quality.measures.base import MOS, Measure, one_channel


def _compare(original: np.ndarray, coded: np.ndarray, *, rate: int, mode: Literal["nb", "wb"]) -> Mapping[str, Any]:
    from pesq import BufferTooShortError, NoUtterancesError, pesq

    if not (original.any() and coded.any()):  # the package fails on silence
        return {"grade": nan}
    try:
        return {"grade": float(pesq(rate, one_channel(original), one_channel(coded), mode))}
    except (BufferTooShortError, NoUtterancesError):  # less than a quarter of a second, or no speech
        return {"grade": nan}


_PESQ: Mapping[str, Any] = {
    "label": "MOS-LQO (PESQ)",
    "scale": MOS,
    "ends": (0.9, 5.1),
    "packages": ("pesq",),
    "versions": ("pesq", "numpy"),
}

PESQ_WB = Measure(
    name="pesq-wb",
    method="PESQ, wide band (ITU-T P.862.2 without its Corrigendum 2 of 2018), 16 kHz, 16 bit",
    made_for="speech of 8 kHz bandwidth over codecs and calls",
    rate=16_000,
    compare=partial(_compare, rate=16_000, mode="wb"),
    **_PESQ,
)
"""Mean opinion score, 1.04 to 4.64 (no difference)."""

PESQ_NB = Measure(
    name="pesq-nb",
    method="PESQ, narrow band (ITU-T P.862 with the mapping of P.862.1), 8 kHz, 16 bit",
    made_for="speech of 4 kHz bandwidth over telephones",
    rate=8_000,
    compare=partial(_compare, rate=8_000, mode="nb"),
    **_PESQ,
)
"""Mean opinion score, 1.02 to 4.55 (no difference)."""
