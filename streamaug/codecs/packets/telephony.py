"""Decode G.711 and G.722 in WAV where packets of 20 ms are lost.

What arrives goes through FFmpeg's decoder as if nothing lay between, so that the adaptive decoder of
G.722 waits during a loss. The gaps are filled by the waveform substitution of G.711, Appendix I:
G.722 has concealment of its own, in its Appendices III and IV, of which this is none.
"""

from dataclasses import dataclass
from functools import cache

import av
import numpy as np

from streamaug.codecs.frames import join_frames
from streamaug.codecs.packets import appendix_i
from streamaug.codecs.packets.runs import runs_of, spread

_PACKETS_PER_S = 50
_RATES = range(1_000, 768_001)
"""Sample rates in Hz that stores have; the concealment's memory grows with the rate."""

_FORMATS = {6: ("pcm_alaw", 1), 7: ("pcm_mulaw", 1), 0x028F: ("g722", 2)}
"""Formats of WAV: FFmpeg's name of the codec, and its samples per byte."""


@dataclass(frozen=True)
class TelephonyPackets:
    """A clip of one channel.

    Args:
        codec: FFmpeg's name of the codec.
        per_byte: Samples per byte.
        rate: Sample rate in Hz.
        data: All packets.
    """

    codec: str
    per_byte: int
    rate: int
    data: bytes

    @classmethod
    def of(cls, payload: bytes) -> "TelephonyPackets":
        """Read a WAV file.

        Raises:
            ValueError: It is not G.711 or G.722 of one channel in WAV.
        """
        if payload[:4] != b"RIFF" or payload[8:12] != b"WAVE":
            raise ValueError("the format is not WAV")
        chunks, at = dict[bytes, bytes](), 12
        while at + 8 <= len(payload) and b"data" not in chunks:
            size = int.from_bytes(payload[at + 4 : at + 8], "little")
            chunks[payload[at : at + 4]] = payload[at + 8 : at + 8 + size]
            at += 8 + size + size % 2
        header = chunks.get(b"fmt ", b"")
        number, channels, rate = (int.from_bytes(header[start : start + size], "little") for start, size in ((0, 2), (2, 2), (4, 4)))
        if number not in _FORMATS or channels != 1 or rate not in _RATES or b"data" not in chunks:
            raise ValueError(f"a WAV file of format {number}, {channels} channels and {rate} Hz has no packets here")
        codec, per_byte = _FORMATS[number]
        return cls(codec, per_byte, rate, chunks[b"data"])

    @property
    def _length(self) -> int:
        """Samples of a packet."""
        return self.rate // _PACKETS_PER_S

    @property
    def starts(self) -> np.ndarray:
        samples = len(self.data) * self.per_byte
        return np.minimum(np.arange(-(-samples // self._length) + 1) * self._length, samples)

    def decode(self, lost: np.ndarray, until: int | None = None) -> np.ndarray:
        count = len(lost) if until is None else min(len(lost), -(-until // self._length))
        lost = lost[:count]
        whole = self._by_byte(count) if self.per_byte == 1 else self._by_decoder(lost)
        frames = np.repeat(lost, appendix_i.FRAMES_PER_S // _PACKETS_PER_S)
        appendix_i.conceal(whole, frames, self.rate)
        return whole[None]

    def _by_byte(self, packets: int) -> np.ndarray:
        """The first packets of G.711, those that are lost, too: no byte changes what another stands for."""
        return _values(self.codec)[np.frombuffer(self.data, np.uint8, min(packets * self._length, len(self.data)))]

    def _by_decoder(self, lost: np.ndarray) -> np.ndarray:
        """The first packets, those that are lost silent."""
        starts, runs = self.starts, list(runs_of(lost))
        arrived = b"".join(self.data[int(starts[run.first]) // 2 : int(starts[run.last]) // 2] for run in runs if not run.is_lost)
        decoded = _decoded(self.codec, arrived)[None] if arrived else np.zeros((1, 0), np.float32)
        if lost.any():
            decoded, _ = spread(decoded, runs, starts)
        sound: np.ndarray = decoded[0]
        return sound


@cache
def _values(codec: str) -> np.ndarray:
    """The sample that each byte of G.711 stands for."""
    return _decoded(codec, bytes(range(256)))


def _decoded(codec: str, data: bytes) -> np.ndarray:
    """What FFmpeg's decoder makes of some bytes, float32 of shape (samples,)."""
    decoder = av.CodecContext.create(codec, "r")
    assert isinstance(decoder, av.AudioCodecContext)
    decoder.sample_rate, decoder.layout = 8_000, "mono"  # which does not change the samples
    decoded, _ = join_frames(frame for packet in (av.Packet(data), None) for frame in decoder.decode(packet))
    sound: np.ndarray = decoded[0]
    return sound
