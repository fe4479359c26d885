"""Decode a bitstream to the samples of its clip: without the codec's delay, at the store's rate, as
long as the original.

PyAV decodes, and is always given the format. FLAC has a decoder of its own, see `flac.py`, and so
have bitstreams whose packets may get lost, see `packets`.
"""

import warnings
from functools import cache
from importlib.metadata import version
from typing import TypeVar

import numpy as np
import soxr

from streamaug import plugins
from streamaug.codecs.base import Audio, Codec, Decoding
from streamaug.codecs.flac import decode_flac, flac_decoder, is_flac
from streamaug.codecs.frames import RESAMPLER_MARGIN, Needed, decode_frames
from streamaug.codecs.neural.checkpoints import find_checkpoint
from streamaug.codecs.packets.opening import open_packets
from streamaug.codecs.packets.opus import version as opus_version
from streamaug.codecs.pcm import padded
from streamaug.errors import CodeWarning, CorruptError, PluginError

Samples = TypeVar("Samples", int, np.ndarray)
"""Numbers of samples."""

_SHORTAGE = 2
"""Samples that may be missing at the end after resampling, whose rounding decides about one."""


def take_channels(samples: np.ndarray, channels: int) -> np.ndarray:
    """The first channel of some, of shape (samples,); or the first two, (2, samples)."""
    if channels == 1:
        first: np.ndarray = samples[0]
        return first
    if len(samples) < channels:
        raise ValueError(f"it has {len(samples)} channel, but the store has {channels}")
    return samples[:channels]


def decode_file(payload: bytes, decoding: Decoding, needed: Needed | None = None) -> Audio:
    """Decode a bitstream of one of FFmpeg's formats, the delay still in, at the rate that it has:
    the first channel of what comes out (HE-AAC in ADTS decodes to two equal ones), or the first two.

    Args:
        payload: The bitstream.
        decoding: Its format.
        needed: It is decoded no further than it takes to have so many samples. Default: all of it.

    Raises:
        Exception: What the decoder raises, if the bytes are not in this format.
    """
    if is_flac(decoding):
        samples, rate = decode_flac(payload)
        return Audio(samples=take_channels(samples, decoding.channels), rate=rate)
    if decoding.decoder is not None:
        packets = open_packets(payload, decoding.decoder)
        until = None if needed is None else needed.at(packets.rate)
        samples = packets.decode(np.zeros(len(packets.starts) - 1, bool), until)
        return Audio(samples=take_channels(samples, decoding.channels), rate=packets.rate)
    assert decoding.demuxer is not None
    samples, rate = decode_frames(payload, decoding.demuxer, needed)
    return Audio(samples=take_channels(samples, decoding.channels), rate=rate)


@cache
def decoder_version() -> str:
    """Names what decodes on this machine, for caches of features: other versions may give other
    samples."""
    return f"av {version('av')}, {flac_decoder()}, {opus_version()}, soxr {soxr.__version__}"


@cache  # looking through the installed packages takes longer than decoding a clip
def plugin_codec(name: str) -> Codec:
    """Return the codec that a plug-in announces.

    Args:
        name: Its name in the entry-point group `streamaug.codecs`.

    Raises:
        PluginError: No installed package announces it, or it cannot be imported.
    """
    if name not in plugins.names(plugins.CODECS):
        raise PluginError(f"codec '{name}' is decoded by a plug-in that is not installed; install the package that provides it")
    codec: Codec = plugins.find(plugins.CODECS, name)()
    return codec


def own_codec(decoding: Decoding) -> Codec:
    """Return the codec of bitstreams that FFmpeg does not decode: a neural codec or a plug-in.

    Args:
        decoding: What decodes them; without a demuxer.

    Raises:
        PluginError: This machine does not have the plug-in or the checkpoint, or it cannot be opened.
    """
    if decoding.checkpoint is None:
        return plugin_codec(decoding.codec)
    codec = find_checkpoint(decoding.codec, decoding.checkpoint)
    if decoding.code is not None and codec.model.code != decoding.code:
        _warn_of_other_code(decoding.codec, codec.model.code, decoding.code)
    return codec


@cache  # once, and not for every clip
def _warn_of_other_code(name: str, now: str, then: str) -> None:
    warnings.warn(
        f"codec '{name}' is decoded by {now or 'no class'}, but the store was built with {then}: its samples may be others now; install "
        "what it was built with, or build the condition again",
        CodeWarning,
        stacklevel=3,
    )


def _decode_by_itself(payload: bytes, codec: Codec, name: str, channels: int) -> Audio:
    audio = codec.decode(payload)
    lead = () if channels == 1 else (channels,)
    if not audio.samples.ndim or audio.samples.shape[:-1] != lead or audio.samples.dtype != np.float32:
        expected = "(samples,)" if channels == 1 else f"({channels}, samples)"
        raise PluginError(
            f"codec plug-in '{name}' decodes to {audio.samples.dtype} of shape {audio.samples.shape}; it must return float32 of shape "
            f"{expected}"
        )
    return audio


def resample(samples: np.ndarray, source: int, target: int) -> np.ndarray:
    """Bring samples from one rate to another with soxr; the dtype stays, and equal rates pass
    through.

    Args:
        samples: Of shape (samples,) or (channels, samples).
        source: Their sample rate in Hz.
        target: The rate of the result in Hz.
    """
    if source == target:
        return samples
    resampled: np.ndarray = soxr.resample(samples.T, source, target, quality="HQ").T
    return resampled


def resampled_length(samples: Samples, source: Samples, target: int) -> Samples:
    """Samples that a clip has at another rate: an incomplete last one counts.

    >>> resampled_length(441_001, 44_100, 16_000)
    160001

    Args:
        samples: Samples of the clip; or of several, int64.
        source: Their sample rate in Hz; or that of each, int64.
        target: The other rate in Hz.
    """
    length: Samples = -(-samples * target // source)
    return length


def resample_clip(samples: np.ndarray, source: int, target: int) -> np.ndarray:
    """A whole clip at another rate: what `resample` gives, and silence up to `resampled_length`.

    Args:
        samples: Of shape (samples,) or (channels, samples).
        source: Their sample rate in Hz.
        target: The rate of the result in Hz.
    """
    length = resampled_length(samples.shape[-1], source, target)
    resampled = resample(samples, source, target)[..., :length]
    missing = length - resampled.shape[-1]
    return padded(resampled, 0, missing) if missing else resampled


def decode(
    payload: bytes,
    *,
    decoding: Decoding,
    rate: int,
    delay: int,
    samples: int,
    part: tuple[int, int] | None = None,
    codec: Codec | None = None,
) -> np.ndarray:
    """Decode a clip: float32 of shape (samples,), of two channels (2, samples), sample-aligned with
    its original, nominally in [-1, 1].

    A part has the bits that it has in the whole. What comes after it is not decoded, unless the
    bitstream has another rate or a plug-in decodes it; nor is what comes before it in FLAC.

    Args:
        payload: The bitstream.
        decoding: What decodes it.
        rate: Sample rate of the store in Hz; the result has this rate.
        delay: The codec's delay in samples at that rate; it is cut off the start.
        samples: Length of the clip in samples at that rate; what a codec adds at the end is cut
            off.
        part: First sample of the clip that is wanted, and the one after the last. Default: all.
        codec: The codec that made the bitstream, if FFmpeg does not decode it. Default: the one that
            `own_codec` finds.

    Raises:
        CorruptError: The bytes cannot be decoded, or hold too few samples.
        PluginError: A plug-in or a checkpoint decodes this codec, and this machine does not have it, or
            it does not load.
    """
    start, stop = part or (0, samples)
    try:
        if decoding.demuxer is None:
            audio, first = _decode_by_itself(payload, codec or own_codec(decoding), decoding.codec, decoding.channels), 0
        else:
            audio, first = _decode_from(payload, decoding, delay + start, Needed(rate=rate, samples=delay + stop, whole=delay + samples))
    except PluginError:
        raise
    except Exception as error:  # each decoder has its own kinds, all of them are about the bytes
        raise CorruptError(f"a bitstream '{decoding.codec}' of {len(payload)} bytes cannot be decoded: {error}") from error
    return cut_clip(audio, first, rate=rate, delay=delay, samples=samples, part=(start, stop), name=decoding.codec)


def cut_clip(audio: Audio, first: int, *, rate: int, delay: int, samples: int, part: tuple[int, int], name: str) -> np.ndarray:
    """A part of a clip, sample-aligned with its original, from what was decoded.

    Args:
        audio: What was decoded, with the delay.
        first: Number of its first sample.
        rate: Sample rate of the store in Hz.
        delay: The codec's delay in samples at that rate.
        samples: Length of the clip in samples at that rate.
        part: First sample of the clip that is wanted, and the one after the last.
        name: Of the codec, for errors.

    Raises:
        CorruptError: There are too few samples.
    """
    start, stop = delay + part[0], delay + part[1]
    if audio.rate == rate:
        decoded = audio.samples[..., start - first : stop - first]
    else:  # all of it, for the resampler gives other bits to a part
        needed = -(-(delay + samples) * audio.rate // rate)
        decoded = resample(audio.samples[..., : needed + RESAMPLER_MARGIN], audio.rate, rate)[..., start:stop]
    missing = stop - start - decoded.shape[-1]
    if missing > _SHORTAGE:
        raise CorruptError(f"a bitstream '{name}' holds {part[0] + decoded.shape[-1]} samples of {samples}")
    return padded(decoded, 0, missing) if missing else decoded


def _decode_from(payload: bytes, decoding: Decoding, start: int, needed: Needed) -> tuple[Audio, int]:
    """Decode what is needed from a sample on of a bitstream of the store's rate, perhaps more around
    it, or all that is needed of one of another rate; returns the number of the first sample, too."""
    if is_flac(decoding):
        samples, actual = decode_flac(payload, start, needed.samples)
        if actual != needed.rate:
            samples, start = decode_flac(payload, 0, needed.at(actual))[0], 0
        return Audio(samples=take_channels(samples, decoding.channels), rate=actual), start
    return decode_file(payload, decoding, needed), 0
