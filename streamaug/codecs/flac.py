"""Decode FLAC, all of it or a part: its blocks do not depend on one another.

Where miniaudio is installed, it decodes: the same samples as soundfile's, in two thirds of the time.
"""

import io
import os
import threading
from importlib.metadata import version

import numpy as np
import soundfile

from streamaug.codecs.base import FLAC, Decoding

try:
    import miniaudio
except ImportError:  # it has no wheel for this machine
    miniaudio = None


def _renew_lock() -> None:
    """Give a forked process a lock of its own: a thread of its parent, which does not exist in it,
    may have held the one that soundfile opens every file under."""
    if hasattr(soundfile.SoundFile, "_sf_error_lock"):  # soundfile 0.14 and newer
        soundfile.SoundFile._sf_error_lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


def is_flac(decoding: Decoding) -> bool:
    """Whether the bitstreams are FLAC, which has a decoder of its own."""
    return (decoding.codec, decoding.demuxer) == (FLAC.codec, FLAC.demuxer)


def flac_decoder() -> str:
    """Name and version of what decodes FLAC on this machine."""
    return f"soundfile {soundfile.__libsndfile_version__}" if miniaudio is None else f"miniaudio {version('miniaudio')}"


def decode_flac(payload: bytes, start: int = 0, stop: int | None = None) -> tuple[np.ndarray, int]:
    """Decode all channels: float32 of shape (channels, samples), and the sample rate in Hz.

    Args:
        payload: The bitstream.
        start: First sample.
        stop: The sample after the last. Default: to the end. There are fewer where the bitstream
            ends before.

    Raises:
        Exception: What the decoder raises, if the bytes are not FLAC.
    """
    if payload[:4] != b"fLaC":
        raise ValueError("the format is not FLAC")
    if miniaudio is None:
        with soundfile.SoundFile(io.BytesIO(payload)) as file:
            file.seek(min(start, file.frames))
            samples = file.read(-1 if stop is None else stop - start, dtype="float32", always_2d=True)
            return samples.T, file.samplerate
    if stop is None:
        sound = miniaudio.flac_read_f32(payload)
        return np.frombuffer(sound.samples, np.float32).reshape(-1, sound.nchannels).T[:, start:], sound.sample_rate
    library, ffi = miniaudio.lib, miniaudio.ffi
    flac = library.ma_dr_flac_open_memory(payload, len(payload), ffi.NULL)
    if not flac:
        raise ValueError("its header cannot be read")
    try:
        samples = np.empty((stop - start, flac.channels), np.float32)
        count = 0
        if not start or library.ma_dr_flac_seek_to_pcm_frame(flac, start):
            count = library.ma_dr_flac_read_pcm_frames_f32(flac, stop - start, ffi.from_buffer("float *", samples))
        return samples[:count].T, flac.sampleRate
    finally:
        library.ma_dr_flac_close(flac)
