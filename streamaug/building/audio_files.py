"""Decode an audio file block by block, to its end: with libsndfile, or with FFmpeg where libsndfile
does not read the format or not all of the sound."""

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import av
import numpy as np
import soundfile

from streamaug.building.containers import Container, Data
from streamaug.codecs.demuxers import FOUND
from streamaug.codecs.pcm import to_float64
from streamaug.errors import ClipsError

_BLOCK = 1 << 16
"""Samples of all channels that are decoded at a time."""

_DEPTHS = {"PCM_24": 24, "PCM_32": 24, "FLOAT": 24, "DOUBLE": 24, "ALAC_24": 24, "ALAC_32": 24}
"""Bits per sample that `original` keeps of libsndfile's sample formats; any other keeps 16."""

_INTEGERS = {"PCM_16": "int16", "PCM_24": "int32"}
"""Sample formats that are read as they are, as integers."""

_SEEKABLE = frozenset(("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"))
"""Sample formats, those of FLAC among them, that can be decoded from any sample on: the result does
not depend on the sound before it."""

_UNKNOWN_FORMAT, _UNKNOWN_ENCODING = 1, 4
"""libsndfile's codes of errors about files that are not for it."""

_CAUSES = {
    "SF_INFO struct incomplete": "its header has no sample rate, or one that no recording has",
    "flac decoder": "truncated or damaged FLAC",
}
"""What errors of libsndfile mean, by a part of their text."""

_LENGTH_UNKNOWN = 1 << 60
"""libsndfile gives a larger number of samples where a header does not say it."""


@dataclass(frozen=True, kw_only=True)
class AudioFile:
    """An audio file that is open.

    Args:
        rate: Sample rate in Hz.
        channels: Number of channels.
        depth: Bits per sample that `original` keeps: 16 or 24.
        length: Samples per channel that the header says, or None.
        blocks: The sound, in arrays of shape (samples, channels): int16, int32 with 24 bits
            left-justified, or float64 with full scale at 1.
        blocks_from: Gives the sound from a sample on, exactly as `blocks` does; None where only
            decoding from the start is exact.
    """

    rate: int
    channels: int
    depth: int
    length: int | None
    blocks: Iterator[np.ndarray]
    blocks_from: Callable[[int], Iterator[np.ndarray]] | None = None


@contextmanager
def open_audio(container: Container) -> Iterator[AudioFile]:
    """Open an audio file; errors of the libraries become `ClipsError`, while it is read, too.

    Args:
        container: What to decode.

    Raises:
        ClipsError: It cannot be decoded; says why, without the file's name.
    """
    with audio_errors(), ExitStack() as stack:
        parts = [stack.enter_context(_open_part(part, container)) for part in container.parts]
        yield parts[0] if len(parts) == 1 else _joined(parts)


@contextmanager
def audio_errors() -> Iterator[None]:
    """Turn errors of the libraries into `ClipsError`."""
    try:
        yield
    except (soundfile.SoundFileError, av.FFmpegError, RuntimeError, ValueError) as error:
        raise ClipsError(f"unreadable as audio: {_reason(error)}; convert it to WAV or FLAC, or remove it from the table") from error


def _reason(error: Exception) -> str:
    # The exceptions' own texts name the buffer, by an address that differs from run to run.
    if isinstance(error, soundfile.LibsndfileError):
        causes = [cause for text, cause in _CAUSES.items() if text in error.error_string]
        return f"{causes[0]} ({error.error_string})" if causes else str(error.error_string)
    return (isinstance(error, av.FFmpegError) and error.strerror) or str(error)


def _joined(parts: list[AudioFile]) -> AudioFile:
    first = parts[0]
    if any((part.rate, part.channels) != (first.rate, first.channels) for part in parts):
        raise _changing_format()
    lengths = [part.length for part in parts]
    return AudioFile(
        rate=first.rate,
        channels=first.channels,
        depth=max(part.depth for part in parts),
        length=None if None in lengths else sum(length for length in lengths if length),
        blocks=chain.from_iterable(part.blocks for part in parts),
    )


def _changing_format() -> ClipsError:
    return ClipsError("its sample rate or channels change in the middle; convert it to WAV or FLAC, or remove it from the table")


@contextmanager
def _open_part(data: Data, container: Container) -> Iterator[AudioFile]:
    unknown = None
    if container.reader == "soundfile":
        try:
            file = _Sequential(_as_file(data))
        except soundfile.LibsndfileError as error:
            if error.code not in (_UNKNOWN_FORMAT, _UNKNOWN_ENCODING):
                raise
            unknown = error
        else:
            with file:
                yield _from_soundfile(file)
            return
    with ExitStack() as stack:
        try:
            audio = stack.enter_context(_open_pyav(data, container.demuxer))
        except av.FFmpegError as error:
            raise unknown or error from error  # of bytes that are no audio, libsndfile says so
        yield audio


class _Bytes(io.BytesIO):
    """Bytes that libsndfile reads. In a broken file it may seek to before the start, and Python
    would print a traceback about that."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return super().seek(max(0, offset) if whence == io.SEEK_SET else offset, whence)


class _Mapped(io.RawIOBase):
    """A file that is mapped into memory, to be read from any place without a copy of it."""

    def __init__(self, data: Data) -> None:
        self._view, self._at = memoryview(data), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._view[self._at : self._at + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._view)}[whence])
        return self._at

    def tell(self) -> int:
        return self._at


def _as_file(data: Data) -> io.IOBase:
    return _Bytes(data) if isinstance(data, bytes) else _Mapped(data)


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no type hints
    """A sound file that is read from its start to its end. soundfile seeks after each read where it
    can, which resets decoders that depend on the past."""

    def seekable(self) -> bool:
        return False


def _from_soundfile(file: soundfile.SoundFile) -> AudioFile:
    return AudioFile(
        rate=file.samplerate,
        channels=file.channels,
        depth=_DEPTHS.get(file.subtype, 16),
        length=file.frames if file.frames < _LENGTH_UNKNOWN else None,
        blocks=_soundfile_blocks(file),
        blocks_from=partial(_soundfile_blocks, file) if file.subtype in _SEEKABLE else None,
    )


def _soundfile_blocks(file: soundfile.SoundFile, start: int | None = None) -> Iterator[np.ndarray]:
    if start is not None:
        file.seek(start)
    dtype = _INTEGERS.get(file.subtype, "float64")
    size = max(1, _BLOCK // file.channels)
    while len(block := file.read(size, dtype=dtype, always_2d=True)):
        yield block


@contextmanager
def _open_pyav(data: Data, demuxer: str | None) -> Iterator[AudioFile]:
    with av.open(_as_file(data), mode="r", format=demuxer, options={"format_whitelist": ",".join(FOUND)}) as container:
        if not container.streams.audio:
            raise ClipsError("no sound in it; remove it from the table")
        stream = container.streams.audio[0]
        frames = container.decode(stream)
        first = next(frames, None)
        if first is None:
            raise ClipsError("no samples; restore it or remove it from the table")
        # MP4 says how much of the last frame is sound; the rest is the encoder's padding.
        length = None
        if "mp4" in container.format.name and stream.duration and stream.time_base:
            length = round(stream.duration * stream.time_base * first.sample_rate)
        is_exact = stream.codec_context.codec.lossless and not stream.codec_context.codec.lossy
        yield AudioFile(
            rate=first.sample_rate,
            channels=first.layout.nb_channels,
            depth=24 if is_exact and first.format.bytes > 2 else 16,
            length=None,
            blocks=_pyav_blocks(chain([first], frames), length),
        )


def _pyav_blocks(frames: Iterator[av.AudioFrame], length: int | None) -> Iterator[np.ndarray]:
    """The frames, joined to larger blocks; the last frame is cut where the sound of this length
    ends."""
    kind, pieces, joined, count = None, list[np.ndarray](), 0, 0
    for frame in frames:
        if kind not in (None, (frame.sample_rate, frame.layout.nb_channels)):
            raise _changing_format()
        kind = (frame.sample_rate, frame.layout.nb_channels)
        if joined >= _BLOCK:
            yield np.concatenate(pieces)
            pieces, joined = [], 0
        pieces.append(_piece(frame))
        joined, count = joined + len(pieces[-1]), count + len(pieces[-1])
    excess = count - length if length else 0
    if 0 < excess < len(pieces[-1]):
        pieces[-1] = pieces[-1][:-excess]
    yield np.concatenate(pieces)


def _piece(frame: av.AudioFrame) -> np.ndarray:
    values = frame.to_ndarray()
    piece = values.T if frame.format.is_planar else values.reshape(-1, frame.layout.nb_channels)
    if piece.dtype == np.uint8:
        return (piece.astype(np.float64) - 128) / 128
    # 32 bits are more than a store keeps; int32 would be taken for 24 bits.
    return piece if piece.dtype == np.int16 else to_float64(piece)
