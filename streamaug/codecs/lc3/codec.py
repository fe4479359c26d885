"""LC3 as a codec of streamaug: frames of 10 ms, whose packets stay apart in the bitstream."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from streamaug.codecs.base import Audio
from streamaug.codecs.lc3 import library
from streamaug.codecs.lc3.packets import Lc3File, read_file, write_file
from streamaug.codecs.pcm import channels_of, padded
from streamaug.errors import CorruptError, EncoderError

_BYTES = range(20, 401)
"""Bytes of a frame of one channel that LC3 allows."""

_KBPS_PER_BYTE = 0.8
"""8 bits per 10 ms."""


@dataclass(frozen=True)
class Lc3Encoder:
    """liblc3, by the package lc3py: a constant bitrate, frames of 10 ms."""

    name: str = "liblc3"
    install_hint: str = library.INSTALL
    arguments: Mapping[str, str] = field(default_factory=lambda: {"frame": "10ms"})

    @property
    def version(self) -> str | None:
        return library.version()

    def encode(self, pcm: np.ndarray, *, rate: int, kbps: float, tail: int) -> bytes:
        channels, samples, length = channels_of(pcm), pcm.shape[-1], library.frame_samples(rate)
        total = samples + tail
        whole = padded(pcm, 0, tail + -total % length).reshape(channels, -1)
        try:
            packets = library.encode_frames(whole, rate, round(kbps / _KBPS_PER_BYTE / channels))
        except ValueError as error:
            raise EncoderError(f"{self.name} at {kbps:g} kbps: {error}") from error
        return write_file(Lc3File(rate=rate, channels=channels, samples=samples, packets=packets))


@dataclass(frozen=True)
class Lc3:
    """LC3: `lc3_80` has 100 bytes per frame of 10 ms. Two channels share the bitrate equally."""

    name: str = "lc3"
    extension: str = "lc3"
    sample_rates: tuple[int, ...] = (8_000, 16_000, 24_000, 32_000, 48_000)
    takes_stereo: bool = True

    @property
    def version(self) -> str:
        """Names the library, too: it decodes, and another one may give other samples."""
        return f"1, {library.version() or 'no lc3py'}"

    def bitrates(self, channels: int) -> Sequence[float]:
        """Bitrates in kbps: 20 to 400 bytes per frame and channel."""
        return tuple(round(count * _KBPS_PER_BYTE * channels, 1) for count in _BYTES)

    def encoder(self, variant: str = "") -> Lc3Encoder:
        if variant:
            raise EncoderError(f"codec '{self.name}' has no variant '{variant}'; leave the variant out")
        return Lc3Encoder()

    def decode(self, payload: bytes) -> Audio:
        try:
            file = read_file(payload)
            samples = library.decode_frames(file)
        except ValueError as error:
            raise CorruptError(f"LC3: {error}") from error
        return Audio(samples=samples[0] if file.channels == 1 else samples, rate=file.rate)

    def packets(self, payload: bytes) -> "Lc3Packets":
        """The packets of a bitstream, which a link can lose; raises ValueError for other bytes."""
        return Lc3Packets(read_file(payload))


def lc3_wb() -> Lc3:
    """LC3 of a signal of 16 kHz: wideband."""
    return Lc3(name="lc3-wb", sample_rates=(16_000,))


def lc3_swb() -> Lc3:
    """LC3 of a signal of 32 kHz: super-wideband."""
    return Lc3(name="lc3-swb", sample_rates=(32_000,))


@dataclass(frozen=True)
class Lc3Packets:
    """A clip in LC3, of which packets may be lost: liblc3 conceals them.

    Args:
        file: The clip.
    """

    file: Lc3File

    @property
    def rate(self) -> int:
        return self.file.rate

    @property
    def starts(self) -> np.ndarray:
        return np.arange(len(self.file.packets) + 1) * library.frame_samples(self.rate)

    def decode(self, lost: np.ndarray, until: int | None = None) -> np.ndarray:
        count = len(lost) if until is None else min(len(lost), -(-until // library.frame_samples(self.rate)))
        return library.decode_frames(self.file, lost[:count])
