"""Test signals: int16 of shape (samples,) at 44.1 kHz."""

import io
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamaug.building.reading import Reading
from streamaug.building.sources import load
from streamaug.codecs.pcm import to_pcm

RATE = 44_100


def noise(seconds: float = 2.0, seed: int = 1) -> np.ndarray:
    """Pink noise: as much in every octave, as in most recordings."""
    count = round(RATE * seconds)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    signal = np.fft.irfft(spectrum, count)
    return to_pcm(0.15 * signal / signal.std(), 16)


def chirp(seconds: float = 2.0) -> np.ndarray:
    """A sweep from 100 Hz to 3 kHz, in the band that every codec here passes."""
    time = np.arange(round(RATE * seconds)) / RATE
    return to_pcm(0.4 * np.sin(2 * np.pi * (100 * time + 2_900 / (2 * seconds) * time**2)), 16)


@cache
def recordings(folder: Path, names: tuple[str, ...]) -> tuple[np.ndarray, ...]:
    return tuple(load(str(folder / f"{name}.ogg"), Reading(rate=RATE)).pcm for name in names)


def as_wav(pcm: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> bytes:
    sink = io.BytesIO()
    soundfile.write(sink, pcm, rate, format="WAV", subtype=subtype)
    return sink.getvalue()


def torchcodec_decoders():
    """Another program around FFmpeg, to compare with."""
    return pytest.importorskip("torchcodec.decoders", exc_type=(ImportError, RuntimeError), reason="torchcodec does not load here")
