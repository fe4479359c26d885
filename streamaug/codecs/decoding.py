"""From a bitstream to the samples of its clip: decoded, its delay cut, at the store's rate, as long as the original.

Two decoders give the same samples (to 1e-6). torchcodec decodes a clip in one call without the GIL and so scales over
threads; it needs the system's FFmpeg libraries. PyAV carries its own and goes frame by frame in Python.
"""

import io
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.metadata import version

import av
import numpy as np
import soundfile
import soxr

from streamaug.codecs.settings import load_settings
from streamaug.errors import CorruptError

Decoder = Callable[[bytes, str], tuple[np.ndarray, int]]
"""Takes a bitstream and its extension; gives float32 samples of shape (samples,) and their rate."""

_MARGIN = 256
"""Samples after the clip's end that the resampler may see, so that its filter does not ring there."""

_SHORTAGE = 2
"""Samples that may be missing at the end after resampling, whose rounding decides about one."""


@cache
def _demuxers() -> dict[str, str]:
    return {codec.extension: codec.demuxer for codec in load_settings().codecs.values()}


def _flac(payload: bytes) -> tuple[np.ndarray, int]:
    samples, rate = soundfile.read(io.BytesIO(payload), dtype="float32", always_2d=True)
    return samples[:, 0], rate


def decode_pyav(payload: bytes, extension: str) -> tuple[np.ndarray, int]:
    """Decode with PyAV, the first channel of what comes out (HE-AAC in ADTS decodes to two equal ones)."""
    if extension == "flac":
        return _flac(payload)
    with av.open(io.BytesIO(payload), mode="r", format=_demuxers()[extension]) as container:
        stream = container.streams.audio[0]
        pieces = []
        for frame in container.decode(stream):
            samples = frame.to_ndarray()
            pieces.append(samples[0] if frame.format.is_planar else samples[0, :: frame.layout.nb_channels])
        rate = stream.codec_context.sample_rate
    joined = np.concatenate(pieces)
    if joined.dtype.kind == "i":
        return joined.astype(np.float32) / np.float32(-float(np.iinfo(joined.dtype).min)), rate
    return joined.astype(np.float32, copy=False), rate


def decode_torchcodec(payload: bytes, extension: str) -> tuple[np.ndarray, int]:
    """Decode with torchcodec in one call without the GIL, the first channel of what comes out."""
    from torchcodec.decoders import AudioDecoder

    if extension == "flac":
        return _flac(payload)
    if extension == "sbc":
        # Raw SBC has no mark to be known by: FFmpeg goes by the ending of a file's name.
        with tempfile.NamedTemporaryFile(suffix=".sbc") as file:
            file.write(payload)
            file.flush()
            samples = AudioDecoder(file.name).get_all_samples()
    else:
        samples = AudioDecoder(payload).get_all_samples()
    return samples.data[0].numpy(), samples.sample_rate


@cache
def default_decoder() -> Decoder:
    """torchcodec where it loads, else PyAV."""
    try:
        import torchcodec.decoders  # noqa: F401  loading it is the test
    except (ImportError, RuntimeError, OSError):
        return decode_pyav
    return decode_torchcodec


@cache
def decoder_version() -> str:
    """Names what decodes here, for caches of what was made from its samples."""
    package = "torchcodec" if default_decoder() is decode_torchcodec else "av"
    return f"{package} {version(package)}, soundfile {soundfile.__libsndfile_version__}, soxr {soxr.__version__}"


def resample(samples: np.ndarray, source: int, target: int) -> np.ndarray:
    """Bring samples of shape (samples,) from one rate to another with soxr; the dtype stays, and equal rates pass through."""
    if source == target:
        return samples
    resampled: np.ndarray = soxr.resample(samples, source, target, quality="HQ")
    return resampled


def decode(payload: bytes, *, extension: str, rate: int, lag: int, frames: int, decoder: Decoder | None = None) -> np.ndarray:
    """Samples of a clip, lying on its original to the sample.

    extension: of the bitstream's member. rate: samples a second wanted, the store's. lag: delay to cut, in samples at
    that rate. frames: samples wanted; what a codec adds at the end is cut.
    Returns float32 of shape (frames,), nominally in [-1, 1] (a decoder may overshoot).
    Raises CorruptError for bytes that cannot be decoded, or that hold too little.
    """
    try:
        samples, own_rate = (decoder or default_decoder())(payload, extension)
    except Exception as error:  # each decoder has its own kinds, all of them mean the bytes
        raise CorruptError(f"a bitstream '{extension}' of {len(payload)} bytes cannot be decoded: {error}") from error
    needed = -(-(lag + frames) * own_rate // rate)
    samples = resample(samples[: needed + _MARGIN], own_rate, rate)[lag : lag + frames]
    missing = frames - len(samples)
    if missing > _SHORTAGE:
        raise CorruptError(f"a bitstream '{extension}' of {len(payload)} bytes holds {len(samples)} samples of {frames}")
    return np.pad(samples, (0, missing)) if missing else samples
