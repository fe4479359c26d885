"""Run an encoder as a process: a WAV file goes in, its bitstream comes out."""

import io
import subprocess
import wave

import numpy as np

from streamaug.codecs.pcm import channels_of, padded
from streamaug.errors import EncoderError

_TIMEOUT_S = 600
"""Seconds after which an encoder's process counts as hung."""


def encode_by_process(command: list[str], pcm: np.ndarray, rate: int, tail: int) -> bytes:
    """Return what a command writes to its standard output for a signal on its standard input.

    Args:
        command: Program and arguments.
        pcm: int16, or int32 with 24 bits left-justified, of shape (samples,) or (channels, samples).
        rate: Sample rate in Hz.
        tail: Samples of silence after the signal.

    Raises:
        EncoderError: The program cannot be started, fails, hangs or writes nothing.
    """
    try:
        process = subprocess.run(command, input=_wav(padded(pcm, 0, tail), rate), capture_output=True, check=False, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EncoderError(f"{command[0]}: {error}") from error
    if process.returncode != 0 or not process.stdout:
        lines = process.stderr.decode(errors="replace").strip().splitlines()
        raise EncoderError(f"{' '.join(command)}: exit code {process.returncode}: {lines[-1] if lines else 'no output'}")
    return process.stdout


def _wav(pcm: np.ndarray, rate: int) -> bytes:
    """A WAV file of int16 samples, or of 24 bits out of int32."""
    interleaved = pcm.T.ravel()
    sink = io.BytesIO()
    with wave.open(sink, "wb") as file:
        file.setnchannels(channels_of(pcm))
        file.setframerate(rate)
        file.setsampwidth(2 if pcm.dtype == np.int16 else 3)
        if pcm.dtype == np.int16:
            file.writeframes(interleaved.astype("<i2").tobytes())
        else:
            file.writeframes(np.ascontiguousarray(interleaved.astype("<i4").view(np.uint8).reshape(-1, 4)[:, 1:]).tobytes())
    return sink.getvalue()
