"""Decode a bitstream to the samples of its clip: without the codec's delay, at the store's rate, as
long as the original.

PyAV decodes every format, and is always given the format. Where torchcodec is installed and loads,
it decodes the formats below: in one call without the interpreter lock, so that decoding scales over
threads. It cannot be given the format, so its guess is checked, and PyAV decodes where the guess is
wrong. Both give the same samples, to 1e-6. Neither needs torch to be installed; torchcodec does.
"""

import io
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version

import av
import numpy as np
import soundfile
import soxr

from streamaug import plugins
from streamaug.codecs.base import FLAC, Audio, Codec, Decoding
from streamaug.errors import CorruptError, PluginError

Decoder = Callable[[bytes, Decoding], Audio]
"""Decodes a bitstream of one of FFmpeg's formats, the delay still in, at the rate that the
bitstream has."""

TORCHCODEC_FORMATS: Mapping[str, frozenset[str]] = {
    "mp3": frozenset({"mp3", "mp2"}),
    "aac": frozenset({"aac"}),
    "ogg": frozenset({"opus", "vorbis"}),
    "sbc": frozenset({"sbc"}),
}
"""Demuxers whose bitstreams torchcodec decodes, with the codecs that it must recognise in them."""

_MARGIN = 256
"""Samples after the clip's end that the resampler may see, so that its filter does not ring there.
"""

_SHORTAGE = 2
"""Samples that may be missing at the end after resampling, whose rounding decides about one."""


def _renew_lock() -> None:
    """Give a forked process a lock of its own: a thread of its parent, which does not exist in it,
    may have held the one that soundfile opens every file under."""
    if hasattr(soundfile.SoundFile, "_sf_error_lock"):  # soundfile 0.14 and newer
        soundfile.SoundFile._sf_error_lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


def _flac(payload: bytes) -> Audio:
    with soundfile.SoundFile(io.BytesIO(payload)) as file:
        if file.format != "FLAC":
            raise ValueError(f"the format is {file.format}, not FLAC")
        samples = file.read(dtype="float32", always_2d=True)
        return Audio(samples=samples[:, 0], rate=file.samplerate)


def decode_pyav(payload: bytes, decoding: Decoding) -> Audio:
    """Decode with PyAV, the first channel of what comes out (HE-AAC in ADTS decodes to two equal
    ones)."""
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
    """Decode with torchcodec in one call without the interpreter lock, the first channel of what
    comes out.

    PyAV decodes what is in none of `TORCHCODEC_FORMATS`, what torchcodec takes for another format
    and what it cannot decode.
    """
    if decoding == FLAC:
        return _flac(payload)
    codecs = TORCHCODEC_FORMATS.get(decoding.demuxer or "")
    audio = _guessed_by_torchcodec(payload, decoding, codecs) if codecs else None
    return audio or decode_pyav(payload, decoding)


def _guessed_by_torchcodec(payload: bytes, decoding: Decoding, codecs: frozenset[str]) -> Audio | None:
    """What torchcodec decodes, or None where it fails or finds none of the codecs that the format
    can contain."""
    from torchcodec.decoders import AudioDecoder

    try:
        if decoding.demuxer == "sbc":
            # Nothing in raw SBC identifies it: FFmpeg goes by the ending of a file's name.
            with tempfile.NamedTemporaryFile(suffix=".sbc") as file:
                file.write(payload)
                file.flush()
                decoder = AudioDecoder(file.name)
                if decoder.metadata.codec not in codecs:
                    return None
                samples = decoder.get_all_samples()
        else:
            decoder = AudioDecoder(payload)
            if decoder.metadata.codec not in codecs:
                return None
            samples = decoder.get_all_samples()
    except (RuntimeError, ValueError):  # what it raises for bytes that it takes for another format
        return None
    return Audio(samples=samples.data[0].numpy(), rate=samples.sample_rate)


@cache
def default_decoder() -> Decoder:
    """`decode_torchcodec` where torchcodec is installed and loads, else `decode_pyav`."""
    try:
        import torchcodec.decoders  # noqa: F401  loading it is the test
    except (ImportError, RuntimeError, OSError):
        return decode_pyav
    return decode_torchcodec


@cache
def decoder_version() -> str:
    """Names what decodes on this machine, for caches of features: other versions may give other
    samples."""
    packages = ("torchcodec", "av") if default_decoder() is decode_torchcodec else ("av",)
    decoders = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{decoders}, soundfile {soundfile.__libsndfile_version__}, soxr {soxr.__version__}"


@cache  # looking through the installed packages takes longer than decoding a clip
def plugin_codec(name: str) -> Codec:
    """Return the codec that a plug-in announces.

    Args:
        name: Its name in the entry-point group `streamaug.codecs`.

    Raises:
        PluginError: No installed package announces it, or it cannot be imported.
    """
    if name not in plugins.names(plugins.CODECS):
        raise PluginError(f"codec '{name}' is decoded by a plug-in that is not installed; install the package that provides it")
    codec: Codec = plugins.find(plugins.CODECS, name)()
    return codec


def _decode_by_plugin(payload: bytes, name: str) -> Audio:
    audio = plugin_codec(name).decode(payload)
    if audio.samples.ndim != 1 or audio.samples.dtype != np.float32:
        raise PluginError(
            f"codec plug-in '{name}' decodes to {audio.samples.dtype} of shape {audio.samples.shape}; it must return float32 of shape "
            "(samples,)"
        )
    return audio


def resample(samples: np.ndarray, source: int, target: int) -> np.ndarray:
    """Bring samples of shape (samples,) from one rate to another with soxr; the dtype stays, and
    equal rates pass through.

    Args:
        samples: Of shape (samples,).
        source: Their sample rate in Hz.
        target: The rate of the result in Hz.
    """
    if source == target:
        return samples
    resampled: np.ndarray = soxr.resample(samples, source, target, quality="HQ")
    return resampled


def decode(payload: bytes, *, decoding: Decoding, rate: int, delay: int, samples: int, decoder: Decoder | None = None) -> np.ndarray:
    """Decode a clip: float32 of shape (samples,), sample-aligned with its original, nominally in
    [-1, 1].

    Args:
        payload: The bitstream.
        decoding: What decodes it.
        rate: Sample rate of the store in Hz; the result has this rate.
        delay: The codec's delay in samples at that rate; it is cut off the start.
        samples: Length of the clip in samples at that rate; what a codec adds at the end is cut
            off.
        decoder: For FFmpeg's formats. Default: torchcodec if it loads, else PyAV.

    Raises:
        CorruptError: The bytes cannot be decoded, or hold too few samples.
        PluginError: A plug-in decodes this codec, and it is not installed or does not load.
    """
    try:
        if decoding.demuxer is None:
            audio = _decode_by_plugin(payload, decoding.codec)
        else:
            audio = (decoder or default_decoder())(payload, decoding)
    except PluginError:
        raise
    except Exception as error:  # each decoder has its own kinds, all of them are about the bytes
        raise CorruptError(f"a bitstream '{decoding.codec}' of {len(payload)} bytes cannot be decoded: {error}") from error
    needed = -(-(delay + samples) * audio.rate // rate)
    decoded = resample(audio.samples[: needed + _MARGIN], audio.rate, rate)[delay : delay + samples]
    missing = samples - len(decoded)
    if missing > _SHORTAGE:
        raise CorruptError(f"a bitstream '{decoding.codec}' of {len(payload)} bytes holds {len(decoded)} samples of {samples}")
    return np.pad(decoded, (0, missing)) if missing else decoded
