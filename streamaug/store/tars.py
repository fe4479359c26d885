"""Reading a shard from its first byte to its last, believing nothing that it says.

A shard is the plainest of tars: regular files under ustar headers of one block, whose every field but name and size is
fixed, and at the end nothing but zeros. Whatever else stands there is refused, so that no name or size in a hostile
tar leads anywhere.
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
    """One file in a tar; offset: of its first byte."""

    name: str
    offset: int
    data: bytes


def header(name: str, size: int) -> bytes:
    """The one block that stands before a member in a shard.

    >>> len(header("clip.mp3", 80_000))
    512
    """
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "strict")


def members(read: Callable[[int], bytes], size: int) -> Iterator[Member]:
    """The members of a tar of `size` bytes, in order.

    read: gives the next bytes, as many as asked or, at the end, as there are. Only what fits the tar is asked for.
    Raises CorruptError that says where the tar stops making sense, without naming it.
    """
    offset, last = 0, "its start"
    while True:
        block = read(BLOCK)
        if block == bytes(BLOCK):
            break
        if not block:
            raise CorruptError(f"ends behind {last}, at byte {offset}, without the two blocks of zeros that end a tar")
        if len(block) < BLOCK:
            raise CorruptError(f"ends inside a header, {len(block)} bytes of {BLOCK} behind {last}, at byte {offset + len(block)}")
        name, length = _told(block, offset)
        offset += BLOCK
        if length > MAX_PAYLOAD:
            raise CorruptError(f"has a header at byte {offset - BLOCK} for {length} bytes, more than a clip may have ({MAX_PAYLOAD})")
        if offset + length > size:
            raise CorruptError(f"ends inside '{name}', which has {length} bytes from byte {offset} on, where the tar has {size} in all")
        data = read(length)
        padding = read(-length % BLOCK)
        if len(data) < length or len(padding) < -length % BLOCK:
            raise CorruptError(f"ends inside '{name}', at byte {offset + len(data) + len(padding)}")
        if any(padding):
            raise CorruptError(f"holds other bytes than zeros behind '{name}', where its last block is filled up")
        yield Member(name=name, offset=offset, data=data)
        offset += length + len(padding)
        last = f"'{name}'"
    zeros = BLOCK
    while rest := read(1 << 16):
        if any(rest):
            raise CorruptError(f"holds other bytes than zeros behind its end, which is at byte {offset}")
        zeros += len(rest)
    if zeros < END:
        raise CorruptError(f"ends behind {last} with one block of zeros where a tar has two")


def _told(block: bytes, offset: int) -> tuple[str, int]:
    """Name and size in a header that is what a shard's must be."""
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        same = info.size >= 0 and header(info.name, info.size) == block
    except (tarfile.TarError, ValueError) as error:
        raise CorruptError(f"has no tar header at byte {offset}: {error}") from error
    if not same:
        raise CorruptError(f"has a header at byte {offset} that no shard has: of no regular file, or with times, owner or rights")
    return info.name, info.size
