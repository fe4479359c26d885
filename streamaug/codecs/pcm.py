"""Convert PCM, which goes between the steps of a chain (int16, or int32 with 24 bits
left-justified), and write it as FLAC."""

import hashlib
import io

import numpy as np
import soundfile

FLAC_EXTENSION = "flac"


def depth_of(pcm: np.ndarray) -> int:
    """Bits per sample: 16 or 24."""
    return 16 if pcm.dtype == np.int16 else 24


def to_float(pcm: np.ndarray) -> np.ndarray:
    """PCM as float32 in [-1, 1); exact for both depths.

    >>> to_float(np.array([-32768, 16384], np.int16))
    array([-1. ,  0.5], dtype=float32)
    """
    return pcm.astype(np.float32) / np.float32(32_768 if pcm.dtype == np.int16 else 2_147_483_648)


def to_float64(pcm: np.ndarray) -> np.ndarray:
    """PCM as float64 in [-1, 1), exactly; a float signal stays as it is.

    >>> to_float64(np.array([-32768, 16384], np.int16))
    array([-1. ,  0.5])
    """
    if pcm.dtype.kind == "f":
        return pcm.astype(np.float64, copy=False)
    return pcm / (32_768.0 if pcm.dtype == np.int16 else 2_147_483_648.0)


def to_pcm(signal: np.ndarray, depth: int) -> np.ndarray:
    """Round a float signal to PCM of 16 or 24 bits; values outside [-1, 1) are clipped, as a
    converter does.

    >>> to_pcm(np.array([-1.0, 0.5, 1.5]), 16)
    array([-32768,  16384,  32767], dtype=int16)
    """
    full = 1 << (depth - 1)
    rounded = np.clip(np.rint(np.asarray(signal, np.float64) * full), -full, full - 1)
    return rounded.astype(np.int16) if depth == 16 else rounded.astype(np.int32) << 8


def channels_of(signal: np.ndarray) -> int:
    """Channels of a signal of shape (samples,) or (channels, samples)."""
    return 1 if signal.ndim == 1 else len(signal)


def padded(signal: np.ndarray, before: int, after: int) -> np.ndarray:
    """A signal with silence around it.

    Args:
        signal: Of shape (samples,) or (channels, samples).
        before: Samples ahead of it.
        after: Samples at its end.

    >>> padded(np.ones((2, 1)), 1, 2).tolist()
    [[0.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]
    """
    widths = [(0, 0)] * (signal.ndim - 1) + [(before, after)]
    result: np.ndarray = np.pad(signal, widths)
    return result


def digest(pcm: np.ndarray) -> bytes:
    """sha256 of the depth and the samples, little-endian, channels interleaved: the same audio in
    other files has the same digest."""
    body = np.ascontiguousarray(pcm.T, pcm.dtype.newbyteorder("<"))
    return hashlib.sha256(b"%d" % depth_of(pcm) + body.tobytes()).digest()


def encode_flac(pcm: np.ndarray, rate: int) -> bytes:
    """A FLAC file; pcm of shape (samples,) or (channels, samples)."""
    sink = io.BytesIO()
    soundfile.write(sink, pcm.T, rate, format="FLAC", subtype=f"PCM_{depth_of(pcm)}")
    return sink.getvalue()


def flac_version() -> str:
    return f"soundfile {soundfile.__version__}, {soundfile.__libsndfile_version__}"
