"""Read the clips that a table names: audio files, and excerpts of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from streamaug.building.audio_files import AudioFile, open_audio
from streamaug.building.containers import Container, examine
from streamaug.building.containers.base import truncated_error
from streamaug.building.excerpts import Excerpt
from streamaug.building.mixdown import MixDown
from streamaug.building.reading import MOST_CHANNELS, Reading
from streamaug.building.source_file import SourceFile, map_bytes, read_bytes
from streamaug.codecs.decoding import resample
from streamaug.codecs.pcm import padded, to_float64, to_pcm
from streamaug.errors import ClipsError

LOWEST_RATE, HIGHEST_RATE = 1_000, 1_000_000
"""Sample rates in Hz that a header can be right about."""

_SAMPLED_FILES = 256
"""Files that are opened to find what is the most common among all."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A decoded source.

    Args:
        pcm: At the store's rate, integers of shape (samples,), or with several channels (channels,
            samples).
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


def load(path: str, reading: Reading) -> Source:
    """Read an audio file of any format, rate and depth at one rate, as one channel or all.

    Args:
        path: Local path or fsspec URL.
        reading: The rate and length to bring it to, and which channels to take.

    Raises:
        ClipsError: What is wrong with the file, without its name.
        FetchError: A remote file cannot be read at the moment.
    """
    container = examine(read_bytes(path))
    with open_audio(container) as audio:
        mix = _mixed(audio, audio.blocks, audio.length or 0, reading)
    if not mix.samples:
        raise ClipsError("no samples; restore it or remove it from the table")
    if audio.length and mix.samples < audio.length:
        raise _truncated(mix.samples, audio.length)
    return _source(container, audio, mix, reading)


def load_excerpt(excerpt: Excerpt, reading: Reading, file: SourceFile) -> Source:
    """Read an excerpt as `load` reads a file: the file's own samples, which are then resampled as if
    there were no others.

    Args:
        excerpt: A part of an audio file, or all of it.
        reading: The rate and length to bring it to, and which channel to take.
        file: Stays open for further excerpts of the same file.

    Raises:
        ClipsError: What is wrong with the file or the excerpt, without the file's name.
        FetchError: A remote file cannot be read at the moment.
    """
    if excerpt.is_whole:
        return load(excerpt.path, reading)
    if excerpt.error:
        raise ClipsError(excerpt.error)
    container, audio = file.open(excerpt.path)
    _check_rate(audio.rate)
    start, stop = excerpt.samples(audio.rate)
    if audio.length is not None:
        excerpt.check_end(audio.length, audio.rate)
    end = audio.length if stop is None else stop
    mix = _mixed(audio, file.blocks(start, stop), 0 if end is None else end - start, reading)
    if not mix.samples or (end is not None and mix.samples < end - start):
        if audio.length is not None:
            raise _truncated(file.decoded, audio.length)
        excerpt.check_end(file.decoded, audio.rate)
    return _source(container, audio, mix, reading)


def _mixed(audio: AudioFile, blocks: Iterator[np.ndarray], expected: int, reading: Reading) -> MixDown:
    """The channels of some sound that a store gets; the length may be another than expected."""
    _check_rate(audio.rate)
    _check_channels(audio.channels, reading.channels)
    _check_length(expected, audio.rate, reading.longest)
    mix = MixDown(audio.channels, reading.channel, keep=reading.channels is not None)
    for block in blocks:
        mix.add(block)
        _check_length(mix.samples, audio.rate, reading.longest)
    return mix


def _truncated(samples: int, promised: int) -> ClipsError:
    return truncated_error(f"{samples} samples of {promised} that its header promises")


def _source(container: Container, audio: AudioFile, mix: MixDown, reading: Reading) -> Source:
    signal = mix.signal()
    if signal.dtype.kind == "f" or audio.rate != reading.rate:
        pcm = to_pcm(resample(to_float64(signal), audio.rate, reading.rate), audio.depth)
    else:
        pcm = signal
    if not pcm.size:
        raise ClipsError(f"no samples: {mix.samples} at {audio.rate} Hz are none at {reading.rate} Hz; remove it from the table")
    padding = 0 if reading.samples is None else reading.samples - pcm.shape[-1]
    return Source(
        pcm=padded(pcm, 0, padding) if padding > 0 else pcm[..., : reading.samples],
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


def _check_channels(channels: int, kept: int | None) -> None:
    if kept is not None and channels != kept:
        raise ClipsError(
            f"has {_count(channels)}, but the store has {kept}; convert it or remove it from the table, or build a store of one channel "
            "with --channels mono"
        )


def _count(channels: int) -> str:
    return f"{channels} channel{'s' if channels > 1 else ''}"


def _check_length(samples: int, rate: int, longest: float) -> None:
    if samples > longest * rate:
        raise ClipsError(
            f"has {samples / rate:.1f} s of sound or more, and {longest:g} s is the longest that is read; "
            "cut it, or allow longer ones with --longest"
        )


def sound_length(path: str) -> tuple[int, int]:
    """Samples per channel of an audio file and its sample rate in Hz: as its header says, or counted
    by decoding it where none says so.

    Args:
        path: Local path or fsspec URL.

    Raises:
        ClipsError: It cannot be read; says why, without its name.
        FetchError: A remote file cannot be read at the moment.
    """
    with open_audio(examine(map_bytes(path))) as audio:
        _check_rate(audio.rate)
        return (sum(map(len, audio.blocks)) if audio.length is None else audio.length), audio.rate


def common_rate(paths: Iterable[str], origins: Mapping[str, str]) -> int:
    """The most common sample rate in Hz of up to 256 files spread over the list.

    Args:
        paths: The files.
        origins: What errors call them by, if not by their path.

    Raises:
        ClipsError: None of these files can be read.
    """
    return _most_common(paths, origins, lambda audio: audio.rate, "sample rate")


def common_channels(paths: Iterable[str], origins: Mapping[str, str]) -> int:
    """The most common number of channels of up to 256 files spread over the list.

    Args:
        paths: The files.
        origins: What errors call them by, if not by their path.

    Raises:
        ClipsError: None of these files can be read, or most have more channels than a store.
    """
    channels = _most_common(paths, origins, lambda audio: audio.channels, "number of channels")
    if channels > MOST_CHANNELS:
        raise ClipsError(
            f"most of the audio files have {channels} channels, and a store has {MOST_CHANNELS} at most; use --channels mono, with "
            "--channel to choose one, or make files of the channels that you need"
        )
    return channels


def _most_common(paths: Iterable[str], origins: Mapping[str, str], value_of: Callable[[AudioFile], int], name: str) -> int:
    counts: Counter[int] = Counter()
    problem = ""
    files = list(dict.fromkeys(paths))
    spread = files[:: max(1, len(files) // _SAMPLED_FILES)]
    for path in spread:
        try:
            with open_audio(examine(map_bytes(path))) as audio:
                _check_rate(audio.rate)
                counts[value_of(audio)] += 1
                if 2 * counts[value_of(audio)] > len(spread):
                    break  # whatever the others have
        except ClipsError as error:
            problem = problem or f"'{origins.get(path, path)}': {error}"
    if not counts:
        remedy = "write the tars again" if files[0] in origins else "check the column 'path'"
        raise ClipsError(f"none of the audio files could be read to find the {name}; {remedy}; {problem}")
    return counts.most_common(1)[0][0]
