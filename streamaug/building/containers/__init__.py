"""Look at an audio file's container before it is decoded: whether it is whole, and which reader it
needs.

Readers take the lengths in a header for what is there: they fill up, cut off or refuse where the
header is wrong. So what a header promises is compared with the bytes first.
"""

from streamaug.building.containers.base import Container, Data
from streamaug.building.containers.boxes import check_asf, check_matroska, check_mp4
from streamaug.building.containers.chunks import examine_au, examine_chunks
from streamaug.building.containers.frames import examine_frames, skip_id3
from streamaug.building.containers.ogg import examine_ogg

__all__ = ["Container", "Data", "examine"]


def examine(data: Data) -> Container:
    """What to decode of a file, and with what.

    Args:
        data: The whole file.

    Raises:
        ClipsError: The file is truncated; says so without its name.
    """
    if data[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"caff") or data[:4] == b"riff":
        return examine_chunks(data)
    if data[:4] in (b".snd", b"dns."):
        return examine_au(data)
    if data[:4] == b"OggS":
        return examine_ogg(data)
    if data[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"):
        check_mp4(data)
        return Container(parts=(data,), reader="pyav")
    if data[:4] == b"\x1a\x45\xdf\xa3":
        check_matroska(data)
        return Container(parts=(data,), reader="pyav")
    if data[:4] == b"\x30\x26\xb2\x75":
        check_asf(data)
        return Container(parts=(data,), reader="pyav")
    start = skip_id3(data)
    if data[start : start + 4] != b"fLaC":
        frames = examine_frames(data, start)
        if frames:
            return frames
    return Container(parts=(data,), reader="soundfile")
