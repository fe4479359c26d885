"""Encode in this process with PyAV, FFmpeg's libraries in a wheel."""

import io

import av
import numpy as np
from av.audio.stream import AudioStream

from streamaug.codecs.encoders.adapter import AdapterEncoder
from streamaug.codecs.pcm import channels_of, padded
from streamaug.errors import EncoderError


def version() -> str:
    """Versions that decide the bytes: the wheel fixes LAME, Opus and the other libraries that it
    contains."""
    libavcodec = ".".join(map(str, av.library_versions["libavcodec"]))
    return f"PyAV {av.__version__}, libavcodec {libavcodec}"


def has(encoder: str) -> bool:
    """Whether this build of PyAV has an audio encoder of that name."""
    try:
        return av.Codec(encoder, "w").type == "audio"
    except (av.error.FFmpegError, av.codec.codec.UnknownCodecError):
        return False


class PyAVEncoder(AdapterEncoder):
    """An encoder of PyAV; the options are those of its codec context."""

    adapter = "pyav"

    @property
    def version(self) -> str | None:
        return version() if has(self.name) else None

    @property
    def install_hint(self) -> str:
        return f"install PyAV's own wheel ('pip install av'), or set 'adapter: ffmpeg' and install an ffmpeg that has {self.name}"

    def encode(self, pcm: np.ndarray, *, rate: int, kbps: float, tail: int) -> bytes:
        """Encode a signal, as `Encoder.encode` describes; the silence at the end fills the codec's
        last frame.

        SBC drops a last frame that is not full. Muxers run bit-exact, so that the bitstream depends
        on the arguments alone.
        """
        if np.iinfo(pcm.dtype).bits not in (16, 32):
            raise TypeError(f"PCM of {pcm.dtype}")
        sink, layout = io.BytesIO(), "mono" if channels_of(pcm) == 1 else "stereo"
        try:
            with av.open(sink, "w", format=self.muxer, options={"fflags": "+bitexact"}) as container:
                stream = container.add_stream(self.name, rate=rate, options={"flags": "+bitexact", **self.options})
                assert isinstance(stream, AudioStream)
                stream.layout = layout
                stream.bit_rate = round(kbps * 1000)
                stream.codec_context.open()
                if tail + self.drops:
                    total = pcm.shape[-1] + tail + self.drops
                    total += -total % max(1, stream.codec_context.frame_size)
                    pcm = padded(pcm, 0, total - pcm.shape[-1])
                interleaved = pcm.T.reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(interleaved, format="s16" if pcm.dtype == np.int16 else "s32", layout=layout)
                frame.sample_rate = rate
                for packet in (*stream.encode(frame), *stream.encode(None)):
                    container.mux(packet)
        except (av.error.FFmpegError, ValueError, OverflowError) as error:
            raise EncoderError(f"{self.name} at {kbps:g} kbps and {rate} Hz: {error}; choose a bitrate that the codec has") from error
        return sink.getvalue()
