"""Decode one row: bitstream and description in, samples or features out.

Pure functions on a picklable description, without locks, caches or counters: they run on threads
as well as in processes, and the same task gives the same bits anywhere.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from streamaug.codecs import Decoding, decode
from streamaug.features.base import Feature


@dataclass(frozen=True, kw_only=True)
class DecodeTask:
    """One clip in one condition, to be decoded into its row of a batch.

    Args:
        payload: The bitstream.
        decoding: What decodes it.
        rate: Sample rate of the store in Hz.
        delay: Samples to cut from the start, at that rate.
        samples: Samples of the clip.
        features: What to make of it.
        is_cached: For each feature, whether a cache keeps its stored form; then the row is made
            from the rounded form, so that every epoch gives the same bits.
    """

    payload: bytes
    decoding: Decoding
    rate: int
    delay: int
    samples: int
    features: tuple[Feature, ...]
    is_cached: tuple[bool, ...]


@dataclass(frozen=True, kw_only=True)
class DecodedRow:
    """What is known of a row once it is written.

    Args:
        stored: The stored form of each feature that a cache keeps, else None.
        decode_s: Seconds in the decoder.
        feature_s: Seconds in features.
    """

    stored: tuple[np.ndarray | None, ...]
    decode_s: float
    feature_s: float


def decode_row(task: DecodeTask, outs: Sequence[Tensor]) -> DecodedRow:
    """Decode a bitstream and write its features into `outs`, one float32 tensor per feature.

    Raises:
        CorruptError: The bitstream cannot be decoded, or holds too few samples.
    """
    begun = time.perf_counter()
    samples = decode(task.payload, decoding=task.decoding, rate=task.rate, delay=task.delay, samples=task.samples)
    decoded = time.perf_counter()
    waveform = torch.from_numpy(samples)
    stored = tuple(
        _write(feature, waveform, out, is_cached=is_cached)
        for feature, out, is_cached in zip(task.features, outs, task.is_cached, strict=True)
    )
    return DecodedRow(stored=stored, decode_s=decoded - begun, feature_s=time.perf_counter() - decoded)


def _write(feature: Feature, waveform: Tensor, out: Tensor, *, is_cached: bool) -> np.ndarray | None:
    form = feature.compute(waveform)
    if not is_cached:
        feature.expand(form, out)
        return None
    rounded = form.contiguous().numpy().astype(feature.stored_dtype, copy=False)
    feature.expand(torch.from_numpy(rounded), out)
    return rounded


def recall_rows(feature: Feature, samples: int, entries: Sequence[memoryview], outs: Sequence[Tensor]) -> None:
    """Write rows from the stored forms that a cache kept.

    Args:
        feature: The feature that the entries are of.
        samples: Samples of each clip.
        entries: The bytes of each stored form.
        outs: One float32 tensor per entry.
    """
    shape = feature.stored_shape(samples)
    for entry, out in zip(entries, outs, strict=True):
        feature.expand(torch.from_numpy(np.frombuffer(entry, feature.stored_dtype).reshape(shape)), out)
