"""FFmpeg's formats that are read from bytes of others: they hold sound, and nothing that they say makes
FFmpeg open anything else.

FFmpeg's playlists and descriptions (`concat`, `hls`, `dash`, `sdp`) are formats like any other, and
name files and servers, which FFmpeg would open: what an index calls a bitstream could then read the
user's files, or ask servers in the user's network.
"""

from typing import Annotated

from pydantic import AfterValidator

FOUND = (
    "aac", "ac3", "aiff", "amr", "ape", "asf", "au", "avi", "caf", "dsf", "eac3", "flac", "flv", "matroska", "mov", "mp3", "mpc",
    "mpc8", "mpegts", "ogg", "tta", "voc", "w64", "wav", "wv",
)  # fmt: skip
"""Formats that FFmpeg may find in a file by itself."""

NAMED = frozenset((
    *FOUND, "ac4", "act", "adx", "aea", "alaw", "amrnb", "amrwb", "aptx", "aptx_hd", "binka", "bonk", "codec2", "codec2raw", "dfpwm",
    "dss", "dts", "dtshd", "f32le", "f64le", "g722", "g723_1", "g726", "g726le", "g728", "g729", "gsm", "hca", "iamf", "ilbc", "lc3",
    "loas", "mlp", "mp4", "mulaw", "nut", "oma", "osq", "qcp", "qoa", "rka", "s16be", "s16le", "s24le", "s32le", "sbc", "shn", "sln",
    "sox", "tak", "truehd", "vqf", "webm", "wsd", "xwma",
))  # fmt: skip
"""Formats that a settings file, or an index, may name."""


def check_demuxer(demuxer: str) -> str:
    """A format, if FFmpeg may read it from bytes of others.

    Args:
        demuxer: FFmpeg's name of the format.

    Raises:
        ValueError: It may not.

    >>> check_demuxer("concat")
    Traceback (most recent call last):
    ValueError: the format 'concat' is not one of those that hold sound and name no other files
    """
    if demuxer not in NAMED:
        raise ValueError(f"the format '{demuxer}' is not one of those that hold sound and name no other files")
    return demuxer


Demuxer = Annotated[str, AfterValidator(check_demuxer)]
"""A format that a file of somebody else may name."""
