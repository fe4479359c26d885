"""Whatever the bytes, the reader of tars raises CorruptError only, and requests no more than there
is."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaug.errors import CorruptError
from streamaug.store.tars import BLOCK, header, members


def tar(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as file:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return sink.getvalue()


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20).filter(lambda name: name.strip("."))
INTACT = tar({"a.mp3": bytes(700), "a.json": b"{}", "ä.mp3": b"\xff" * 1024, "ä.json": b"[]"})


@given(st.dictionaries(names, st.binary(max_size=2000), max_size=4))
def test_what_tarfile_writes_is_read(files: dict[str, bytes]) -> None:
    data = tar(files)
    read = list(members(io.BytesIO(data).read, len(data)))
    assert {member.name: member.data for member in read} == files
    assert all(data[member.offset : member.offset + len(member.data)] == member.data for member in read)


@given(st.lists(st.tuples(st.integers(0, len(INTACT) - 1), st.binary(min_size=1, max_size=12)), max_size=4), st.integers(0, len(INTACT)))
def test_altered_and_cut_tars_raise_corrupt_error_and_nothing_else(changes: list[tuple[int, bytes]], length: int) -> None:
    altered = bytearray(INTACT)
    for offset, data in changes:
        altered[offset : offset + len(data)] = data
    altered = altered[:length]
    source = io.BytesIO(altered)

    def read(count: int) -> bytes:
        assert 0 <= count <= max(len(altered), 1 << 16)
        return source.read(count)

    try:
        read_members = list(members(read, len(altered)))
    except CorruptError:
        return
    assert tar({member.name: member.data for member in read_members}).rstrip(b"\0") == bytes(altered).rstrip(b"\0")


@given(st.binary(max_size=4 * BLOCK))
def test_no_tar_at_all_raises_corrupt_error(data: bytes) -> None:
    if data.strip(b"\0") or len(data) < 2 * BLOCK:
        with pytest.raises(CorruptError):
            list(members(io.BytesIO(data).read, len(data)))


@pytest.mark.parametrize("size", [-1, 8**12, 2**70])
def test_sizes_that_no_member_can_have_are_refused(size: int) -> None:
    block = bytearray(header("a.mp3", 0))
    block[124:136] = (b"\xff" if size < 0 else b"\x80") + (size % 256**11).to_bytes(11, "big")
    block[148:156] = b"%06o\0 " % sum(block[:148] + b" " * 8 + block[156:])
    with pytest.raises(CorruptError):
        list(members(io.BytesIO(bytes(block) + bytes(2 * BLOCK)).read, 3 * BLOCK))
