"""Audio files for tests, as recorders, pipes and other programs write them."""

import io
import struct

import av
import numpy as np
import soundfile

RATE = 16_000


def noise(seed: int, samples: int = RATE, level: float = 0.2) -> np.ndarray:
    """int16 of shape (samples,)."""
    values = np.clip(level * np.random.default_rng(seed).standard_normal(samples), -0.99, 0.99)
    return np.rint(values * 32_768).astype(np.int16)


def riff(
    sound: bytes,
    *,
    rate: int = RATE,
    channels: int = 1,
    bits: int = 16,
    tag: int = 1,
    total: int | None = None,
    size: int | None = None,
    more: bytes = b"",
) -> bytes:
    """A WAV file.

    Args:
        sound: Content of the chunk 'data'.
        rate: Sample rate in Hz.
        channels: Number of channels.
        bits: Bits per sample.
        tag: 1 for integers, 3 for floats.
        total: RIFF's size. Default: the right one.
        size: Size of the chunk 'data'. Default: the right one.
        more: Bytes after the sound.
    """
    block = channels * bits // 8
    head = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits)
    size = len(sound) if size is None else size
    body = b"WAVEfmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", size) + sound + more
    return b"RIFF" + struct.pack("<I", len(body) if total is None else total) + body


def by_soundfile(pcm: np.ndarray, container: str, subtype: str = "PCM_16", rate: int = RATE) -> bytes:
    """A file that libsndfile writes; pcm is int16 of shape (samples,) or (samples, channels)."""
    sink = io.BytesIO()
    soundfile.write(sink, pcm, rate, format=container, subtype=subtype)
    return sink.getvalue()


class _Pipe:
    """A sink that cannot go back."""

    def __init__(self, sink: io.BytesIO) -> None:
        self.write = sink.write


def by_ffmpeg(pcm: np.ndarray, container: str, encoder: str, *, rate: int = RATE, pipe: bool = False, **options: str) -> bytes:
    """A file that FFmpeg writes.

    Args:
        pcm: int16 of shape (samples,).
        container: FFmpeg's name of the format.
        encoder: FFmpeg's name of the encoder, which also takes `options`.
        rate: Sample rate in Hz.
        pipe: Whether it is written into a pipe, so that the header cannot be completed.
        options: Options of the format or the encoder.
    """
    sink = io.BytesIO()
    with av.open(_Pipe(sink) if pipe else sink, "w", format=container, options=options) as target:
        stream = target.add_stream(encoder, rate=rate, options=options)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            if packet.size:  # FLAC's encoder ends with a packet that holds no sound
                target.mux(packet)
    return sink.getvalue()
