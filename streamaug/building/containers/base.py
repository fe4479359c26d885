"""Say what to decode of a file, and how a truncated one is reported."""

import mmap
from dataclasses import dataclass
from typing import Literal

from streamaug.errors import ClipsError

Data = bytes | mmap.mmap
"""The content of a file, in memory or mapped into it."""


@dataclass(frozen=True, kw_only=True)
class Container:
    """What to decode of a file.

    Args:
        parts: Files to decode one after another, with right sizes in their headers. Nearly always
            the file itself.
        reader: Which library reads it: libsndfile where it reads all of the sound, else FFmpeg.
        demuxer: FFmpeg's name of the format. Default: FFmpeg finds it out.
        unread: Bytes after the sound that belong to nothing that the header names.
    """

    parts: tuple[Data, ...]
    reader: Literal["soundfile", "pyav"]
    demuxer: str | None = None
    unread: int = 0


def truncated_error(detail: str) -> ClipsError:
    """The error about a file that ends too early.

    Args:
        detail: What shows it, such as "16000 bytes of sound of 32000".
    """
    return ClipsError(f"truncated: {detail}; restore it or remove it from the table")
