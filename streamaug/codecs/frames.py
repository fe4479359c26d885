"""Decode with FFmpeg's libraries, frame by frame, and join the frames."""

import io
from collections.abc import Generator, Iterable
from contextlib import closing
from dataclasses import dataclass

import av
import numpy as np

_BARE = ("aac", "sbc")
"""Formats, by FFmpeg's name of the demuxer and of the codec, whose frames have a header each and
are in no container: the codec finds them itself, in less time."""


def _frames(payload: bytes, demuxer: str) -> Generator[av.AudioFrame, None, None]:
    if demuxer in _BARE:
        codec = av.CodecContext.create(demuxer, "r")
        assert isinstance(codec, av.AudioCodecContext)
        for packet in (*codec.parse(payload), *codec.parse(None), None):
            yield from codec.decode(packet)
        return
    with av.open(io.BytesIO(payload), mode="r", format=demuxer) as container:
        yield from container.decode(container.streams.audio[0])


RESAMPLER_MARGIN = 256
"""Samples after the clip's end that the resampler may see, so that its filter does not ring there.
"""


@dataclass(frozen=True, kw_only=True)
class Needed:
    """How much of a bitstream is needed: it may decode to far more than its clip has, and to more than
    fits into memory.

    Args:
        rate: Sample rate of the store in Hz.
        samples: Samples at that rate that are needed of a bitstream of that rate.
        whole: Samples at that rate that are needed of one of another rate, which is resampled.
    """

    rate: int
    samples: int
    whole: int

    def at(self, rate: int) -> int:
        """Samples that are needed of a bitstream.

        Args:
            rate: The sample rate in Hz that it decodes to.

        >>> needed = Needed(rate=16_000, samples=100, whole=16_000)
        >>> needed.at(16_000), needed.at(48_000)
        (100, 48256)
        """
        return self.samples if rate == self.rate else -(-self.whole * rate // self.rate) + RESAMPLER_MARGIN


def decode_frames(payload: bytes, demuxer: str, needed: Needed | None = None) -> tuple[np.ndarray, int]:
    """Decode a bitstream: float32 of shape (channels, samples), and the sample rate in Hz.

    Args:
        payload: The bitstream.
        demuxer: FFmpeg's name of its format.
        needed: It is decoded no further than it takes to have so many samples. Default: all of it.

    Raises:
        Exception: What the decoder raises, if the bytes are not in this format.
    """
    with closing(_frames(payload, demuxer)) as frames:
        return join_frames(frames, needed)


def join_frames(frames: Iterable[av.AudioFrame], needed: Needed | None = None) -> tuple[np.ndarray, int]:
    """The samples of some frames as float32 of shape (channels, samples), and their rate in Hz.

    Args:
        frames: In their order; joined before they become arrays, for SBC has three thousand of them in
            ten seconds.
        needed: See `decode_frames`.

    Raises:
        ValueError: There are none, or their format changes in the middle.
    """
    joined, first = av.AudioFifo(), None
    for frame in frames:
        kind = (frame.format.name, frame.layout.name)
        if kind != (first := first or kind):  # of fewer channels, the queue would read memory that does not exist
            raise ValueError(f"its format changes in the middle, from {' '.join(first)} to {' '.join(kind)}")
        frame.pts = None  # the queue would check it against the frame before
        joined.write(frame)
        if needed is not None and joined.samples >= needed.at(frame.sample_rate):
            break
    whole = joined.read()
    if whole is None:
        raise ValueError("there is no sound in it")
    samples: np.ndarray = whole.to_ndarray()
    if not whole.format.is_planar:
        samples = samples.reshape(-1, whole.layout.nb_channels).T
    if samples.dtype.kind == "i":
        samples = samples.astype(np.float32) / np.float32(-float(np.iinfo(samples.dtype).min))
    return samples.astype(np.float32, copy=False), whole.sample_rate
