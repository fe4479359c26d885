"""Count the frames of MP3 (and MP2, AAC in ADTS), which have no header that must be right.

Such a file is a list of frames, each with its own small header. A tag in the first frame of an MP3
(Xing or Info) may say how many there are; recorders and pipes write none, and then readers guess
from the first frame's bitrate.
"""

from collections.abc import Callable
from dataclasses import dataclass

from streamaug.building.containers.base import Container, Data, truncated_error

_SEARCHED = 1 << 16
"""Bytes in which the first frame must begin, after an ID3 tag."""

_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Sample rates in Hz by the version in an MPEG frame's header: 1, 2 and 2.5."""

_KBPS = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bitrates by whether the version is 1, and by layer; ISO/IEC 11172-3 and 13818-3."""


@dataclass(frozen=True)
class _Frame:
    """Size of a frame in bytes, and what all frames of a file have in common."""

    size: int
    kind: tuple[int, ...]


def _mpeg_frame(data: Data, at: int) -> _Frame | None:
    """The MPEG audio frame that begins at a place, or None."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] < 0xE0:
        return None
    version, layer = data[at + 1] >> 3 & 3, 4 - (data[at + 1] >> 1 & 3)
    bitrate, rate, padding = data[at + 2] >> 4, data[at + 2] >> 2 & 3, data[at + 2] >> 1 & 1
    if version == 1 or layer == 4 or bitrate in (0, 15) or rate == 3:
        return None
    bits_per_s, hz = 1000 * _KBPS[version == 3, layer][bitrate - 1], _RATES[version][rate]
    slot, slots = (4, 12) if layer == 1 else (1, 144 if layer == 2 or version == 3 else 72)
    return _Frame((slots * bits_per_s // hz + padding) * slot, (version, layer, hz))


def _adts_frame(data: Data, at: int) -> _Frame | None:
    """The AAC frame with an ADTS header that begins at a place, or None."""
    if at + 7 > len(data) or data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
        return None
    size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
    return _Frame(size, (data[at + 2] >> 2 & 15,)) if size >= 7 else None


def skip_id3(data: Data) -> int:
    """Where the file begins after its ID3v2 tags."""
    at = 0
    while data[at : at + 3] == b"ID3" and at + 10 <= len(data):
        size = 0
        for byte in data[at + 6 : at + 10]:
            size = size << 7 | byte & 0x7F
        at += 10 + size
    return at


@dataclass(frozen=True, kw_only=True)
class _Frames:
    """The frames of a file: where the first begins and ends, how many are whole, and how many bytes
    an incomplete last one has."""

    first: int
    second: int
    count: int
    rest: int


def _find_frames(data: Data, start: int, frame_at: Callable[[Data, int], _Frame | None]) -> _Frames | None:
    def synchronized(at: int, stop: int) -> int:
        """The next place where a frame begins and another one follows, or -1."""
        while (at := data.find(b"\xff", at, stop)) >= 0:
            frame = frame_at(data, at)
            if frame:
                following = frame_at(data, at + frame.size)
                if following and following.kind == frame.kind:
                    return at
            at += 1
        return -1

    first = at = synchronized(start, start + _SEARCHED)
    if first < 0:
        return None
    begun = frame_at(data, first)
    assert begun is not None
    count = 0
    while 0 <= at < len(data):
        frame = frame_at(data, at)
        if frame is None or frame.kind != begun.kind:
            at = synchronized(at, len(data))  # a tag, at the end or between two files that were joined
        elif at + frame.size > len(data):
            return _Frames(first=first, second=first + begun.size, count=count, rest=len(data) - at)
        else:
            count, at = count + 1, at + frame.size
    return _Frames(first=first, second=first + begun.size, count=count, rest=0)


def _tagged_count(data: Data, frames: _Frames) -> int | None:
    """Number of frames that the tag in the first frame of an MP3 says; -1 if it does not say it;
    None without a tag."""
    head = data[frames.first : min(frames.second, frames.first + 64)]
    at = max(head.find(b"Xing"), head.find(b"Info"))
    if at < 0:
        return None
    at += frames.first
    return int.from_bytes(data[at + 8 : at + 12], "big") if data[at + 7] & 1 else -1


def examine_frames(data: Data, start: int) -> Container | None:
    """An MP3, MP2 or AAC file, or None if it is none of these.

    Args:
        data: The whole file.
        start: Where it begins after its ID3 tags.

    Raises:
        ClipsError: Its last frame is incomplete, or it has fewer frames than its tag says.
    """
    aac = _find_frames(data, start, _adts_frame)
    frames = _find_frames(data, start, _mpeg_frame) if aac is None else aac
    if frames is None:
        return None
    tagged = None if aac else _tagged_count(data, frames)
    if tagged is not None and tagged > frames.count:
        raise truncated_error(f"{frames.count} MP3 frames of {tagged} that its header promises")
    if frames.rest:
        raise truncated_error(f"its last frame is incomplete, it has {frames.rest} bytes")
    if aac:
        return Container(parts=(data[frames.first :],), reader="pyav", demuxer="aac")
    if tagged in (frames.count, frames.count - 1):
        return Container(parts=(data,), reader="soundfile")
    # A frame with a wrong count holds no sound, and would mislead the reader.
    return Container(parts=(data[frames.first if tagged is None else frames.second :],), reader="pyav", demuxer="mp3")
