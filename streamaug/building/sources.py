"""Read the audio files that a table of clips names."""

import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import soundfile

from streamaug.codecs.decoding import resample
from streamaug.codecs.pcm import to_float, to_pcm
from streamaug.errors import ClipsError, FetchError, StoreError
from streamaug.store.folder import Folder

_DEPTHS = {"PCM_24": 24, "PCM_32": 24, "FLOAT": 24, "DOUBLE": 24, "ALAC_24": 24, "ALAC_32": 24}
"""Bits per sample that `original` keeps of a source's sample format; any other keeps 16."""

_RATE_FILES = 256
"""Files that are opened to find the most common sample rate."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A decoded source.

    Args:
        pcm: Mono at the store's rate, integers of shape (samples,).
        rate: Sample rate of the file in Hz.
        channels: Channels of the file.
        padding: Samples at the store's rate that were added at the end; negative: that were cut.
    """

    pcm: np.ndarray
    rate: int
    channels: int
    padding: int = 0


def _read(path: str) -> bytes:
    parent, _, name = path.rpartition("/")
    try:
        folder = Folder.at(parent or "/")
        return folder.read(name)
    except FileNotFoundError:
        raise ClipsError("missing; correct its path or remove it from the table") from None
    except StoreError as error:
        raise ClipsError(f"unreadable: {error}") from error
    except FetchError as error:
        if folder.is_local or isinstance(error.__cause__, PermissionError):
            raise ClipsError(f"unreadable: {error.__cause__}; restore it or remove it from the table") from error
        raise  # a failing server does not make the file a bad one


def load(path: str, rate: int, samples: int | None = None) -> Source:
    """Read a WAV, FLAC, Ogg or MP3 file of any rate, depth and channel count as mono at one rate.

    Args:
        path: Local path or fsspec URL.
        rate: Sample rate in Hz to resample to.
        samples: Length at that rate; longer files are cut, shorter ones padded with silence.
            Default: the file's own length.

    Raises:
        ClipsError: What is wrong with the file, without its name.
        FetchError: A remote file cannot be read at the moment.
    """
    data = _read(path)
    if not data:
        raise ClipsError("empty (0 bytes); restore it or remove it from the table")
    if data[:4] == b"RIFF" and len(data) >= 8:
        size = int.from_bytes(data[4:8], "little") + 8
        # Programs that write into a pipe leave the size open: 0 or all ones.
        if len(data) < size and size not in (8, 0xFFFFFFFF + 8):
            raise ClipsError(f"truncated: {len(data)} bytes of {size}; restore it or remove it from the table")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            own_rate, channels, depth, length = file.samplerate, file.channels, _DEPTHS.get(file.subtype, 16), file.frames
            exact = file.subtype in ("PCM_16", "PCM_24") and channels == 1 and own_rate == rate
            dtype = "float64" if not exact else "int16" if depth == 16 else "int32"
            signal = file.read(dtype=dtype, always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, ValueError) as error:
        # The exception's own text names the buffer by an address that differs from run to run.
        reason = error.error_string if isinstance(error, soundfile.LibsndfileError) else error
        raise ClipsError(f"unreadable as audio: {reason}; convert it to WAV or FLAC, or remove it from the table") from error
    if not len(signal):
        raise ClipsError("no samples; restore it or remove it from the table")
    if len(signal) < length:
        raise ClipsError(f"truncated: {len(signal)} samples of {length}; restore it or remove it from the table")
    if not np.isfinite(signal).all():
        raise ClipsError("NaN or infinite samples; repair it or remove it from the table")
    pcm = signal[:, 0] if exact else to_pcm(resample(signal.mean(1), own_rate, rate), depth)
    padding = 0 if samples is None else samples - len(pcm)
    pcm = np.pad(pcm, (0, padding)) if padding > 0 else pcm[:samples]
    return Source(pcm=pcm, rate=own_rate, channels=channels, padding=padding)


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What a worker needs of a clip, besides its audio.

    Args:
        clip: Its row of the clips table, without the store's own columns.
        sha256: Hash of the PCM that the check of the sources saw.
    """

    clip: Mapping[str, Any]
    sha256: bytes

    @property
    def clip_id(self) -> str:
        return str(self.clip["clip_id"])


@dataclass(frozen=True, kw_only=True)
class Originals:
    """The audio of clips by clip_id, as the condition `original` holds it.

    Args:
        paths: Audio file of each clip.
        rate: Sample rate of the store in Hz.
        samples: Length of each clip.
    """

    paths: Mapping[str, str]
    rate: int
    samples: int

    def select(self, clip_ids: Iterable[str]) -> "Originals":
        """The audio of some of the clips."""
        return replace(self, paths={clip_id: self.paths[clip_id] for clip_id in clip_ids})

    def pcm(self, clip_id: str) -> np.ndarray:
        """Integers of shape (samples,).

        Raises:
            ClipsError: The file cannot be used; names the clip.
            FetchError: A remote file cannot be read at the moment.
        """
        path = self.paths[clip_id]
        try:
            return load(path, self.rate, self.samples).pcm
        except ClipsError as error:
            raise ClipsError(f"clip '{clip_id}' ({path}): {error}") from error

    def signal(self, clip_id: str) -> np.ndarray:
        """Float32 of shape (samples,) in [-1, 1), as effects get it; errors as for `pcm`."""
        return to_float(self.pcm(clip_id))


def common_rate(paths: list[str]) -> int:
    """The most common sample rate in Hz of up to 256 files spread over the list.

    Raises:
        ClipsError: None of these files can be read.
    """
    rates: Counter[int] = Counter()
    for path in paths[:: max(1, len(paths) // _RATE_FILES)]:
        try:
            rates[soundfile.info(io.BytesIO(_read(path))).samplerate] += 1
        except (ClipsError, soundfile.SoundFileError, RuntimeError):
            continue
    if not rates:
        raise ClipsError(
            f"none of the audio files could be read to find the sample rate (the first is '{paths[0]}'); check the column 'path'"
        )
    return rates.most_common(1)[0][0]
