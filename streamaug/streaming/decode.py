"""Decode one row: bitstream and description in, samples or features out.

bitstream ──decode──▶ waveform ──resample──▶ crop ──▶ augment ──▶ fill up ──▶ features ──▶ augment_features ──▶ row

Pure functions on a picklable description, without locks, caches or counters: they run on threads
as well as in processes, and the same task gives the same bits anywhere.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from streamaug.codecs import Decoding
from streamaug.codecs.decoding import resample_clip
from streamaug.crop import Span
from streamaug.errors import CorruptError, FeatureError
from streamaug.features.base import Feature, is_row
from streamaug.features.lengths import stored_shape
from streamaug.links import Link
from streamaug.reading.local import LocalBitstream
from streamaug.streaming.augment import Augmentation, AugmentRow, augment_features, augment_waveform
from streamaug.streaming.row_loss import NOTHING, RowLoss, decode_with_losses, row_stretches


@dataclass(frozen=True, kw_only=True)
class Processing:
    """What is made of every waveform of a stream.

    Args:
        features: By key in the batch.
        fixed: Keys of those whose shape does not depend on the length.
        augmentation: What happens to each row at random; None: nothing.
        links: The links of the plan's conditions by name.
    """

    features: Mapping[str, Feature]
    fixed: frozenset[str] = frozenset()
    augmentation: Augmentation | None = None
    links: Mapping[str, Link] = field(default_factory=dict)


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
        samples: Samples of the clip, at that rate.
        row_rate: Sample rate in Hz that the clip is resampled to: that of its span.
        span: The samples of it that the row has.
        longest: Samples of the longest row of the batch, for which there is room.
        processing: What to make of it; None while the task travels, since it is the same for all.
        is_cached: For each feature, whether a cache keeps its stored form; then the row is made
            from the rounded form, so that every epoch gives the same bits.
        row: What is augmented; None without augmentation.
        loss: Which packets are lost on a link; None if all arrive.
    """

    payload: bytes | LocalBitstream | StoredForms
    decoding: Decoding
    rate: int
    delay: int
    samples: int
    row_rate: int
    span: Span
    longest: int
    processing: Processing | None
    is_cached: tuple[bool, ...]
    row: AugmentRow | None = None
    loss: RowLoss | None = None


@dataclass(frozen=True, kw_only=True)
class DecodedRow:
    """What is known of a row once it is written.

    Args:
        stored: The stored form of each feature that a cache keeps, else None.
        frames: Of each feature the size of its last axis, without what was filled up.
        read_s: Seconds of reading and checking the bitstream; None if it was read before.
        decode_s: Seconds in the decoder and in resampling; None if a cache kept the row.
        feature_s: Seconds in augmentation and features.
        lost: The stretches of the row that were lost on a link: first sample of each and the one after
            its last, int64 of shape (n, 2).
    """

    stored: tuple[np.ndarray | None, ...]
    frames: tuple[int, ...]
    read_s: float | None
    decode_s: float | None
    feature_s: float
    lost: np.ndarray = field(default_factory=lambda: NOTHING)


def decode_row(task: DecodeTask, outs: Sequence[Tensor], *, is_alone: bool = False) -> DecodedRow:
    """Decode a bitstream and write its features into `outs`, one float32 tensor per feature, which
    zeros fill up at the end of the last axis.

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
    span, started = task.span, time.perf_counter()
    payload = task.payload.load() if isinstance(task.payload, LocalBitstream) else task.payload
    begun = time.perf_counter()
    is_resampled = task.rate != task.row_rate
    part = (0, task.samples) if is_resampled else (span.start, span.stop)  # the resampler gives other bits to a part
    try:
        sound, lost = decode_with_losses(
            payload,
            task.loss,
            processing.links,
            decoding=task.decoding,
            rate=task.rate,
            delay=task.delay,
            samples=task.samples,
            part=part,
        )
    except CorruptError as error:
        raise CorruptError(f"{error}; rebuild the condition with 'streamaug build --replace'") from error
    if is_resampled:
        sound = resample_clip(sound, task.rate, task.row_rate)[..., span.start : span.stop]
    decoded = time.perf_counter()
    if processing.augmentation is not None and task.row is not None:
        sound = augment_waveform(processing.augmentation, sound, task.row_rate, task.row, is_alone=is_alone)
    waveform = torch.from_numpy(span.fill(sound))
    stored: list[np.ndarray | None] = []
    frames: list[int] = []
    try:
        for (name, feature), out, is_cached in zip(processing.features.items(), outs, task.is_cached, strict=True):
            is_exact = name in processing.fixed or span.samples == task.longest
            form, size = _write(feature, waveform, out, is_exact=is_exact, is_cached=is_cached)
            stored.append(form)
            frames.append(size)
    except FeatureError:
        raise
    except Exception as error:  # of a feature that a user wrote: whatever it is
        raise FeatureError(f"its features cannot be computed: {type(error).__name__}: {error}") from error
    _augment(task, processing, outs, frames, is_alone=is_alone)
    read_s = begun - started if isinstance(task.payload, LocalBitstream) else None
    return DecodedRow(
        stored=tuple(stored),
        frames=tuple(frames),
        read_s=read_s,
        decode_s=decoded - begun,
        feature_s=time.perf_counter() - decoded,
        lost=row_stretches(lost, rate=task.rate, row_rate=task.row_rate, start=span.start, stop=span.stop),
    )


def _recall_row(task: DecodeTask, kept: StoredForms, processing: Processing, outs: Sequence[Tensor], *, is_alone: bool) -> DecodedRow:
    begun, frames = time.perf_counter(), list[int]()
    for feature, entry, out in zip(processing.features.values(), kept.entries, outs, strict=True):
        frames += recall_rows(feature, task.longest, [task.span.samples], [memoryview(entry)], [out])
    _augment(task, processing, outs, frames, is_alone=is_alone)
    return DecodedRow(stored=(None,) * len(outs), frames=tuple(frames), read_s=None, decode_s=None, feature_s=time.perf_counter() - begun)


def _augment(task: DecodeTask, processing: Processing, outs: Sequence[Tensor], frames: Sequence[int], *, is_alone: bool) -> None:
    """Augment features without what fills them up: that depends on the batch."""
    if processing.augmentation is not None and task.row is not None:
        features = {name: out[..., :size] if out.ndim else out for name, out, size in zip(processing.features, outs, frames, strict=True)}
        augment_features(processing.augmentation, features, task.row_rate, task.row, is_alone=is_alone)


def _write(feature: Feature, waveform: Tensor, out: Tensor, *, is_exact: bool, is_cached: bool) -> tuple[np.ndarray | None, int]:
    """Write a feature; returns what a cache keeps, and the size of its last axis."""
    form = feature.compute(waveform)
    shape = tuple(form.shape) if is_row(feature) else feature.shape(waveform.shape[-1])
    if shape != tuple(out.shape) and (is_exact or shape[:-1] != out.shape[:-1] or shape[-1] > out.shape[-1]):
        raise FeatureError(
            f"feature '{feature.name}' gives {shape} for {waveform.shape[-1]} samples, which has no place in {tuple(out.shape)}; "
            "its shape may depend on the number of samples alone, in the last axis, which must not become shorter with it"
        )
    if not is_cached:
        return None, _fill(feature, form, shape, out)
    rounded = form.contiguous().numpy().astype(feature.stored_dtype, copy=False)
    return rounded, _fill(feature, torch.from_numpy(rounded), shape, out)


def _fill(feature: Feature, form: Tensor, shape: tuple[int, ...], out: Tensor) -> int:
    """Write the row of a stored form into the first part of `out`, and zeros into the rest."""
    if shape == tuple(out.shape):
        feature.expand(form, out)
    else:
        feature.expand(form, out[..., : shape[-1]])
        out[..., shape[-1] :] = 0
    return shape[-1] if shape else 1


def fill_up(rows: Tensor, out: Tensor) -> None:
    """Copy rows to where the last axis is longer, or the same; zeros fill it up.

    Args:
        rows: Of one feature.
        out: Where they go.
    """
    out[..., : rows.shape[-1]] = rows
    out[..., rows.shape[-1] :] = 0


def recall_rows(feature: Feature, longest: int, samples: Sequence[int], entries: Sequence[memoryview], outs: Sequence[Tensor]) -> list[int]:
    """Write rows from the stored forms that a cache kept; returns the sizes of their last axes.

    Args:
        feature: The feature that the entries are of.
        longest: Samples of the longest row of the batch.
        samples: Samples of each row.
        entries: The bytes of each stored form.
        outs: One float32 tensor per entry.
    """
    frames = []
    for count, entry, out in zip(samples, entries, outs, strict=True):
        numbers = np.frombuffer(entry, feature.stored_dtype)
        form = torch.from_numpy(numbers.reshape(stored_shape(feature, longest, len(numbers))))
        frames.append(_fill(feature, form, tuple(form.shape) if is_row(feature) else feature.shape(count), out))
    return frames
