"""Encode AMR-WB with the library libvo-amrwbenc, which PyAV's build of FFmpeg lacks."""

import ctypes
import ctypes.util
import hashlib
from functools import cache
from pathlib import Path

import numpy as np

from streamaug.codecs.encoders.adapter import AdapterEncoder
from streamaug.codecs.pcm import padded, to_float, to_pcm
from streamaug.errors import EncoderError

_MODES = (6.6, 8.85, 12.65, 14.25, 15.85, 18.25, 19.85, 23.05, 23.85)
"""kbps of the modes 0 to 8."""

_FRAME = 320
"""Samples of a frame: 20 ms at 16 kHz."""

_LONGEST = 61
"""Bytes of the longest frame."""

_HEADER = b"#!AMR-WB\n"


@cache
def _library() -> ctypes.CDLL | None:
    name = ctypes.util.find_library("vo-amrwbenc")
    if name is None:
        return None
    library = ctypes.CDLL(name)
    library.E_IF_init.restype = ctypes.c_void_p
    library.E_IF_exit.argtypes = [ctypes.c_void_p]
    library.E_IF_encode.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    return library


@cache
def version() -> str | None:
    """`libvo-amrwbenc 1a2b3c4d`, the start of the library's sha256, since it has no version that can
    be asked for; None where it is not installed."""
    if _library() is None:
        return None
    path = _loaded_file("vo-amrwbenc")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8] if path else "of unknown version"
    return f"libvo-amrwbenc {digest}"


def _loaded_file(name: str) -> Path | None:
    """The file of a library that this process has loaded, where the system lists them."""
    maps = Path("/proc/self/maps")
    lines = maps.read_text(encoding="utf-8", errors="replace").splitlines() if maps.exists() else []
    paths = (line.partition("/")[2] for line in lines if name in line)
    return next((Path("/", path) for path in paths), None)


class AmrWbEncoder(AdapterEncoder):
    """libvo-amrwbenc; it takes no options. It writes the AMR-WB file format."""

    adapter = "amrwb"

    @property
    def version(self) -> str | None:
        return version()

    @property
    def install_hint(self) -> str:
        return "install libvo-amrwbenc (Debian/Ubuntu: 'apt-get install libvo-amrwbenc0'; macOS: 'brew install vo-amrwbenc')"

    def encode(self, pcm: np.ndarray, *, rate: int, kbps: float, tail: int) -> bytes:
        library = _library()
        if library is None or rate != 16_000 or kbps not in _MODES:
            raise EncoderError(f"{self.name} at {kbps:g} kbps and {rate} Hz: choose 16000 Hz and one of {', '.join(map(str, _MODES))} kbps")
        whole = padded(pcm, 0, tail + -(len(pcm) + tail) % _FRAME)
        speech = np.ascontiguousarray(whole if whole.dtype == np.int16 else to_pcm(to_float(whole), 16))
        frame = ctypes.create_string_buffer(_LONGEST)
        state = library.E_IF_init()
        frames = [_HEADER]
        try:
            for start in range(0, len(speech), _FRAME):
                size = library.E_IF_encode(state, _MODES.index(kbps), speech[start:].ctypes.data, frame, 0)
                frames.append(frame.raw[:size])
        finally:
            library.E_IF_exit(state)
        return b"".join(frames)
