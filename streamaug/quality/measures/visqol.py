"""ViSQOL v3 as a measure, by the package visqol-python, a port of Google's program."""

from collections.abc import Mapping
from functools import cache, partial
from math import nan
from typing import Any, Literal

import numpy as np

from streamaug.quality.measures.base import MOS, Measure, one_channel

Mode = Literal["audio", "speech"]

_LEAST_S = {"audio": 1.0, "speech": 0.7}
"""Seconds of the shortest clip that has a whole patch of the spectrogram to compare."""


@cache
def _program(mode: Mode) -> Any:
    """Loaded once per process, with its model of listeners."""
    from visqol import VisqolApi

    program = VisqolApi()
    # Without the lattice the package falls back on a polynomial, whose grades are others.
    program.create(mode=mode, use_lattice_model=True if mode == "speech" else None)
    return program


def _compare(original: np.ndarray, coded: np.ndarray, *, rate: int, mode: Mode) -> Mapping[str, Any]:
    if len(original) < _LEAST_S[mode] * rate or not original.any():
        return {"grade": nan}
    return {"grade": float(_program(mode).measure_from_arrays(one_channel(original), one_channel(coded), rate).moslqo)}


_VISQOL: Mapping[str, Any] = {"label": "MOS-LQO (ViSQOL)", "scale": MOS, "ends": (0.9, 5.1)}

VISQOL_SPEECH = Measure(
    name="visqol-speech",
    method="ViSQOL v3, speech mode with the lattice model, 16 kHz, 16 bit",
    made_for="speech of 8 kHz bandwidth over codecs and calls",
    rate=16_000,
    packages=("visqol", "ai_edge_litert"),
    versions=("visqol-python", "ai-edge-litert", "numpy"),
    compare=partial(_compare, rate=16_000, mode="speech"),
    **_VISQOL,
)
"""Mean opinion score, 1 to 5 (no difference)."""

VISQOL_AUDIO = Measure(
    name="visqol-audio",
    method="ViSQOL v3, audio mode, 48 kHz, 16 bit",
    made_for="music and any sound of full bandwidth in codecs of low bitrates",
    rate=48_000,
    packages=("visqol",),
    versions=("visqol-python", "numpy"),
    compare=partial(_compare, rate=48_000, mode="audio"),
    **_VISQOL,
)
"""Mean opinion score, 1 to 4.73 (no difference)."""
