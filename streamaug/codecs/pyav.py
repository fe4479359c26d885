"""Encoding in this process with PyAV, FFmpeg's libraries in a wheel."""

import io

import av
import numpy as np
from av.audio.stream import AudioStream

from streamaug.codecs.settings import EncoderChoice
from streamaug.errors import EncoderError


def version() -> str:
    """Versions that decide the bytes: the wheel fixes LAME, Opus and the other libraries that it carries."""
    libavcodec = ".".join(map(str, av.library_versions["libavcodec"]))
    return f"PyAV {av.__version__}, libavcodec {libavcodec}"


def has(encoder: str) -> bool:
    """Whether this build of PyAV can encode by that name."""
    try:
        av.Codec(encoder, "w")
    except av.error.FFmpegError:
        return False
    return True


def encode(pcm: np.ndarray, *, choice: EncoderChoice, rate: int, kbps: float, tail: int) -> bytes:
    """Code a mono signal.

    pcm: int16, or int32 with 24 bits left-justified, of shape (samples,). rate: samples a second.
    tail: samples that the decoder will deliver late; as much silence is coded after the signal, up to a whole
    codec frame, so that the signal's end comes out too (SBC drops a last frame that is not full).
    Returns the bitstream; muxers run bit-exact, so that it depends on the arguments alone. Raises EncoderError.
    """
    if np.iinfo(pcm.dtype).bits not in (16, 32):
        raise TypeError(f"PCM of {pcm.dtype}")
    sink = io.BytesIO()
    try:
        with av.open(sink, "w", format=choice.muxer, options={"fflags": "+bitexact"}) as container:
            stream = container.add_stream(choice.encoder, rate=rate, options={"flags": "+bitexact", **choice.arguments})
            assert isinstance(stream, AudioStream)
            stream.layout = "mono"
            stream.bit_rate = round(kbps * 1000)
            stream.codec_context.open()
            if tail:
                total = len(pcm) + tail
                total += -total % max(1, stream.codec_context.frame_size)
                pcm = np.pad(pcm, (0, total - len(pcm)))
            frame = av.AudioFrame.from_ndarray(pcm[None], format="s16" if pcm.dtype == np.int16 else "s32", layout="mono")
            frame.sample_rate = rate
            for packet in (*stream.encode(frame), *stream.encode(None)):
                container.mux(packet)
    except (av.error.FFmpegError, ValueError) as error:
        raise EncoderError(f"{choice.encoder} at {kbps:g} kbps and {rate} Hz: {error}; choose a bitrate that the codec has") from error
    return sink.getvalue()
