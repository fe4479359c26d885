"""Decode AMR in its storage format (RFC 4867, section 5) with OpenCORE's decoders, which are those of
the standard: a lost frame is one of type 15, "no data", which they conceal as 3GPP TS 26.091 and
26.191 say. FFmpeg's own decoders refuse such a frame.
"""

import ctypes
from dataclasses import dataclass
from functools import cache

import numpy as np

from streamaug.codecs.packets.libraries import declare, load_library

_NO_DATA = bytes([15 << 3 | 4])


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """One of the two AMR codecs.

    Args:
        magic: How its files begin.
        rate: Sample rate in Hz.
        sizes: Bytes of a frame of each type, its header included.
        library: Name of the decoder's library.
        debian: The package of Debian that has it.
        functions: Its functions to begin, to decode and to end.
    """

    magic: bytes
    rate: int
    sizes: tuple[int, ...]
    library: str
    debian: str
    functions: tuple[str, str, str]


_KINDS = (
    _Kind(
        magic=b"#!AMR\n",
        rate=8_000,
        sizes=(13, 14, 16, 18, 20, 21, 27, 32, 6, 1, 1, 1, 1, 1, 1, 1),
        library="opencore-amrnb",
        debian="libopencore-amrnb0",
        functions=("Decoder_Interface_init", "Decoder_Interface_Decode", "Decoder_Interface_exit"),
    ),
    _Kind(
        magic=b"#!AMR-WB\n",
        rate=16_000,
        sizes=(18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 1, 1, 1, 1, 1, 1),
        library="opencore-amrwb",
        debian="libopencore-amrwb0",
        functions=("D_IF_init", "D_IF_decode", "D_IF_exit"),
    ),
)


@cache
def _library(kind: _Kind) -> ctypes.CDLL:
    pointer = ctypes.c_void_p
    begin, decode, end = kind.functions
    return declare(
        load_library(kind.library, kind.debian),
        {begin: ([], pointer), decode: ([pointer, ctypes.c_char_p, pointer, ctypes.c_int], None), end: ([pointer], None)},
    )


@dataclass(frozen=True)
class AmrPackets:
    """A clip in AMR-NB or AMR-WB: a packet is a frame of 20 ms.

    Args:
        kind: Which of them.
        frames: Each with its header.
    """

    kind: _Kind
    frames: list[bytes]

    @classmethod
    def of(cls, payload: bytes) -> "AmrPackets":
        """Read a file.

        Raises:
            ValueError: It is not AMR of one channel, or is cut off.
        """
        for kind in _KINDS:
            if payload.startswith(kind.magic):
                return cls(kind, _frames(payload, kind))
        raise ValueError("the format is not AMR of one channel")

    @property
    def rate(self) -> int:
        return self.kind.rate

    @property
    def starts(self) -> np.ndarray:
        return np.arange(len(self.frames) + 1) * (self.rate // 50)

    def decode(self, lost: np.ndarray, until: int | None = None) -> np.ndarray:
        length = self.rate // 50
        count = len(self.frames) if until is None else min(len(self.frames), -(-until // length))
        begin, decode, end = (getattr(_library(self.kind), name) for name in self.kind.functions)
        samples = np.zeros(count * length, np.int16)
        address, is_lost = samples.ctypes.data, lost.tolist()
        state = begin()
        try:
            for number in range(count):
                decode(state, _NO_DATA if is_lost[number] else self.frames[number], address + 2 * length * number, 0)
        finally:
            end(state)
        return samples.astype(np.float32)[None] / np.float32(32_768)


def _frames(payload: bytes, kind: _Kind) -> list[bytes]:
    frames, at = [], len(kind.magic)
    while at < len(payload):
        size = kind.sizes[payload[at] >> 3 & 15]
        if at + size > len(payload):
            raise ValueError("its last frame is cut off")
        frames.append(payload[at : at + size])
        at += size
    return frames
