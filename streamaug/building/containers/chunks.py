"""Compare the sizes in files of chunks (WAV, RF64, W64, AIFF, CAF) and in AU with their bytes.

Such a file is a header and a list of chunks, each with a name and a size; one of them is the sound.
A program that writes into a pipe cannot go back to fill in the size of the sound, and leaves 0 or
something very large; so does one that is stopped. The sound is then all that follows. Any other
size that is larger than the file shows that the file was truncated.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from streamaug.building.containers.base import Container, Data, truncated_error
from streamaug.errors import ClipsError

_NEAR_LIMITS = (0x7F00_0000, 1 << 31, 1 << 32)
"""Sizes that programs write when they do not know the size, up to 4 kB less or a few bytes more:
SoX, arecord, FFmpeg and others subtract headers, or round down to a block."""


_MOST_UNREAD = 0.1
"""Bytes after the sound, relative to it, that may belong to no chunk."""


@dataclass(frozen=True, kw_only=True)
class _Layout:
    """How the chunks of a format are written.

    Args:
        start: Where the first chunk begins.
        id_size: Bytes of a chunk's name.
        size_bytes: Bytes of a chunk's size.
        order: Byte order of sizes.
        alignment: Chunks begin at multiples of it.
        counts_header: Whether a chunk's size includes its name and size.
        sound: First bytes of the name of the chunk with the sound.
        total_at: Where the size of the whole file is, or None.
    """

    start: int = 12
    id_size: int = 4
    size_bytes: int = 4
    order: str = "<"
    alignment: int = 2
    counts_header: bool = False
    sound: bytes = b"data"
    total_at: int | None = 4


_LAYOUTS = {
    b"RIFF": _Layout(),
    b"RF64": _Layout(),
    b"BW64": _Layout(),
    b"RIFX": _Layout(order=">"),
    b"FORM": _Layout(order=">", sound=b"SSND"),
    b"caff": _Layout(start=8, size_bytes=8, order=">", alignment=1, total_at=None),
    b"riff": _Layout(start=40, id_size=16, size_bytes=8, alignment=8, counts_header=True, total_at=16),
}


@dataclass(frozen=True, kw_only=True)
class _Chunk:
    """A chunk: its name, where its size is written, where its body begins, and the body's size."""

    name: bytes
    size_at: int
    start: int
    size: int


def _read_int(data: Data, at: int, layout: _Layout) -> int:
    return int.from_bytes(data[at : at + layout.size_bytes], "little" if layout.order == "<" else "big")


def _written(value: int, layout: _Layout) -> bytes:
    return value.to_bytes(layout.size_bytes, "little" if layout.order == "<" else "big")


def _chunk_at(data: Data, at: int, layout: _Layout) -> _Chunk | None:
    header = layout.id_size + layout.size_bytes
    if at + header > len(data):
        return None
    size = _read_int(data, at + layout.id_size, layout) - (header if layout.counts_header else 0)
    return _Chunk(name=data[at : at + layout.id_size], size_at=at + layout.id_size, start=at + header, size=size)


def _chunks(data: Data, layout: _Layout) -> Iterator[_Chunk]:
    at = layout.start
    while (chunk := _chunk_at(data, at, layout)) is not None:
        yield chunk
        if chunk.size < 0:
            return
        at = chunk.start + -(-chunk.size // layout.alignment) * layout.alignment


def _is_unknown(size: int) -> bool:
    """Whether a size means that the writer did not know it.

    >>> [_is_unknown(size) for size in (0xFFFF_FFFF, 0x7FFF_F000, 32_000, (1 << 64) - 1)]
    [True, True, False, True]
    """
    return any(limit - 4096 <= size <= limit + 64 for limit in _NEAR_LIMITS) or size >= 1 << 61


def _is_list_of_chunks(data: Data, at: int, layout: _Layout) -> bool:
    """Whether further chunks follow at a place, rather than sound or anything else."""
    if len(data) - at < layout.id_size + layout.size_bytes:
        return True  # too little for a chunk: padding
    chunk = _chunk_at(data, at, layout)
    return chunk is not None and chunk.name[:4].isascii() and chunk.name[:4].decode().isprintable() and chunk.name[:4] not in _LAYOUTS


def examine_chunks(data: Data) -> Container:
    """A WAV, RF64, BW64, W64, AIFF or CAF file with the size of its sound filled in, where the
    writer left it open.

    Args:
        data: The whole file.

    Raises:
        ClipsError: It is truncated.
    """
    layout = _LAYOUTS[data[:4]]
    ds64 = None
    for chunk in _chunks(data, layout):
        if chunk.name == b"ds64":
            ds64 = chunk
        if chunk.name.startswith(layout.sound):
            return _examine_sound(data, layout, chunk, ds64 if chunk.size == 0xFFFF_FFFF else None)
    return Container(parts=(data,), reader="soundfile")  # whose message says what is missing


def _examine_sound(data: Data, layout: _Layout, sound: _Chunk, ds64: _Chunk | None) -> Container:
    # RF64 keeps a WAV's sizes as 64 bits in its chunk 'ds64', of the file at 0 and of the sound at 8.
    size = int.from_bytes(data[ds64.start + 8 : ds64.start + 16], "little") if ds64 else sound.size
    there = len(data) - sound.start
    empty = size <= 0 or (layout.sound == b"SSND" and size <= 8)
    if (empty and not _is_list_of_chunks(data, sound.start, layout)) or _is_unknown(size):
        return Container(parts=(_with_sizes(data, layout, sound, ds64, there),), reader="soundfile")
    # One byte is the padding to an even size; some writers count the header as sound, too.
    if size > there + 1 and size not in (len(data), len(data) - 8):
        raise truncated_error(f"{there} bytes of sound of {size} that its header promises")
    ends = {sound.start + -(-size // step) * step for step in (1, layout.alignment)}  # some writers forget to align
    rest = data[sound.start + size :]
    unread = len(rest) if rest.strip(b"\0") and not any(_is_list_of_chunks(data, end, layout) for end in ends) else 0
    if unread > size * _MOST_UNREAD:
        raise ClipsError(
            f"its header says {size} bytes of sound, but {there} are there, so it was perhaps never finished; "
            "correct its header or remove it from the table"
        )
    return Container(parts=(data,), reader="soundfile", unread=unread)


def _with_sizes(data: Data, layout: _Layout, sound: _Chunk, ds64: _Chunk | None, size: int) -> bytes:
    patched = bytearray(data)
    header = layout.id_size + layout.size_bytes
    if ds64:
        patched[ds64.start : ds64.start + 16] = (len(data) - 8).to_bytes(8, "little") + size.to_bytes(8, "little")
        return bytes(patched)
    patched[sound.size_at : sound.start] = _written(size + (header if layout.counts_header else 0), layout)
    if layout.total_at is not None:
        whole = len(data) if layout.counts_header else len(data) - 8
        patched[layout.total_at : layout.total_at + layout.size_bytes] = _written(whole, layout)
    return bytes(patched)


def examine_au(data: Data) -> Container:
    """An AU file; its header says where the sound begins and how many bytes it has.

    Args:
        data: The whole file.

    Raises:
        ClipsError: It is truncated.
    """
    layout = _Layout(order=">" if data[:4] == b".snd" else "<")
    start, size = _read_int(data, 4, layout), _read_int(data, 8, layout)
    if not size:
        return Container(parts=(data[:8] + b"\xff" * 4 + data[12:],), reader="soundfile")  # unknown, in AU
    if size > len(data) - start and not _is_unknown(size):
        raise truncated_error(f"{max(0, len(data) - start)} bytes of sound of {size} that its header promises")
    return Container(parts=(data,), reader="soundfile")
