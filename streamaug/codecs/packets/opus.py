"""Decode Opus in Ogg with libopus, the reference decoder, which conceals lost packets itself.

Where the packet after a lost one arrived, the copy of the lost one that in-band FEC put into it is
decoded (RFC 6716, section 2.1.7). FFmpeg's own decoder of Opus has neither, and
brings frames of speech one or two samples later.
"""

import ctypes
import struct
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np

from streamaug.codecs.packets.libraries import declare, load_library
from streamaug.codecs.packets.ogg import read_ogg
from streamaug.errors import PluginError

RATE = 48_000
"""Sample rate in Hz that Opus is decoded to, whatever was encoded."""

_HEAD = struct.Struct("<8sBBHIhB")
_FRAMES = ((480, 960, 1_920, 2_880),) * 3 + ((480, 960),) * 2 + ((120, 240, 480, 960),) * 4
_FRAME = np.concatenate(_FRAMES).tolist()
"""Samples of a frame by the five highest bits of a packet's first byte (RFC 6716, section 3.1)."""

_MOST = 5_760
"""Samples of the longest packet."""


@cache
def _library() -> ctypes.CDLL:
    integer, pointer = ctypes.c_int, ctypes.c_void_p
    return declare(
        load_library("opus", "libopus0"),
        {
            "opus_get_version_string": ([], ctypes.c_char_p),
            "opus_decoder_get_size": ([integer], integer),
            "opus_decoder_init": ([pointer, ctypes.c_int32, integer], integer),
            "opus_decode_float": ([pointer, ctypes.c_char_p, ctypes.c_int32, pointer, integer, integer], integer),
            "opus_strerror": ([integer], ctypes.c_char_p),
        },
    )


def version() -> str:
    """Such as `libopus 1.6.1`, or `no libopus`."""
    try:
        text: bytes = _library().opus_get_version_string()
    except PluginError:
        return "no libopus"
    return text.decode()


def is_opus(payload: bytes) -> bool:
    """Whether an Ogg file holds Opus, and not Vorbis or FLAC."""
    return payload[28:36] == b"OpusHead"


def packet_samples(packet: bytes) -> int:
    """Samples of a packet at 48 kHz.

    >>> packet_samples(bytes([9 << 3, 0])), packet_samples(bytes([31 << 3 | 3, 2]))
    (960, 1920)

    Raises:
        ValueError: It is no packet of Opus.
    """
    if not packet:
        raise ValueError("a packet is empty")
    code = packet[0] & 3
    frames = (1, 2, 2)[code] if code < 3 else packet[1] & 63 if len(packet) > 1 else 0
    samples: int = _FRAME[packet[0] >> 3] * frames
    if not 0 < samples <= _MOST:
        raise ValueError(f"a packet has {frames} frames")
    return samples


@dataclass(frozen=True)
class OpusPackets:
    """A clip in Opus.

    Args:
        channels: 1 or 2.
        gain: Factor of the samples.
        packets: In their order.
    """

    channels: int
    gain: float
    packets: list[bytes]

    rate = RATE

    @classmethod
    def of(cls, payload: bytes) -> "OpusPackets":
        """Read an Ogg file.

        Raises:
            ValueError: It is not Opus in Ogg, or is damaged.
        """
        packets = read_ogg(payload)
        if len(packets) < 2 or len(packets[0]) < _HEAD.size or not is_opus(payload):
            raise ValueError("the format is not Opus in Ogg")
        _, _, channels, _, _, gain, mapping = _HEAD.unpack_from(packets[0])
        if channels not in (1, 2) or mapping:
            raise ValueError(f"it has {channels} channels in the mapping {mapping}")
        return cls(channels, 10 ** (gain / (20 * 256)), packets[2:])

    @cached_property
    def _ends(self) -> np.ndarray:
        """Samples after each packet."""
        return np.cumsum([packet_samples(packet) for packet in self.packets], dtype=np.int64)

    @property
    def starts(self) -> np.ndarray:
        return np.concatenate([[0], self._ends])

    def decode(self, lost: np.ndarray, until: int | None = None) -> np.ndarray:
        count = len(self.packets)
        if until is not None:
            count = min(count, int(np.searchsorted(self._ends, until)) + 1)
        ends = self._ends[:count].tolist()
        library = _library()
        state = np.zeros(library.opus_decoder_get_size(self.channels) // 8 + 1, np.uint64)  # as aligned as it must be
        if status := library.opus_decoder_init(state.ctypes.data, RATE, self.channels):
            raise ValueError(library.opus_strerror(status).decode())
        decoded = np.zeros((ends[-1] if ends else 0, self.channels), np.float32)
        decode, memory, address, width = library.opus_decode_float, state.ctypes.data, decoded.ctypes.data, 4 * self.channels
        is_lost, start = [*lost.tolist(), True], 0
        for number, end in enumerate(ends):
            packet: bytes | None = self.packets[number]
            has_copy = is_lost[number] and not is_lost[number + 1]
            if is_lost[number]:
                packet = self.packets[number + 1] if has_copy else None
            size = len(packet) if packet is not None else 0
            given = decode(memory, packet, size, address + start * width, end - start, has_copy)
            if given != end - start:
                raise ValueError(f"packet {number}: {library.opus_strerror(min(given, 0)).decode()}")
            start = end
        sound = decoded.T
        return sound if self.gain == 1 else sound * np.float32(self.gain)
