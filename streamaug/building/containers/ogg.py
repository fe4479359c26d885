"""Find the logical streams of an Ogg file, and whether each of them ends.

An Ogg file is a list of pages. The last page of a stream says that it is the last. Streams may
follow one another, as recordings of internet radio do: a new one then begins where all before have
ended.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from streamaug.building.containers.base import Container, Data, truncated_error

_BEGINS, _ENDS = 2, 4
"""Flags in a page's header."""

_FLAC = b"\x7fFLAC"
"""First bytes of a stream of FLAC, which libsndfile reads in few of its forms."""


@dataclass(frozen=True, kw_only=True)
class _Page:
    start: int
    end: int
    flags: int
    stream: int
    body: int


def _pages(data: Data) -> Iterator[_Page]:
    at = data.find(b"OggS")
    while at >= 0:
        segments = data[at + 26] if at + 27 <= len(data) else 0
        body = at + 27 + segments
        end = body + sum(data[at + 27 : body])
        stream = int.from_bytes(data[at + 14 : at + 18], "little")
        yield _Page(start=at, end=end, flags=data[at + 5] if at + 5 < len(data) else 0, stream=stream, body=body)
        at = end if data[end : end + 4] == b"OggS" else data.find(b"OggS", end)


def examine_ogg(data: Data) -> Container:
    """The parts of an Ogg file that follow one another, which are decoded one by one.

    Args:
        data: The whole file.

    Raises:
        ClipsError: A page is cut, or a stream has no end.
    """
    starts: list[int] = []
    open_streams: set[int] = set()
    is_flac = False
    for page in _pages(data):
        if page.end > len(data):
            raise truncated_error(f"its last Ogg page has {len(data) - page.start} bytes of {page.end - page.start}")
        if page.flags & _BEGINS:
            if not open_streams:
                starts.append(page.start)
            open_streams.add(page.stream)
            is_flac |= data[page.body : page.body + len(_FLAC)] == _FLAC
        if page.flags & _ENDS:
            open_streams.discard(page.stream)
    if open_streams:
        raise truncated_error("its Ogg stream has no last page")
    starts = starts or [0]
    parts = tuple(data[start:stop] for start, stop in zip(starts, [*starts[1:], len(data)], strict=True))
    return Container(parts=parts, reader="pyav" if is_flac else "soundfile", demuxer="ogg" if is_flac else None)
