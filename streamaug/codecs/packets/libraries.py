"""Load the decoders that FFmpeg does not let conceal lost packets, from the libraries that PyAV's
wheel brings along, or from the system's."""

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from ctypes.util import find_library
from functools import cache
from pathlib import Path
from typing import Any

import av

from streamaug.errors import PluginError

_PACKAGE = Path(av.__file__).parent

Signatures = Mapping[str, tuple[Sequence[Any], Any]]
"""Functions of a library by name: the types of their arguments, and of their result."""


def _candidates(name: str) -> Iterator[str]:
    """Paths of a library in PyAV's wheel for Linux, macOS or Windows, then the system's."""
    for folder, pattern in (
        (_PACKAGE.parent / "av.libs", f"lib{name}-*.so*"),
        (_PACKAGE / ".dylibs", f"lib{name}.*dylib"),
        (_PACKAGE.parent / "av.libs", f"*{name}-*.dll"),
    ):
        yield from map(str, sorted(folder.glob(pattern)))
    if system := find_library(name):
        yield system


@cache
def load_library(name: str, debian: str) -> ctypes.CDLL:
    """Load a library; calls of its functions let other threads run.

    Args:
        name: Its name without `lib` and what follows it, such as `opus`.
        debian: The package of Debian that has it, for the error.

    Raises:
        PluginError: There is no such library.
    """
    for path in _candidates(name):
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    raise PluginError(
        f"lib{name} is not installed, which decodes these bitstreams; install PyAV's own wheel ('pip install av'), which has it, or the "
        f"system's library ('apt-get install {debian}')"
    )


def declare(library: ctypes.CDLL, signatures: Signatures) -> ctypes.CDLL:
    """Declare functions of a library, and return it.

    Args:
        library: The library.
        signatures: Its functions.
    """
    for name, (arguments, result) in signatures.items():
        function = getattr(library, name)
        function.argtypes, function.restype = list(arguments), result
    return library
