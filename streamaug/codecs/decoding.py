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

from streamaug.codecs.base import FLAC, Audio, Decoding
from streamaug.errors import CorruptError

Decoder = Callable[[bytes, Decoding], Audio]
"""Decodes a bitstream, its delay still in, at the rate that the bitstream has."""

_MARGIN = 256
"""Samples after the clip's end that the resampler may see, so that its filter does not ring there."""

_SHORTAGE = 2
"""Samples that may be missing at the end after resampling, whose rounding decides about one."""


def _flac(payload: bytes) -> Audio:
    samples, rate = soundfile.read(io.BytesIO(payload), dtype="float32", always_2d=True)
    return Audio(samples=samples[:, 0], rate=rate)


def decode_pyav(payload: bytes, decoding: Decoding) -> Audio:
    """Decode with PyAV, the first channel of what comes out (HE-AAC in ADTS decodes to two equal ones)."""
    if decoding == FLAC:
        return _flac(payload)
    with av.open(io.BytesIO(payload), mode="r", format=decoding.demuxer) as container:
        stream = container.streams.audio[0]
        pieces = []
        for frame in container.decode(stream):
            samples = frame.to_ndarray()
            pieces.append(samples[0] if frame.format.is_planar else samples[0, :: frame.layout.nb_channels])
        rate = stream.codec_context.sample_rate
    joined = np.concatenate(pieces)
    if joined.dtype.kind == "i":
        return Audio(samples=joined.astype(np.float32) / np.float32(-float(np.iinfo(joined.dtype).min)), rate=rate)
    return Audio(samples=joined.astype(np.float32, copy=False), rate=rate)


def decode_torchcodec(payload: bytes, decoding: Decoding) -> Audio:
    """Decode with torchcodec in one call without the GIL, the first channel of what comes out."""
    from torchcodec.decoders import AudioDecoder

    if decoding == FLAC:
        return _flac(payload)
    if decoding.demuxer == "sbc":
        # Raw SBC has no mark to be known by: FFmpeg goes by the ending of a file's name.
        with tempfile.NamedTemporaryFile(suffix=".sbc") as file:
            file.write(payload)
            file.flush()
            samples = AudioDecoder(file.name).get_all_samples()
    else:
        samples = AudioDecoder(payload).get_all_samples()
    return Audio(samples=samples.data[0].numpy(), rate=samples.sample_rate)


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


def decode(payload: bytes, *, decoding: Decoding, rate: int, delay: int, samples: int, decoder: Decoder | None = None) -> np.ndarray:
    """Samples of a clip, lying on its original to the sample.

    decoding: what decodes it. rate: samples a second wanted, the store's. delay: delay to cut, in samples at
    that rate. samples: the number wanted; what a codec adds at the end is cut.
    Returns float32 of shape (samples,), nominally in [-1, 1] (a decoder may overshoot).
    Raises CorruptError for bytes that cannot be decoded, or that hold too little.
    """
    try:
        audio = (decoder or default_decoder())(payload, decoding)
    except Exception as error:  # each decoder has its own kinds, all of them mean the bytes
        raise CorruptError(f"a bitstream '{decoding.codec}' of {len(payload)} bytes cannot be decoded: {error}") from error
    needed = -(-(delay + samples) * audio.rate // rate)
    decoded = resample(audio.samples[: needed + _MARGIN], audio.rate, rate)[delay : delay + samples]
    missing = samples - len(decoded)
    if missing > _SHORTAGE:
        raise CorruptError(f"a bitstream '{decoding.codec}' of {len(payload)} bytes holds {len(decoded)} samples of {samples}")
    return np.pad(decoded, (0, missing)) if missing else decoded
