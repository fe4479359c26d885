"""OpenCORE decodes what FFmpeg's wrapper of it decodes, and conceals lost frames."""

import av
import numpy as np
import pytest

from streamaug.codecs.packets.amr import AmrPackets
from tests.codecs.packets.bitstreams import bitstream, losing, power


@pytest.mark.parametrize("kbps", ["4.75", "12.2"])
def test_without_loss_it_decodes_what_ffmpegs_wrapper_of_opencore_decodes(kbps: str) -> None:
    packets = AmrPackets.of(bitstream(f"amr-nb_{kbps}", 8_000))
    decoder = av.CodecContext.create("libopencore_amrnb", "r")
    decoder.layout, decoder.sample_rate = "mono", 8_000
    other = np.concatenate([frame.to_ndarray()[0] for packet in packets.frames for frame in decoder.decode(av.Packet(packet))])
    np.testing.assert_array_equal(packets.decode(losing(len(packets.frames)))[0] * 32_768, other)


def test_a_lost_frame_is_concealed_and_a_long_loss_fades() -> None:
    packets = AmrPackets.of(bitstream("amr-nb_12.2", 8_000))
    count = len(packets.frames)
    whole = packets.decode(losing(count))[0]
    once, to_the_end = packets.decode(losing(count, 50))[0], packets.decode(losing(count, *range(50, count)))[0]
    start, stop = packets.starts[50:52]
    np.testing.assert_array_equal(once[:start], whole[:start])
    assert 0.05 * power(whole[start:stop]) < power(once[start:stop]) < 2 * power(whole[start:stop])
    assert not np.array_equal(once[start:stop], whole[start:stop])
    assert power(to_the_end[-3_200:]) < 0.01 * power(whole[-3_200:])
    np.testing.assert_array_equal(packets.decode(losing(count, 50), 9_000), once[None, : packets.starts[57]])


def test_frames_of_wideband_are_told_apart_and_concealed() -> None:
    frame = bytes([8 << 3 | 4]) + bytes(range(60))
    packets = AmrPackets.of(b"#!AMR-WB\n" + frame * 5 + bytes([15 << 3 | 4]))
    assert (packets.rate, packets.starts.tolist()) == (16_000, [0, 320, 640, 960, 1_280, 1_600, 1_920])
    whole, once = packets.decode(losing(6)), packets.decode(losing(6, 3))
    assert whole.shape == (1, 1_920)
    np.testing.assert_array_equal(whole[:, :960], once[:, :960])
    assert not np.array_equal(whole[:, 960:1_280], once[:, 960:1_280])


@pytest.mark.parametrize(
    ("payload", "message"),
    [(b"", "not AMR"), (b"#!AMR_MC1.0\n", "not AMR of one"), (b"#!AMR\n" + bytes([7 << 3]) + bytes(30), "cut off")],
)
def test_damaged_files_are_refused(payload: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AmrPackets.of(payload)
