"""Bitstreams of calls, to take apart."""

from functools import cache

import numpy as np

from streamaug.codecs import CalibratedEncoder, Settings, calibrate, load_settings
from streamaug.codecs.pcm import to_pcm
from streamaug.conditions import Condition


@cache
def voice(rate: int, seconds: float = 2.0) -> np.ndarray:
    """Something like vowels, int16: a buzz whose pitch and formants move slowly."""
    time = np.arange(round(rate * seconds)) / rate
    pitch = 2 * np.pi * np.cumsum(130 + 20 * np.sin(2 * np.pi * 0.7 * time)) / rate
    buzz = sum(np.sin(order * pitch) / order * (1 + np.cos(2 * np.pi * 0.9 * time + order)) for order in range(1, 16))
    return to_pcm(0.1 * buzz, 16)


def encoder_of(name: str, rate: int, settings: Settings | None = None) -> CalibratedEncoder:
    return calibrate(Condition.parse(name).steps[0], settings or load_settings(), rate)


def bitstream(name: str, rate: int, settings: Settings | None = None) -> bytes:
    return encoder_of(name, rate, settings).encode(voice(rate))


def losing(packets: int, *lost: int) -> np.ndarray:
    """Which packets are lost, bool of shape (packets,)."""
    return np.isin(np.arange(packets), lost)


def power(samples: np.ndarray) -> float:
    return float(np.square(samples.astype(np.float64)).mean())
