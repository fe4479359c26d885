"""Encode with the program fdkaac, which makes HE-AAC."""

import re
import shutil
import subprocess
from functools import cache

import numpy as np

from streamaug.codecs.encoders.adapter import AdapterEncoder
from streamaug.codecs.encoders.process import encode_by_process


@cache
def version() -> str | None:
    """`fdkaac 1.0.0`, or None where the program is not installed."""
    if shutil.which("fdkaac") is None:
        return None
    process = subprocess.run(["fdkaac", "-h"], capture_output=True, text=True, check=False, timeout=30)
    match = re.search(r"fdkaac \S+", process.stdout + process.stderr)
    return match.group() if match else "fdkaac of unknown version"


class FdkAacEncoder(AdapterEncoder):
    """fdkaac; the options are its long options. It writes ADTS."""

    adapter = "fdkaac"

    @property
    def version(self) -> str | None:
        return version()

    @property
    def install_hint(self) -> str:
        return (
            "install fdkaac (Debian/Ubuntu: 'apt-get install fdkaac' with contrib and non-free, or multiverse; "
            "macOS: 'brew install fdk-aac-encoder')"
        )

    def encode(self, pcm: np.ndarray, *, rate: int, kbps: float, tail: int) -> bytes:
        options = [part for name, value in self.options.items() for part in (f"--{name}", value)]
        command = ["fdkaac", "--silent", *options, "--bitrate", str(round(kbps * 1000)), "--transport-format", "2", "-o", "-", "-"]
        return encode_by_process(command, pcm, rate, tail + self.drops)
