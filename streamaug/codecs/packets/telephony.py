"""Decode G.711 and G.722 in WAV where packets of 20 ms are lost.

What arrives goes through FFmpeg's decoder as if nothing lay between, so that the adaptive decoder of
G.722 waits during a loss. The gaps are filled by the waveform substitution of G.711, Appendix I:
G.722 has concealment of its own, in its Appendices III and IV, of which this is none.
"""

from dataclasses import dataclass

import av
import numpy as np

from streamaug.codecs.frames import join_frames
from streamaug.codecs.packets import appendix_i

_PACKETS_PER_S = 50
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
        if number not in _FORMATS or channels != 1 or not rate or b"data" not in chunks:
            raise ValueError(f"a WAV file of format {number} and {channels} channels has no packets here")
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
        starts, length = self.starts, self._length
        count = len(lost) if until is None else min(len(lost), -(-until // length))
        samples = int(starts[count])
        is_lost = np.repeat(lost[:count], length)[:samples]
        data = np.frombuffer(self.data[: samples // self.per_byte], np.uint8)
        arrived = data[~is_lost[:: self.per_byte]].tobytes()
        whole = np.zeros(samples, np.float32)
        if arrived:
            whole[~is_lost] = self._decode_arrived(arrived)
        if is_lost.any():
            frames = np.repeat(lost[:count], appendix_i.FRAMES_PER_S // _PACKETS_PER_S)
            whole = appendix_i.conceal(whole, frames, self.rate)
        return whole[None]

    def _decode_arrived(self, arrived: bytes) -> np.ndarray:
        decoder = av.CodecContext.create(self.codec, "r")
        assert isinstance(decoder, av.AudioCodecContext)
        decoder.sample_rate, decoder.layout = self.rate, "mono"
        decoded, _ = join_frames(frame for packet in (av.Packet(arrived), None) for frame in decoder.decode(packet))
        sound: np.ndarray = decoded[0]
        return sound
