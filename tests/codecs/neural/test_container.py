"""The bitstream of a neural codec: small, and refused if it is damaged."""

import numpy as np
import pytest

from streamaug.codecs.neural.container import CodeFile, read_codes, write_codes

FILE = CodeFile(rate=16_000, samples=24, bits=5, codes=np.array([[0, 31, 3], [16, 1, 10]]))
HEADER = b"SANC\x01\x05\x02\x00\x80\x3e\x00\x00\x03\x00\x00\x00\x18\x00\x00\x00"


def test_its_bytes_are_those_of_the_description() -> None:
    bits = "00000 10000 11111 00001 00011 01010".replace(" ", "") + "00"
    assert write_codes(FILE) == HEADER + int(bits, 2).to_bytes(4, "big")


@pytest.mark.parametrize("bits", [1, 7, 8, 10, 24])
@pytest.mark.parametrize(("codebooks", "frames"), [(1, 1), (3, 7), (32, 75)])
def test_what_is_written_is_read(bits: int, codebooks: int, frames: int) -> None:
    codes = np.random.default_rng(0).integers(0, 1 << bits, (codebooks, frames))
    file = read_codes(write_codes(CodeFile(rate=24_000, samples=frames * 320, bits=bits, codes=codes)))
    assert (file.rate, file.samples, file.bits) == (24_000, frames * 320, bits)
    assert file.codes.dtype == np.int64
    assert np.array_equal(file.codes, codes)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda payload: payload[:19], "19 bytes are shorter than a header of 20"),
        (lambda payload: b"RIFF" + payload[4:], r"starts with b'RIFF'"),
        (lambda payload: payload[:4] + b"\x02" + payload[5:], "layout 2, but this version of streamaug reads 1"),
        (lambda payload: payload[:5] + b"\x00" + payload[6:], "0 bits per code"),
        (lambda payload: payload[:5] + b"\x40" + payload[6:], "64 bits per code"),
        (lambda payload: payload[:6] + b"\x00\x00" + payload[8:], "0 codebooks"),
        (lambda payload: payload[:12] + b"\xff\xff\xff\xff" + payload[16:], "4 bytes of codes instead of 5368709119"),
        (lambda payload: payload[:16] + bytes(4) + payload[20:], "0 samples"),
        (lambda payload: payload[:-1], "3 bytes of codes instead of 4: cut off"),
        (lambda payload: payload + b"\0", "5 bytes of codes instead of 4"),
        (lambda payload: payload[:-1] + bytes([payload[-1] | 1]), "bits follow after the last code"),
    ],
)
def test_damaged_bytes_are_refused(damage, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_codes(damage(write_codes(FILE)))
