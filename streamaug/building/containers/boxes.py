"""Find out whether an MP4, Matroska (WebM) or ASF (WMA) file is whole: each is a list of boxes with
a name and a size, and a truncated file ends inside one of them."""

from streamaug.building.containers.base import Data, truncated_error


def _check(end: int, size: int) -> None:
    if end > size:
        raise truncated_error(f"{size} bytes of {end} that its header promises")


_SOUND = (b"mdat", b"moov", b"moof")
"""Boxes of MP4 that are needed to decode it."""


def check_mp4(data: Data) -> None:
    """Raise an error if an MP4, M4A or MOV file is truncated.

    Args:
        data: The whole file.

    Raises:
        ClipsError: It ends inside a box that is needed to decode it, or lacks its index.
    """
    at = 0
    names = set[bytes]()
    while at + 8 <= len(data):
        name, size = data[at + 4 : at + 8], int.from_bytes(data[at : at + 4], "big")
        names.add(name)
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:  # 0: to the end of the file; else not a box, but something after the last one
            break
        if name in _SOUND:
            _check(at + size, len(data))
        at += size
    if b"moov" not in names:
        raise truncated_error("the index of its sound is missing (box 'moov'), which is written last")


def check_asf(data: Data) -> None:
    """Raise an error if an ASF file (WMA) is truncated.

    Args:
        data: The whole file.

    Raises:
        ClipsError: It ends inside an object.
    """
    at = 0
    while at + 24 <= len(data):
        size = int.from_bytes(data[at + 16 : at + 24], "little")
        if size < 24:  # a live recording does not know the size of its data
            return
        at += size
        _check(at, len(data))


_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
"""Matroska's elements that hold the others: the file, and some seconds of it."""


def _ebml_number(data: Data, at: int, *, is_id: bool) -> tuple[int, int] | None:
    """A number of variable length and where it ends; None at the end of the data. A size of all ones
    is -1: unknown."""
    if at >= len(data) or not data[at]:
        return None
    length = 9 - data[at].bit_length()
    if at + length > len(data):
        return None
    number = int.from_bytes(data[at : at + length], "big")
    if is_id:
        return number, at + length
    largest = (1 << 7 * length) - 1
    return (-1 if number & largest == largest else number & largest), at + length


def check_matroska(data: Data) -> None:
    """Raise an error if a Matroska or WebM file is truncated.

    Args:
        data: The whole file.

    Raises:
        ClipsError: It ends inside an element.
    """
    at = 0
    while at < len(data):
        name = _ebml_number(data, at, is_id=True)
        size = name and _ebml_number(data, name[1], is_id=False)
        if not name or not size:
            if len(data) - at < 12 and data[at]:
                raise truncated_error("its last element is cut")
            return
        if size[0] >= 0:
            _check(size[1] + size[0], len(data))
        at = size[1] if name[0] in (_SEGMENT, _CLUSTER) or size[0] < 0 else size[1] + size[0]
