"""Read and write the file format of liblc3's own tools `elc3` and `dlc3`, packet by packet.

A header of nine little-endian words of 16 bits, then for each frame of 10 ms a word with the size of
its packet, and the packet. In a packet the channels follow each other, all with the same size.

    word    0       1            2              3                  4         5            6  7        8
            0xcc1c  header size  rate / 100 Hz  bitrate / 100 bps  channels  frame / 10us 0  samples  samples >> 16
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

FRAME_US = 10_000
"""Length of a frame in microseconds."""

_FILE_ID = 0xCC1C
_HEADER = struct.Struct("<9H")
_SIZE = struct.Struct("<H")
_RATES = (8_000, 16_000, 24_000, 32_000, 48_000)


@dataclass(frozen=True, kw_only=True)
class Lc3File:
    """A clip in LC3.

    Args:
        rate: Sample rate in Hz.
        channels: 1 or 2.
        samples: Samples of the clip, per channel; the last packets may hold more.
        packets: One per frame of 10 ms.
    """

    rate: int
    channels: int
    samples: int
    packets: tuple[bytes, ...]


def write_file(file: Lc3File) -> bytes:
    """The bytes of a file.

    >>> file = Lc3File(rate=16_000, channels=1, samples=160, packets=(bytes(40),))
    >>> read_file(write_file(file)) == file, len(write_file(file))
    (True, 60)
    """
    bits_per_frame = max(map(len, file.packets)) * 8
    header = _HEADER.pack(
        _FILE_ID,
        _HEADER.size,
        file.rate // 100,
        bits_per_frame * 1_000_000 // FRAME_US // 100,
        file.channels,
        FRAME_US // 10,
        0,
        file.samples & 0xFFFF,
        file.samples >> 16,
    )
    return header + b"".join(_SIZE.pack(len(packet)) + packet for packet in file.packets)


def read_file(payload: bytes) -> Lc3File:
    """The packets of a file.

    Raises:
        ValueError: The bytes are not such a file, or are cut off.
    """
    if len(payload) < _HEADER.size:
        raise ValueError("it is shorter than a header")
    file_id, header_size, rate, _, channels, frame, _, low, high = _HEADER.unpack_from(payload)
    if file_id != _FILE_ID or header_size < _HEADER.size:
        raise ValueError("the format is not LC3")
    if rate * 100 not in _RATES or channels not in (1, 2) or frame * 10 != FRAME_US:
        raise ValueError(f"{rate * 100} Hz, {channels} channels, frames of {frame * 10} us")
    return Lc3File(rate=rate * 100, channels=channels, samples=low | high << 16, packets=tuple(_packets(payload, header_size)))


def _packets(payload: bytes, start: int) -> Iterable[bytes]:
    while start < len(payload):
        if start + _SIZE.size > len(payload):
            raise ValueError("it is cut off")
        (size,) = _SIZE.unpack_from(payload, start)
        start += _SIZE.size
        if start + size > len(payload):
            raise ValueError("it is cut off")
        yield payload[start : start + size]
        start += size
