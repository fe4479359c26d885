"""libopus decodes what FFmpeg's wrapper of it decodes, and conceals lost packets as a call does."""

import io
import struct

import av
import numpy as np
import pytest

from streamaug.codecs import load_settings
from streamaug.codecs.packets import libraries
from streamaug.codecs.packets.ogg import read_ogg
from streamaug.codecs.packets.opus import OpusPackets, packet_samples
from streamaug.errors import PluginError
from tests.codecs.packets.bitstreams import bitstream, losing, power


def decoded_by_the_wrapper(payload: bytes) -> np.ndarray:
    decoder = av.CodecContext.create("libopus", "r")
    decoder.options = {"request_sample_fmt": "flt"}
    with av.open(io.BytesIO(payload), format="ogg") as container:
        decoder.extradata = container.streams.audio[0].codec_context.extradata
        decoder.layout, decoder.sample_rate = "mono", 48_000
        frames = [frame.to_ndarray()[0] for packet in container.demux() if packet.size for frame in decoder.decode(packet)]
    return np.concatenate(frames)


@pytest.mark.parametrize(
    ("name", "rate"), [("opus-voip_12", 8_000), ("opus-voip_24", 16_000), ("opus-voip_64", 48_000), ("opus_32", 44_100)]
)
def test_without_loss_it_decodes_what_ffmpegs_wrapper_of_libopus_decodes(name: str, rate: int) -> None:
    payload = bitstream(name, rate)
    packets = OpusPackets.of(payload)
    whole = packets.decode(losing(len(packets.packets)))
    other = decoded_by_the_wrapper(payload)
    skipped = struct.unpack_from("<H", read_ogg(payload)[0], 10)[0]
    np.testing.assert_array_equal(whole[0, skipped : skipped + len(other)], other)
    assert whole.shape == (1, packets.starts[-1])


def test_a_part_is_decoded_no_further_than_it_is_needed() -> None:
    packets = OpusPackets.of(bitstream("opus-voip_24", 16_000))
    lost = losing(len(packets.packets), 10)
    whole, part = packets.decode(lost), packets.decode(lost, 30_000)
    assert 30_000 <= part.shape[1] < 30_000 + 960 + 1
    np.testing.assert_array_equal(part, whole[:, : part.shape[1]])


def error_after_loss(payload: bytes) -> float:
    """Power of the error of single lost packets, whose successors arrive; libopus takes these for
    speech, of which alone it makes copies."""
    packets = OpusPackets.of(payload)
    count = len(packets.packets)
    whole = packets.decode(losing(count))[0]
    errors = []
    for number in range(3, 30, 3):
        start, stop = packets.starts[number : number + 2]
        errors.append(power((packets.decode(losing(count, number))[0] - whole)[start:stop]))
    return float(np.mean(errors))


def test_in_band_fec_uses_the_next_packet(tmp_path) -> None:
    changes = tmp_path / "no_fec.yaml"
    arguments = '{application: voip, vbr: "on", frame_duration: "20", fec: "0", packet_loss: "10", dtx: "0"}'
    changes.write_text(f"codecs: {{opus-voip: {{encoders: [{{adapter: pyav, encoder: libopus, muxer: ogg, arguments: {arguments}}}]}}}}\n")
    with_copy = error_after_loss(bitstream("opus-voip_24", 16_000))
    without = error_after_loss(bitstream("opus-voip_24", 16_000, load_settings(changes)))
    assert with_copy < 0.3 * without


def test_where_the_next_packet_is_lost_too_there_is_no_copy() -> None:
    packets = OpusPackets.of(bitstream("opus-voip_24", 16_000))
    count = len(packets.packets)
    whole = packets.decode(losing(count))[0]
    start, stop = packets.starts[20:22]
    alone, together = (power((packets.decode(losing(count, *lost))[0] - whole)[start:stop]) for lost in ((20,), (20, 21)))
    assert alone < 0.5 * together


def test_samples_before_a_loss_are_those_of_the_whole_and_a_long_loss_fades() -> None:
    packets = OpusPackets.of(bitstream("opus-voip_24", 16_000))
    count = len(packets.packets)
    whole, broken = packets.decode(losing(count))[0], packets.decode(losing(count, *range(40, count)))[0]
    start = packets.starts[40]
    np.testing.assert_array_equal(broken[:start], whole[:start])
    assert power(broken[-9_600:]) < 0.01 * power(whole[-9_600:])


def test_durations_of_packets_are_those_of_the_standard() -> None:
    assert [packet_samples(bytes([config << 3])) for config in (0, 3, 12, 16, 19, 31)] == [480, 2_880, 480, 120, 960, 960]
    assert [packet_samples(bytes([19 << 3 | code, 5])) for code in range(4)] == [960, 1_920, 1_920, 4_800]
    for packet in (b"", b"\x03", b"\xfb\x00", b"\xfb\x3f"):
        with pytest.raises(ValueError, match="a packet"):
            packet_samples(packet)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda payload: payload[:-5], "cut off"),
        (lambda payload: payload[1:], "page is damaged"),
        (lambda payload: payload[:20], "page is damaged"),
        (lambda payload: b"", "not Opus"),
        (lambda payload: payload.replace(b"OpusHead\x01\x01", b"OpusHead\x01\x05"), "5 channels"),
        (lambda payload: payload.replace(b"OpusHead", b"OpusHaed"), "not Opus"),
    ],
)
def test_damaged_files_are_refused(damage, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OpusPackets.of(damage(bitstream("opus-voip_24", 16_000)))


def test_a_library_that_is_missing_is_named_with_the_remedy() -> None:
    with pytest.raises(PluginError, match=r"libnowhere is not installed.*'pip install av'.*'apt-get install libnowhere0'"):
        libraries.load_library("nowhere", "libnowhere0")
