"""Define the seam of a codec: what encodes and decodes, and what an index records about it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from streamaug.codecs.demuxers import Demuxer

Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]+$")]
"""A name as FFmpeg and encoders have them."""


@dataclass(frozen=True, kw_only=True)
class Audio:
    """Sound of one or two channels.

    Args:
        samples: float32 of shape (samples,), or of two channels (2, samples); nominally in [-1, 1].
        rate: Sample rate in Hz.
    """

    samples: np.ndarray
    rate: int


class Decoding(BaseModel):
    """What decodes the bitstreams of a condition; stored in its index, so that any machine can read
    them.

    Args:
        codec: Name of the codec, such as `mp3`.
        demuxer: FFmpeg's name of the format, given to the decoder so that it never guesses. None:
            the codec is a plug-in or a neural one, and decodes its own bitstreams.
        channels: Channels of the clips. A bitstream may decode to more, of which the first ones
            count: HE-AAC in ADTS makes two equal ones of one.
        decoder: What decodes them instead of FFmpeg, such as `libopus`. Default: None, FFmpeg.
        checkpoint: sha256 in hex of the file of the model that decodes them, if the codec is a neural
            one. Default: None.
        code: Name and version of the class that the model's weights belong to, if they are not a
            program themselves. Default: None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    codec: Word
    demuxer: Demuxer | None
    channels: Annotated[int, Field(ge=1, le=2)] = 1
    decoder: Word | None = None
    checkpoint: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    code: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,400}$")] | None = None


FLAC = Decoding(codec="flac", demuxer="flac")
"""Of `original`, and of conditions that end with an effect, in a store of one channel."""


class Encoder(Protocol):
    """A program or library that makes a codec's bitstreams.

    It is pickled to the workers of a build.
    """

    @property
    def name(self) -> str:
        """The encoder's own name, such as `libmp3lame`."""

    @property
    def version(self) -> str | None:
        """What decides the bytes besides the arguments, or None where the encoder is not installed.

        Read it from this machine at each call: a build on several machines compares their versions.
        """

    @property
    def install_hint(self) -> str:
        """What to do where it is not installed, such as "install fdkaac ('apt-get install
        fdkaac')"."""

    @property
    def arguments(self) -> Mapping[str, str]:
        """All settings that decide the bytes, besides bitrate and sample rate; part of the
        condition's settings hash."""

    def encode(self, pcm: np.ndarray, *, rate: int, kbps: float, tail: int) -> bytes:
        """Encode a signal. The same arguments give the same bytes.

        Args:
            pcm: int16, or int32 with 24 bits left-justified, of shape (samples,); if the codec takes
                stereo, also (2, samples).
            rate: Sample rate in Hz, one of the codec's `sample_rates`.
            kbps: Bitrate in kbit/s, of all channels together.
            tail: Samples of silence to encode after the signal, so that a decoder with a delay
                delivers the signal's end.

        Raises:
            EncoderError: The encoder refuses its arguments or breaks down.
        """


class Codec(Protocol):
    """A format of bitstreams: what encodes it and how it is decoded.

    It is pickled to the workers of a build.
    """

    @property
    def name(self) -> str:
        """Its name in conditions: `mp3` in `mp3_64`."""

    @property
    def version(self) -> str:
        """Counts up whenever `decode` gives other samples for the same bytes."""

    @property
    def extension(self) -> str:
        """File name extension of its bitstreams in shards: lower-case letters and digits, no dot."""

    @property
    def sample_rates(self) -> Sequence[int]:
        """Sample rates in Hz that it can encode.

        Signals of other rates are resampled, see `coding_rate`.
        """

    def encoder(self, variant: str = "") -> Encoder:
        """Return the first of its encoders that is installed.

        Args:
            variant: Name of another encoder of the same format. Default: the codec's usual one.

        Raises:
            EncoderError: None is installed, or there is no such variant.
        """

    def decode(self, payload: bytes) -> Audio:
        """Decode a bitstream at the sample rate that it has; the codec's delay stays in. Several
        threads may call it.

        Args:
            payload: The encoder's bytes for one clip.

        Raises:
            CorruptError: The bytes cannot be decoded.
        """


def takes_stereo(codec: Codec) -> bool:
    """Whether a codec also takes two channels: its encoders PCM of shape (2, samples), which its
    `decode` gives back in that shape.

    Args:
        codec: One that says so by an attribute `takes_stereo`.
    """
    return getattr(codec, "takes_stereo", False) is True


def needs_stereo(codec: Codec) -> bool:
    """Whether a codec takes no signal of one channel.

    Args:
        codec: One that says so by an attribute `needs_stereo`.
    """
    return getattr(codec, "needs_stereo", False) is True


def bitrates(codec: Codec, channels: int) -> Sequence[float]:
    """Bitrates in kbps that a codec has, ascending; empty if its encoder takes any.

    Args:
        codec: One that says so by a method `bitrates(channels)`.
        channels: Channels of the signals: 1 or 2.
    """
    listed = getattr(codec, "bitrates", None)
    return () if listed is None else tuple(listed(channels))


def coding_rate(sample_rates: Sequence[int], rate: int) -> int:
    """Sample rate at which a signal is encoded: its own if the codec takes it, else the next
    higher, else the highest.

    Args:
        sample_rates: Sample rates in Hz that the codec takes.
        rate: Sample rate of the signal in Hz.

    >>> coding_rate([48_000], 44_100), coding_rate([8_000], 44_100), coding_rate([16_000, 44_100, 48_000], 44_100)
    (48000, 8000, 44100)
    """
    return min((higher for higher in sample_rates if higher >= rate), default=max(sample_rates))
