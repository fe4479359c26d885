"""A codec of its own: samples companded by mu-law to as many bits as the bitrate allows."""

import struct
from dataclasses import dataclass, field

import numpy as np

from streamaug.codecs import Audio
from streamaug.errors import CorruptError, EncoderError

_HEADER = struct.Struct("<4sIIB")  # mark, sample rate, samples, bits per sample
_MU = 255.0


@dataclass(frozen=True)
class CompandedEncoder:
    """The encoder: it needs nothing but NumPy, so it is always installed."""

    name: str = "companded-numpy"
    version: str | None = "1"
    install_hint: str = "install streamaug-example"
    arguments: dict[str, str] = field(default_factory=lambda: {"mu": f"{_MU:g}"})

    def encode(self, pcm: np.ndarray, *, rate: int, kbps: float, tail: int) -> bytes:
        bits = round(kbps * 1000 / rate)
        if not 2 <= bits <= 8:
            raise EncoderError(f"{self.name}: {kbps:g} kbps at {rate} Hz; choose from {rate * 2 / 1000:g} to {rate * 8 / 1000:g} kbps")
        signal = np.pad(pcm, (0, tail)) / -float(np.iinfo(pcm.dtype).min)
        companded = np.sign(signal) * np.log1p(_MU * np.abs(signal)) / np.log1p(_MU)
        levels = np.rint((companded + 1) / 2 * (2**bits - 1)).astype(np.uint8)
        packed = np.packbits(np.unpackbits(levels[:, None], axis=1)[:, -bits:])
        return _HEADER.pack(b"COMP", rate, len(signal), bits) + packed.tobytes()


@dataclass(frozen=True)
class Companded:
    """The codec: `companded_64` encodes with 8 bits per sample at 8 kHz."""

    name: str = "companded"
    version: str = "1"
    extension: str = "cmp"
    sample_rates: tuple[int, ...] = (8_000,)

    def encoder(self, variant: str = "") -> CompandedEncoder:
        if variant:
            raise EncoderError(f"codec '{self.name}' has no variant '{variant}'; leave the variant out")
        return CompandedEncoder()

    def decode(self, payload: bytes) -> Audio:
        try:
            mark, rate, count, bits = _HEADER.unpack_from(payload)
            packed = np.frombuffer(payload, np.uint8, offset=_HEADER.size)
            levels = np.packbits(np.unpackbits(packed, count=count * bits).reshape(count, bits), axis=1)[:, 0] >> (8 - bits)
        except (struct.error, ValueError) as error:
            raise CorruptError(f"cut off: {error}") from error
        if mark != b"COMP":
            raise CorruptError(f"starts with {mark!r} instead of b'COMP'")
        companded = levels / (2**bits - 1) * 2 - 1
        signal = np.sign(companded) * np.expm1(np.abs(companded) * np.log1p(_MU)) / _MU
        return Audio(samples=signal.astype(np.float32), rate=rate)
