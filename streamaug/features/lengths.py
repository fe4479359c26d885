"""How the shape of a feature depends on the length of its waveform."""

import math
from dataclasses import dataclass
from typing import Literal

from streamaug.errors import FeatureError
from streamaug.features.base import Feature

LastAxis = Literal["samples", "frames", "fixed"]
"""What the last axis of a feature counts: samples of the waveform, frames of it, or something that
does not depend on its length."""

_LONGER_S = 2
"""Seconds by which a waveform is longer that is tried, too: no feature has so few frames that it
would have the same number."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """How long the waveforms are that features are computed of.

    Args:
        shortest: Samples of the shortest.
        longest: Samples of the longest.
        clip: Id of the clip of the shortest.
    """

    shortest: int
    longest: int
    clip: str


def check_shapes(feature: Feature, key: str, rate: int, lengths: Lengths) -> None:
    """Raise FeatureError unless a feature takes all these waveforms, and its rows can be filled up
    to one shape: only the last axis, which is time, may depend on the length.

    Args:
        feature: At the stream's rate.
        key: Its key in the batch.
        rate: Sample rate in Hz.
        lengths: Of the waveforms.
    """
    shortest, longest = (_shape(feature, key, rate, samples, lengths) for samples in (lengths.shortest, lengths.longest))
    if shortest[:-1] != longest[:-1] or len(shortest) != len(longest):
        raise FeatureError(
            f"feature '{key}' gives {shortest} for {lengths.shortest} samples and {longest} for {lengths.longest}, but only the last axis "
            "of a feature may depend on the length; put time last, or give all rows one length with crop=Crop(seconds=...)"
        )


def _shape(feature: Feature, key: str, rate: int, samples: int, lengths: Lengths) -> tuple[int, ...]:
    remedy = ""
    if samples == lengths.shortest < lengths.longest:
        remedy = (
            f"; the shortest is clip '{lengths.clip}'; fill short clips up with crop=Crop(seconds=..., pad='zeros') or --crop, "
            "or leave them out"
        )
    try:
        shape = feature.shape(samples)
    except FeatureError:
        raise
    except Exception as error:  # of a user's own code too: whatever it is, this feature does not take these clips
        raise FeatureError(f"feature '{key}' does not take clips of {samples} samples at {rate} Hz: {error}{remedy}") from error
    if not all(size > 0 for size in shape):
        remedy = remedy or "; use longer clips or another setting"
        raise FeatureError(f"feature '{key}' gives {shape} for clips of {samples} samples{remedy}")
    return shape


def last_axis(feature: Feature, rate: int, lengths: Lengths) -> LastAxis:
    """What the last axis of a feature counts.

    Args:
        feature: At the stream's rate; it takes waveforms of these lengths.
        rate: Sample rate in Hz.
        lengths: Of the waveforms.

    >>> from streamaug.features import LogMel, Waveform
    >>> lengths = Lengths(shortest=8_000, longest=8_000, clip="a")
    >>> last_axis(LogMel(deltas=False), 8_000, lengths), last_axis(Waveform(), 8_000, lengths)
    ('frames', 'samples')
    """
    shapes = {samples: feature.shape(samples) for samples in (lengths.shortest, lengths.longest)}
    longer = lengths.longest + _LONGER_S * rate
    try:
        shapes[longer] = feature.shape(longer)
    except Exception:  # it takes clips of one length only
        shapes[longer] = shapes[lengths.longest]
    if len(set(shapes.values())) == 1:
        return "fixed"
    return "samples" if all(shape[-1] == samples for samples, shape in shapes.items()) else "frames"


def stored_shape(feature: Feature, longest: int, count: int) -> tuple[int, ...]:
    """The shape of a stored form, of which only the last axis depends on the length.

    Args:
        feature: The feature.
        longest: Samples of a waveform that it takes.
        count: Numbers in the stored form.
    """
    shape = feature.stored_shape(longest)
    return (*shape[:-1], count // math.prod(shape[:-1])) if shape else ()
