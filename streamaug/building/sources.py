"""Read the audio files that a table of clips names."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from streamaug.building.audio_files import open_audio
from streamaug.building.containers import examine
from streamaug.building.containers.base import truncated_error
from streamaug.building.mixdown import MixDown
from streamaug.building.reading import Reading
from streamaug.codecs.decoding import resample
from streamaug.codecs.pcm import to_float64, to_pcm
from streamaug.errors import ClipsError, FetchError, StoreError
from streamaug.store.folder import Folder

LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000
"""Sample rates in Hz that a header can be right about."""

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
        lost_db: What the mean of the channels lost because they cancel, in dB; see `MixDown`.
        dead_channels: Names of channels that were taken and hold no sound, or "".
        unread: Bytes after the sound that belong to nothing that the header names.
    """

    pcm: np.ndarray
    rate: int
    channels: int
    padding: int = 0
    lost_db: float = 0.0
    dead_channels: str = ""
    unread: int = 0


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


def load(path: str, reading: Reading) -> Source:
    """Read an audio file of any format, rate, depth and channel count as mono at one rate.

    Args:
        path: Local path or fsspec URL.
        reading: The rate and length to bring it to, and which channel to take.

    Raises:
        ClipsError: What is wrong with the file, without its name.
        FetchError: A remote file cannot be read at the moment.
    """
    data = _read(path)
    if not data:
        raise ClipsError("empty (0 bytes); restore it or remove it from the table")
    container = examine(data)
    with open_audio(container) as audio:
        _check_rate(audio.rate)
        _check_length(audio.length or 0, audio.rate, reading.longest)
        mix = MixDown(audio.channels, reading.channel)
        for block in audio.blocks:
            mix.add(block)
            _check_length(mix.samples, audio.rate, reading.longest)
    if not mix.samples:
        raise ClipsError("no samples; restore it or remove it from the table")
    if audio.length and mix.samples < audio.length:
        raise truncated_error(f"{mix.samples} samples of {audio.length} that its header promises")
    mono = mix.mono()
    if mono.dtype.kind == "f" or audio.rate != reading.rate:
        pcm = to_pcm(resample(to_float64(mono), audio.rate, reading.rate), audio.depth)
    else:
        pcm = mono
    if not len(pcm):
        raise ClipsError(f"no samples: {mix.samples} at {audio.rate} Hz are none at {reading.rate} Hz; remove it from the table")
    padding = 0 if reading.samples is None else reading.samples - len(pcm)
    return Source(
        pcm=np.pad(pcm, (0, padding)) if padding > 0 else pcm[: reading.samples],
        rate=audio.rate,
        channels=audio.channels,
        padding=padding,
        lost_db=mix.lost_db,
        dead_channels=mix.dead_channels,
        unread=container.unread,
    )


def _check_rate(rate: int) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ClipsError(
            f"its header says a sample rate of {rate} Hz, which no recording has (at least {LOWEST_RATE}, at most {HIGHEST_RATE}); "
            "correct the header or remove it from the table"
        )


def _check_length(samples: int, rate: int, longest: float) -> None:
    if samples > longest * rate:
        raise ClipsError(
            f"has {samples / rate:.1f} s of sound or more, and {longest:g} s is the longest that is read; "
            "cut it, or allow longer ones with --longest"
        )


def common_rate(paths: list[str]) -> int:
    """The most common sample rate in Hz of up to 256 files spread over the list.

    Raises:
        ClipsError: None of these files can be read.
    """
    rates: Counter[int] = Counter()
    problem = ""
    spread = paths[:: max(1, len(paths) // _RATE_FILES)]
    for path in spread:
        try:
            with open_audio(examine(_read(path))) as audio:
                _check_rate(audio.rate)
                rates[audio.rate] += 1
                if 2 * rates[audio.rate] > len(spread):
                    break  # whatever the others have
        except ClipsError as error:
            problem = problem or f"'{path}': {error}"
    if not rates:
        raise ClipsError(f"none of the audio files could be read to find the sample rate; check the column 'path'; {problem}")
    return rates.most_common(1)[0][0]
