"""Decode with FFmpeg's libraries, frame by frame, and join the frames."""

import io
from collections.abc import Generator, Iterable
from contextlib import closing

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


def decode_frames(payload: bytes, demuxer: str, until: tuple[int, int] | None = None) -> tuple[np.ndarray, int]:
    """Decode a bitstream: float32 of shape (channels, samples), and the sample rate in Hz.

    Args:
        payload: The bitstream.
        demuxer: FFmpeg's name of its format.
        until: A sample rate and a number of samples: a bitstream of that rate is decoded no further
            than it takes to have so many. Default: all of it.

    Raises:
        Exception: What the decoder raises, if the bytes are not in this format.
    """
    with closing(_frames(payload, demuxer)) as frames:
        return join_frames(frames, until)


def join_frames(frames: Iterable[av.AudioFrame], until: tuple[int, int] | None = None) -> tuple[np.ndarray, int]:
    """The samples of some frames as float32 of shape (channels, samples), and their rate in Hz.

    Args:
        frames: In their order; joined before they become arrays, for SBC has three thousand of them in
            ten seconds.
        until: See `decode_frames`.

    Raises:
        ValueError: There are none.
    """
    joined = av.AudioFifo()
    for frame in frames:
        frame.pts = None  # the queue would check it against the frame before
        joined.write(frame)
        if until is not None and frame.sample_rate == until[0] and joined.samples >= until[1]:
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
