"""Read and write the bitstream of a neural codec: the codes of a clip, packed bit by bit.

bytes     little-endian
0 to 3    b"SANC"
4         version of this layout: 1
5         bits per code: 1 to 24
6, 7      codebooks
8 to 11   sample rate in Hz
12 to 15  frames
16 to 19  samples of the signal
20 to     the codes of each frame, one per codebook, most significant bit first; then zero bits
          up to a whole byte
"""

import struct
from dataclasses import dataclass

import numpy as np

_HEADER = struct.Struct("<4sBBHIII")
_MARK = b"SANC"
_VERSION = 1
MOST_BITS = 24
MOST_CODEBOOKS = 65_535
"""What the header has room for."""


@dataclass(frozen=True, kw_only=True)
class CodeFile:
    """The codes of a clip.

    Args:
        rate: Sample rate in Hz.
        samples: Length of the signal.
        bits: Bits per code.
        codes: int64 of shape (codebooks, frames), each from 0 to 2**bits - 1.
    """

    rate: int
    samples: int
    bits: int
    codes: np.ndarray


def write_codes(file: CodeFile) -> bytes:
    """The bitstream of a clip; the same codes give the same bytes.

    Args:
        file: The codes.

    >>> len(write_codes(CodeFile(rate=24_000, samples=640, bits=10, codes=np.zeros((3, 2), np.int64))))
    28
    """
    codebooks, frames = file.codes.shape
    shifts = np.arange(file.bits)[::-1]
    bits = (file.codes.T[..., None] >> shifts & 1).astype(np.uint8)
    return _HEADER.pack(_MARK, _VERSION, file.bits, codebooks, file.rate, frames, file.samples) + np.packbits(bits).tobytes()


def read_codes(payload: bytes) -> CodeFile:
    """Take a bitstream apart that may be damaged or hostile.

    Args:
        payload: The bytes of one clip.

    Raises:
        ValueError: They are not such a bitstream, or are cut off.

    >>> payload = write_codes(CodeFile(rate=24_000, samples=640, bits=10, codes=np.array([[1023, 2], [5, 0]])))
    >>> read_codes(payload).codes.tolist()
    [[1023, 2], [5, 0]]
    """
    if len(payload) < _HEADER.size:
        raise ValueError(f"{len(payload)} bytes are shorter than a header of {_HEADER.size}")
    mark, version, bits, codebooks, rate, frames, samples = _HEADER.unpack_from(payload)
    if mark != _MARK:
        raise ValueError(f"starts with {mark!r} instead of {_MARK!r}")
    if version != _VERSION:
        raise ValueError(f"layout {version}, but this version of streamaug reads {_VERSION}; upgrade streamaug")
    if not 1 <= bits <= MOST_BITS or not codebooks or not rate or not frames or not samples:
        raise ValueError(f"{bits} bits per code, {codebooks} codebooks, {rate} Hz, {frames} frames and {samples} samples are no clip")
    count = bits * codebooks * frames
    if len(payload) - _HEADER.size != -(-count // 8):
        raise ValueError(f"{len(payload) - _HEADER.size} bytes of codes instead of {-(-count // 8)}: cut off, or something follows")
    unpacked = np.unpackbits(np.frombuffer(payload, np.uint8, offset=_HEADER.size))
    if unpacked[count:].any():
        raise ValueError("bits follow after the last code")
    planes = unpacked[:count].reshape(frames, codebooks, bits)
    codes = np.zeros((frames, codebooks), np.int64)
    for plane in range(bits):
        codes = codes << 1 | planes[..., plane]
    return CodeFile(rate=rate, samples=samples, bits=bits, codes=np.ascontiguousarray(codes.T))
