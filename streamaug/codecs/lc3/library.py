"""Call liblc3, which the package lc3py brings along.

lc3py's own classes never free the memory of a coder, and a store has one clip per coder: here the
memory is an array of NumPy.
"""

import ctypes
import re
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import numpy as np

from streamaug.codecs.lc3.packets import FRAME_US, Lc3File
from streamaug.errors import PluginError

_S16, _S24, _FLOAT = 0, 1, 3
"""liblc3's numbers of sample formats: int16, 24 bits in the low bytes of int32, float32."""

INSTALL = "run: pip install 'streamaug[codecs]'"


def _package() -> Distribution | None:
    try:
        return distribution("lc3py")
    except PackageNotFoundError:
        return None


def version() -> str | None:
    """`lc3py 1.1.3`, or None where it is not installed."""
    package = _package()
    return None if package is None else f"lc3py {package.version}"


def _path() -> Path:
    """The library among the files of lc3py. Raises PluginError if it is not there."""
    package = _package()
    files = (package.files or []) if package else []
    for file in files:
        if re.match(r"(lib)?lc3[\w.-]*\.(so|dylib|dll)", file.name):
            return Path(str(file.locate()))
    raise PluginError(f"codec 'lc3' needs the package lc3py, which is not installed; {INSTALL}")


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(str(_path()))
    integer, pointer = ctypes.c_int, ctypes.c_void_p
    for kind in ("encoder", "decoder"):
        size, setup = getattr(library, f"lc3_{kind}_size"), getattr(library, f"lc3_setup_{kind}")
        size.argtypes, size.restype = [integer, integer], ctypes.c_uint
        setup.argtypes, setup.restype = [integer, integer, integer, pointer], pointer
    library.lc3_encode.argtypes = [pointer, integer, pointer, integer, integer, pointer]
    library.lc3_decode.argtypes = [pointer, pointer, integer, integer, pointer, integer]
    return library


class _Coders:
    """One encoder or decoder per channel."""

    def __init__(self, kind: str, rate: int, channels: int) -> None:
        size = getattr(_library(), f"lc3_{kind}_size")(FRAME_US, rate)
        setup = getattr(_library(), f"lc3_setup_{kind}")
        self._memory = np.zeros((channels, -(-size // 16) * 2), np.uint64)
        self.handles = [setup(FRAME_US, rate, 0, row.ctypes.data) for row in self._memory]


def frame_samples(rate: int) -> int:
    """Samples of one channel in a frame.

    >>> frame_samples(48_000)
    480
    """
    return rate * FRAME_US // 1_000_000


def encode_frames(pcm: np.ndarray, rate: int, size: int) -> tuple[bytes, ...]:
    """Encode whole frames.

    Args:
        pcm: int16, or int32 with 24 bits left-justified, of shape (channels, samples).
        rate: Sample rate in Hz.
        size: Bytes of one channel of a frame.

    Returns:
        One packet per frame: the bytes of all channels.
    """
    channels, length = len(pcm), frame_samples(rate)
    coders = _Coders("encoder", rate, channels)
    sample_format, signal = (_S16, pcm) if pcm.dtype == np.int16 else (_S24, pcm >> 8)
    signal = np.ascontiguousarray(signal)
    frames = np.empty((signal.shape[1] // length, channels, size), np.uint8)
    for number, frame in enumerate(frames):
        for coder, channel, out in zip(coders.handles, signal, frame, strict=True):
            start = channel.ctypes.data + number * length * signal.itemsize
            if _library().lc3_encode(coder, sample_format, start, 1, size, out.ctypes.data):
                raise ValueError(f"liblc3 refuses {size} bytes per frame at {rate} Hz")
    return tuple(frame.tobytes() for frame in frames)


def decode_frames(file: Lc3File, lost: np.ndarray | None = None) -> np.ndarray:
    """Decode packets: float32 of shape (channels, samples), the delay still in.

    Args:
        file: The clip.
        lost: Which of the first packets are lost, bool of shape (packets,); the decoder conceals them,
            and what follows is not decoded. Default: all packets, none of them lost.

    Raises:
        PluginError: lc3py is not installed.
        ValueError: A packet cannot be decoded.
    """
    length = frame_samples(file.rate)
    coders = _Coders("decoder", file.rate, file.channels)
    is_lost = [False] * len(file.packets) if lost is None else lost.tolist()
    samples = np.zeros((file.channels, length * len(is_lost)), np.float32)
    decode, address, row = _library().lc3_decode, samples.ctypes.data, samples.strides[0]
    for number, is_missing in enumerate(is_lost):
        packet = file.packets[number]
        size, rest = divmod(len(packet), file.channels)
        for channel, coder in enumerate(coders.handles):
            data = None if is_missing else packet[channel * size : (channel + 1) * size]
            status = decode(coder, data, size, _FLOAT, address + channel * row + number * length * samples.itemsize, 1)
            if rest or status != is_missing:  # 1 where it conceals
                raise ValueError(f"packet {number} is damaged")
    return samples
