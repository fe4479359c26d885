"""Run an encoder as a process: a WAV file goes in, its bitstream comes out."""

import io
import subprocess
import wave

import numpy as np

from streamaug.errors import EncoderError

_TIMEOUT_S = 600
"""Seconds after which an encoder's process counts as hung."""


def encode_by_process(command: list[str], pcm: np.ndarray, rate: int, tail: int) -> bytes:
    """Return what a command writes to its standard output for a mono signal on its standard input.

    Args:
        command: Program and arguments.
        pcm: int16, or int32 with 24 bits left-justified, of shape (samples,).
        rate: Sample rate in Hz.
        tail: Samples of silence after the signal.

    Raises:
        EncoderError: The program cannot be started, fails, hangs or writes nothing.
    """
    try:
        process = subprocess.run(command, input=_wav(np.pad(pcm, (0, tail)), rate), capture_output=True, check=False, timeout=_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EncoderError(f"{command[0]}: {error}") from error
    if process.returncode != 0 or not process.stdout:
        lines = process.stderr.decode(errors="replace").strip().splitlines()
        raise EncoderError(f"{' '.join(command)}: exit code {process.returncode}: {lines[-1] if lines else 'no output'}")
    return process.stdout


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
