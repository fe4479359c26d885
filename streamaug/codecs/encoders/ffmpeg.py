"""Encode with the ffmpeg program on the user's path, for encoders that PyAV's build lacks."""

import re
import shutil
import subprocess
from functools import cache

import ffmpeg
import numpy as np

from streamaug.codecs.encoders.adapter import AdapterEncoder
from streamaug.codecs.encoders.process import encode_by_process

_DEBIAN = frozenset(("libgsm", "libmp3lame", "libopus", "libshine", "libspeex", "libtwolame", "libvorbis"))
"""Encoders that the ffmpeg of Debian and Ubuntu has."""


@cache
def version() -> str | None:
    """`ffmpeg 7.1`, or None where the program is not installed."""
    if shutil.which("ffmpeg") is None:
        return None
    process = subprocess.run(["ffmpeg", "-hide_banner", "-version"], capture_output=True, text=True, check=False, timeout=30)
    match = re.match(r"ffmpeg version (\S+)", process.stdout)
    return f"ffmpeg {match[1]}" if match else "ffmpeg of unknown version"


@cache
def encoder_names() -> frozenset[str]:
    """Names of the audio encoders that the ffmpeg program has."""
    if version() is None:
        return frozenset()
    process = subprocess.run(["ffmpeg", "-hide_banner", "-encoders"], capture_output=True, text=True, check=False, timeout=30)
    return frozenset(re.findall(r"^ A\S+ +(\S+)", process.stdout, re.MULTILINE))


class FFmpegEncoder(AdapterEncoder):
    """An encoder of the ffmpeg program; the options are its output options."""

    adapter = "ffmpeg"

    @property
    def version(self) -> str | None:
        return version() if self.name in encoder_names() else None

    @property
    def install_hint(self) -> str:
        where = " (Debian/Ubuntu: 'apt-get install ffmpeg')" if self.name in _DEBIAN else ""
        return f"install an ffmpeg that has {self.name}{where}"

    def encode(self, pcm: np.ndarray, *, rate: int, kbps: float, tail: int) -> bytes:
        output = {"c:a": self.name, "b:a": str(round(kbps * 1000)), **self.options, "fflags": "+bitexact", "flags:a": "+bitexact"}
        command = (
            ffmpeg.input("pipe:0", format="wav")
            .output("pipe:1", format=self.muxer, **output)
            .global_args("-hide_banner", "-loglevel", "error")
        )
        return encode_by_process(command.compile(), pcm, rate, tail + self.drops)
