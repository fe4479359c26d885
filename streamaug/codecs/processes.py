"""Encoding by programs beside this one: fdkaac, and a user's own ffmpeg for encoders that PyAV's build lacks."""

import io
import re
import shutil
import subprocess
import wave
from functools import cache

import ffmpeg
import numpy as np

from streamaug.codecs.settings import EncoderChoice
from streamaug.errors import EncoderError

_TIMEOUT = 600
"""Seconds after which an encoder's process counts as hung."""


def _wav(pcm: np.ndarray, rate: int) -> bytes:
    """A mono WAV file of int16 samples, or of 24 bits out of int32."""
    sink = io.BytesIO()
    with wave.open(sink, "wb") as file:
        file.setnchannels(1)
        file.setframerate(rate)
        file.setsampwidth(2 if pcm.dtype == np.int16 else 3)
        if pcm.dtype == np.int16:
            file.writeframes(pcm.astype("<i2").tobytes())
        else:
            file.writeframes(np.ascontiguousarray(pcm.astype("<i4").view(np.uint8).reshape(-1, 4)[:, 1:]).tobytes())
    return sink.getvalue()


def _run(command: list[str], given: bytes) -> bytes:
    try:
        done = subprocess.run(command, input=given, capture_output=True, check=False, timeout=_TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EncoderError(f"{command[0]}: {error}") from error
    if done.returncode != 0 or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise EncoderError(f"{' '.join(command)}: exit code {done.returncode}: {said[-1] if said else 'nothing came out'}")
    return done.stdout


@cache
def fdkaac_version() -> str | None:
    """`fdkaac 1.0.0`, or None where the program is missing."""
    if shutil.which("fdkaac") is None:
        return None
    told = subprocess.run(["fdkaac", "-h"], capture_output=True, text=True, check=False, timeout=30)
    found = re.search(r"fdkaac \S+", told.stdout + told.stderr)
    return found.group() if found else "fdkaac of unknown version"


def encode_fdkaac(pcm: np.ndarray, *, choice: EncoderChoice, rate: int, kbps: float, tail: int) -> bytes:
    """Code a mono signal as ADTS with fdkaac; arguments are its long options. Parameters as in `pyav.encode`. Raises EncoderError."""
    options = [part for name, value in choice.arguments.items() for part in (f"--{name}", value)]
    command = ["fdkaac", "--silent", *options, "--bitrate", str(round(kbps * 1000)), "--transport-format", "2", "-o", "-", "-"]
    return _run(command, _wav(np.pad(pcm, (0, tail)), rate))


@cache
def ffmpeg_version() -> str | None:
    """`ffmpeg 7.1`, or None where the program is missing."""
    if shutil.which("ffmpeg") is None:
        return None
    told = subprocess.run(["ffmpeg", "-hide_banner", "-version"], capture_output=True, text=True, check=False, timeout=30)
    found = re.match(r"ffmpeg version (\S+)", told.stdout)
    return f"ffmpeg {found[1]}" if found else "ffmpeg of unknown version"


@cache
def ffmpeg_encoders() -> frozenset[str]:
    """Names of the encoders that the user's ffmpeg has."""
    if ffmpeg_version() is None:
        return frozenset()
    told = subprocess.run(["ffmpeg", "-hide_banner", "-encoders"], capture_output=True, text=True, check=False, timeout=30)
    return frozenset(re.findall(r"^ A\S+ +(\S+)", told.stdout, re.MULTILINE))


def encode_ffmpeg(pcm: np.ndarray, *, choice: EncoderChoice, rate: int, kbps: float, tail: int) -> bytes:
    """Code a mono signal with the user's ffmpeg; arguments are its output options. Parameters as in `pyav.encode`. Raises EncoderError."""
    output = {"c:a": choice.encoder, "b:a": str(round(kbps * 1000)), **choice.arguments, "fflags": "+bitexact", "flags:a": "+bitexact"}
    command = (
        ffmpeg.input("pipe:0", format="wav")
        .output("pipe:1", format=choice.muxer, **output)
        .global_args("-hide_banner", "-loglevel", "error")
    )
    return _run(command.compile(), _wav(np.pad(pcm, (0, tail)), rate))
