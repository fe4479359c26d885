"""Read a shard from its first byte to its last without trusting any of it.

A shard is a tar of the simplest kind: regular files under ustar headers of one block, in which all
fields except name and size are fixed, and nothing but zeros at the end. Anything else is refused,
so that no name or size in a hostile tar has any effect.
"""

import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from streamaug.errors import CorruptError
from streamaug.store.format import MAX_PAYLOAD

BLOCK = tarfile.BLOCKSIZE
END = 2 * BLOCK
"""Bytes of zeros that end a tar."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One file in a tar.

    Args:
        name: Its name.
        offset: Position of its first byte in the tar.
        data: Its content.
    """

    name: str
    offset: int
    data: bytes


def header(name: str, size: int) -> bytes:
    """The block before a member of a shard.

    >>> len(header("clip.mp3", 80_000))
    512
    """
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")


def members(read: Callable[[int], bytes], size: int) -> Iterator[Member]:
    """The members of a tar, in order.

    Args:
        read: Returns the next bytes: the requested number or, at the end, the rest. Only what fits
            the tar is requested.
        size: Bytes of the tar.

    Raises:
        CorruptError: The tar is damaged. The message gives the position, but not the name of the
            tar.
    """
    offset, last = 0, "its start"
    while True:
        block = read(BLOCK)
        if block == bytes(BLOCK):
            break
        if not block:
            raise CorruptError(f"ends after {last}, at byte {offset}, without the two blocks of zeros that end a tar")
        if len(block) < BLOCK:
            raise CorruptError(f"ends inside a header, {len(block)} bytes of {BLOCK} after {last}, at byte {offset + len(block)}")
        name, length = _name_and_size(block, offset)
        offset += BLOCK
        if length > MAX_PAYLOAD:
            raise CorruptError(f"has a header at byte {offset - BLOCK} for {length} bytes; a clip may have {MAX_PAYLOAD}")
        if offset + length > size:
            raise CorruptError(f"ends inside '{name}', which takes bytes {offset} to {offset + length}, while the tar has {size}")
        data = read(length)
        padding = read(-length % BLOCK)
        if len(data) < length or len(padding) < -length % BLOCK:
            raise CorruptError(f"ends inside '{name}', at byte {offset + len(data) + len(padding)}")
        if any(padding):
            raise CorruptError(f"has bytes other than zeros after '{name}', up to the end of its last block")
        yield Member(name=name, offset=offset, data=data)
        offset += length + len(padding)
        last = f"'{name}'"
    zeros = BLOCK
    while rest := read(1 << 16):
        if any(rest):
            raise CorruptError(f"has bytes other than zeros after its end at byte {offset}")
        zeros += len(rest)
    if zeros < END:
        raise CorruptError(f"ends after {last} with one block of zeros instead of two")


def _name_and_size(block: bytes, offset: int) -> tuple[str, int]:
    """Name and size from a header, which must be exactly what a shard has. Raises CorruptError."""
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        same = info.size >= 0 and header(info.name, info.size) == block
    except (tarfile.TarError, ValueError) as error:
        raise CorruptError(f"has no tar header at byte {offset}: {error}") from error
    if not same:
        raise CorruptError(f"has a header at byte {offset} that no shard has: not a regular file, or one with times, owner or permissions")
    return info.name, info.size
