"""Decode one row: bitstream and description in, samples or features out.

bitstream ──decode──▶ waveform ──▶ augment ──▶ features ──▶ augment_features ──▶ row

Pure functions on a picklable description, without locks, caches or counters: they run on threads
as well as in processes, and the same task gives the same bits anywhere.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from streamaug.codecs import Decoding, decode
from streamaug.errors import CorruptError, FeatureError
from streamaug.features.base import Feature
from streamaug.reading.local import LocalBitstream
from streamaug.streaming.augment import Augmentation, AugmentRow, augment_features, augment_waveform


@dataclass(frozen=True, kw_only=True)
class Processing:
    """What is made of every waveform of a stream.

    Args:
        features: By key in the batch.
        augmentation: What happens to each row at random; None: nothing.
    """

    features: Mapping[str, Feature]
    augmentation: Augmentation | None = None


@dataclass(frozen=True, kw_only=True)
class StoredForms:
    """What a cache kept of a row.

    Args:
        entries: The bytes of the stored form of each feature.
    """

    entries: tuple[bytearray, ...]


@dataclass(frozen=True, kw_only=True)
class DecodeTask:
    """One clip in one condition, to be decoded into its row of a batch.

    Args:
        payload: The bitstream, checked; or where it is, to be read and checked now; or what a cache
            kept of the row.
        decoding: What decodes it.
        rate: Sample rate of the store in Hz.
        delay: Samples to cut from the start, at that rate.
        samples: Samples of the clip.
        processing: What to make of it; None while the task travels, since it is the same for all.
        is_cached: For each feature, whether a cache keeps its stored form; then the row is made
            from the rounded form, so that every epoch gives the same bits.
        row: What is augmented; None without augmentation.
    """

    payload: bytes | LocalBitstream | StoredForms
    decoding: Decoding
    rate: int
    delay: int
    samples: int
    processing: Processing | None
    is_cached: tuple[bool, ...]
    row: AugmentRow | None = None


@dataclass(frozen=True, kw_only=True)
class DecodedRow:
    """What is known of a row once it is written.

    Args:
        stored: The stored form of each feature that a cache keeps, else None.
        read_s: Seconds of reading and checking the bitstream; None if it was read before.
        decode_s: Seconds in the decoder; None if a cache kept the row.
        feature_s: Seconds in augmentation and features.
    """

    stored: tuple[np.ndarray | None, ...]
    read_s: float | None
    decode_s: float | None
    feature_s: float


def decode_row(task: DecodeTask, outs: Sequence[Tensor], *, is_alone: bool = False) -> DecodedRow:
    """Decode a bitstream and write its features into `outs`, one float32 tensor per feature.

    Args:
        task: What to decode.
        outs: In the order of the features.
        is_alone: Whether this process does nothing but decode, in one thread; see `augment.py`.

    Raises:
        CorruptError: The bitstream cannot be read or decoded, or holds too few samples.
        FetchError: The disk fails.
        FeatureError: A feature fails for it.
        AugmentError: An augmentation fails for it.
    """
    processing = task.processing
    assert processing is not None
    if isinstance(task.payload, StoredForms):
        return _recall_row(task, task.payload, processing, outs, is_alone=is_alone)
    asked = time.perf_counter()
    payload = task.payload.load() if isinstance(task.payload, LocalBitstream) else task.payload
    begun = time.perf_counter()
    try:
        samples = decode(payload, decoding=task.decoding, rate=task.rate, delay=task.delay, samples=task.samples)
    except CorruptError as error:
        raise CorruptError(f"{error}; rebuild the condition with 'streamaug build --replace'") from error
    decoded = time.perf_counter()
    if processing.augmentation is not None and task.row is not None:
        samples = augment_waveform(processing.augmentation, samples, task.rate, task.row, is_alone=is_alone)
    waveform = torch.from_numpy(samples)
    try:
        stored = tuple(
            _write(feature, waveform, out, is_cached=is_cached)
            for feature, out, is_cached in zip(processing.features.values(), outs, task.is_cached, strict=True)
        )
    except Exception as error:  # of a feature that a user wrote: whatever it is
        raise FeatureError(f"its features cannot be computed: {type(error).__name__}: {error}") from error
    _augment(task, processing, outs, is_alone=is_alone)
    read_s = begun - asked if isinstance(task.payload, LocalBitstream) else None
    return DecodedRow(stored=stored, read_s=read_s, decode_s=decoded - begun, feature_s=time.perf_counter() - decoded)


def _recall_row(task: DecodeTask, kept: StoredForms, processing: Processing, outs: Sequence[Tensor], *, is_alone: bool) -> DecodedRow:
    begun = time.perf_counter()
    for feature, entry, out in zip(processing.features.values(), kept.entries, outs, strict=True):
        recall_rows(feature, task.samples, [memoryview(entry)], [out])
    _augment(task, processing, outs, is_alone=is_alone)
    return DecodedRow(stored=(None,) * len(outs), read_s=None, decode_s=None, feature_s=time.perf_counter() - begun)


def _augment(task: DecodeTask, processing: Processing, outs: Sequence[Tensor], *, is_alone: bool) -> None:
    if processing.augmentation is not None and task.row is not None:
        features = dict(zip(processing.features, outs, strict=True))
        augment_features(processing.augmentation, features, task.rate, task.row, is_alone=is_alone)


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
