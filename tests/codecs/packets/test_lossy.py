"""Every codec that takes links: bit-equal without loss, concealed with it, aligned in any case."""

import numpy as np
import pytest

from streamaug.codecs import Decoding, calibrate, decode, load_settings
from streamaug.codecs.lossy import decode_lossy, lossy_opener
from streamaug.codecs.packets.opening import Opener
from streamaug.codecs.packets.telephony import TelephonyPackets
from streamaug.conditions import Condition
from streamaug.errors import CorruptError, LinkError
from tests.codecs.packets.bitstreams import encoder_of, power, voice

CALLS = {
    "opus-voip_24": (16_000, 0.02),
    "amr-nb_12.2": (8_000, 0.02),
    "lc3_32": (16_000, 0.01),
    "msbc_60": (16_000, 0.0075),
    "sbc_64": (16_000, 0.016),
    "alaw_64": (8_000, 0.02),
    "mulaw_64": (8_000, 0.02),
    "g722_64": (16_000, 0.02),
}
"""Conditions, the rate that they work at, and the seconds of a packet."""


class Call:
    """A clip through a codec, in a store of some rate."""

    def __init__(self, name: str, rate: int) -> None:
        self.encoder = encoder_of(name, rate)
        self.signal = voice(rate)
        self.payload = self.encoder.encode(self.signal)
        self.opener: Opener = lossy_opener(self.encoder.decoding, self.encoder.encoder.name)
        self.packets = len(self.opener(self.payload).starts) - 1
        self.about = {"decoding": self.encoder.decoding, "rate": rate, "delay": self.encoder.delay, "samples": len(self.signal)}

    def plain(self, **part) -> np.ndarray:
        return decode(self.payload, **self.about, **part)

    def without(self, *lost: int, **part) -> tuple[np.ndarray, np.ndarray]:
        return decode_lossy(self.payload, self.opener, lose=lambda packets: np.isin(np.arange(packets), lost), **self.about, **part)


@pytest.mark.parametrize("name", CALLS)
def test_where_nothing_is_lost_the_samples_are_those_of_plain_decoding(name: str) -> None:
    for rate in (CALLS[name][0], 44_100):
        call = Call(name, rate)
        sound, lost = call.without()
        np.testing.assert_array_equal(sound, call.plain())
        assert lost.shape == (0, 2)


@pytest.mark.parametrize("name", CALLS)
def test_a_packet_has_its_length_and_what_is_lost_is_concealed(name: str) -> None:
    rate, seconds = CALLS[name]
    call = Call(name, rate)
    plain = call.plain()
    number = call.packets // 2
    sound, [[start, stop]] = call.without(number)
    assert stop - start == round(seconds * rate)
    assert abs(start / rate - number * seconds) < 0.015
    seam = round(0.006 * rate)  # the last quarter period before a loss is faded
    resampled = 0 if rate == call.opener(call.payload).rate else 1e-5  # whose filter looks ahead
    np.testing.assert_allclose(sound[: start - seam], plain[: start - seam], rtol=0, atol=resampled)
    assert not np.array_equal(sound[start:stop], plain[start:stop])
    # Something like the sound is there, not silence and not noise.
    assert power(sound[start:stop] - plain[start:stop]) < 4 * power(plain[start:stop])
    assert power(sound[start:stop]) > 0.05 * power(plain[start:stop])
    # A second later nothing is left of it, but for adaptive codecs, which drift back.
    tail = slice(stop + round(0.5 * rate), None)
    assert power(sound[tail] - plain[tail]) < 0.1 * power(plain[tail])


@pytest.mark.parametrize("name", CALLS)
def test_a_part_has_the_bits_of_the_whole(name: str) -> None:
    rate, _ = CALLS[name]
    for store_rate in (rate, 44_100):
        call = Call(name, store_rate)
        lost = range(call.packets // 3, call.packets // 3 + 3)
        whole, stretches = call.without(*lost, call.packets - 2)
        middle = len(whole) // 2
        part, same = call.without(*lost, call.packets - 2, part=(middle - 3_000, middle))
        np.testing.assert_array_equal(part, whole[middle - 3_000 : middle])
        np.testing.assert_array_equal(same, stretches)


@pytest.mark.parametrize("name", CALLS)
def test_a_clip_that_is_lost_altogether_is_silent_and_as_long(name: str) -> None:
    call = Call(name, CALLS[name][0])
    sound, lost = call.without(*range(call.packets))
    assert len(sound) == len(call.signal)
    assert np.isfinite(sound).all()
    assert power(sound) < 1e-3 * power(call.plain())
    assert lost.tolist() == [[0, len(sound)]]


@pytest.mark.parametrize("name", CALLS)
def test_random_losses_leave_finite_samples_that_are_not_much_louder(name: str) -> None:
    call = Call(name, CALLS[name][0])
    plain = call.plain()
    for seed in range(6):
        lost = np.flatnonzero(np.random.default_rng(seed).random(call.packets) < 0.1 * (seed + 1))
        sound, _ = call.without(*lost)
        assert np.isfinite(sound).all()
        assert np.abs(sound).max() < 4 * np.abs(plain).max()


def test_both_channels_are_concealed() -> None:
    signal = np.stack([voice(16_000), voice(16_000)[::-1]])
    for name in ("lc3_64", "sbc_128"):
        encoder = calibrate(Condition.parse(name).steps[0], load_settings(), 16_000, 2)
        payload, opener = encoder.encode(signal), lossy_opener(encoder.decoding, encoder.encoder.name)
        about = {"decoding": encoder.decoding, "rate": 16_000, "delay": encoder.delay, "samples": signal.shape[1]}
        plain = decode(payload, **about)
        sound, [[start, stop]] = decode_lossy(payload, opener, lose=lambda packets: np.arange(packets) == 60, **about)
        np.testing.assert_array_equal(sound[:, : start - 100], plain[:, : start - 100])
        for channel, other in zip(sound, plain, strict=True):
            assert 0.05 * power(other[start:stop]) < power(channel[start:stop]) < 3 * power(other[start:stop])
        np.testing.assert_array_equal(decode_lossy(payload, opener, lose=lambda packets: np.zeros(packets, bool), **about)[0], plain)


@pytest.mark.parametrize("name", ["mp3_64", "aac_64", "opus_32", "ac3_64"])
def test_codecs_without_packets_are_refused_with_those_that_have_some(name: str) -> None:
    encoder = encoder_of(name, 48_000)
    with pytest.raises(LinkError, match=r"codec '.*' takes no link.*opus-voip, opus-wb"):
        lossy_opener(encoder.decoding, encoder.encoder.name)


def test_flac_is_refused() -> None:
    with pytest.raises(LinkError, match="codec 'flac' takes no link"):
        lossy_opener(Decoding(codec="flac", demuxer="flac"), "flac")


@pytest.mark.parametrize("name", CALLS)
def test_bytes_that_are_not_a_bitstream_are_refused(name: str) -> None:
    call = Call(name, CALLS[name][0])
    for payload in (b"", b"RIFF\x00\x00\x00\x00WAVE", np.random.default_rng(1).bytes(900), call.payload[: len(call.payload) // 2]):
        with pytest.raises(CorruptError, match=r"cannot be decoded|holds"):
            decode_lossy(payload, call.opener, lose=lambda packets: np.zeros(packets, bool), **call.about)


@pytest.mark.parametrize("rate", [0, 49, 0xFFFF_FFFF])
def test_a_wav_file_of_a_rate_that_no_store_has_is_refused(rate: int) -> None:
    """One below 50 Hz has packets of no sample, and concealment takes memory in proportion to the rate."""
    payload = bytearray(encoder_of("alaw_64", 8_000).encode(voice(8_000)))
    payload[24:28] = rate.to_bytes(4, "little")
    with pytest.raises(ValueError, match=f"{rate} Hz has no packets"):
        TelephonyPackets.of(bytes(payload))
