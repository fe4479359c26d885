"""A part of a clip has the bits that it has in the whole, and what comes after it is not decoded."""

import numpy as np
import pytest

from streamaug.codecs import FLAC, calibrate, decode, flac, frames, load_settings
from streamaug.codecs.base import Decoding
from streamaug.codecs.pcm import encode_flac
from streamaug.conditions import Condition
from streamaug.errors import CorruptError, EncoderError
from tests.codecs.signals import noise

SAMPLES = 30_000
RATES = {
    "g722": (16_000, 44_100),
    "amr-nb": (8_000, 44_100),
    "alaw": (8_000, 44_100),
    "opus": (48_000, 44_100),
    "ac3": (48_000,),
    "lc3": (16_000, 44_100),
    "msbc": (16_000,),
}
CODECS = (
    "mp3_64",
    "mp2_64",
    "ac3_64",
    "aac_32",
    "he-aac_32",
    "opus_32",
    "sbc_64",
    "g722_64",
    "amr-nb_12.2",
    "alaw_64",
    "mulaw_64",
    "lc3_32",
    "msbc_60",
)
PARTS = [(0, 1), (0, SAMPLES), (0, 9_000), (12_345, 20_345), (SAMPLES - 7, SAMPLES), (SAMPLES // 2, SAMPLES)]


def bitstream(name: str, rate: int) -> tuple[bytes, Decoding, int]:
    """Two thirds of a second of noise, what decodes it, and its delay."""
    signal = np.resize(noise(), SAMPLES)
    if name == "original":
        return encode_flac(signal, rate), FLAC, 0
    try:
        encoder = calibrate(Condition.parse(name).steps[0], load_settings(), rate)
    except EncoderError as error:
        pytest.skip(f"no encoder on this machine: {error}")
    return encoder.encode(signal), encoder.decoding, encoder.delay


@pytest.mark.parametrize(
    ("name", "rate"), [("original", 44_100), *((name, rate) for name in CODECS for rate in RATES.get(name.partition("_")[0], (44_100,)))]
)
def test_a_part_has_the_bits_of_the_whole(name: str, rate: int) -> None:
    payload, decoded_by, delay = bitstream(name, rate)
    settings = {"decoding": decoded_by, "rate": rate, "delay": delay, "samples": SAMPLES}
    whole = decode(payload, **settings)
    for start, stop in PARTS:
        assert np.array_equal(decode(payload, **settings, part=(start, stop)), whole[start:stop])


def test_flac_is_decoded_in_parts_without_miniaudio_too(monkeypatch: pytest.MonkeyPatch) -> None:
    payload, decoded_by, _ = bitstream("original", 44_100)
    settings = {"decoding": decoded_by, "rate": 44_100, "delay": 0, "samples": SAMPLES}
    parts = [decode(payload, **settings, part=part) for part in PARTS]
    monkeypatch.setattr(flac, "miniaudio", None)
    assert all(np.array_equal(decode(payload, **settings, part=part), fast) for part, fast in zip(PARTS, parts, strict=True))


@pytest.mark.parametrize("without_miniaudio", [False, True])
def test_a_part_after_the_end_is_refused(monkeypatch: pytest.MonkeyPatch, without_miniaudio: bool) -> None:
    if without_miniaudio:
        monkeypatch.setattr(flac, "miniaudio", None)
    payload, decoded_by, _ = bitstream("original", 44_100)
    for part in ((SAMPLES - 10, SAMPLES + 10), (2 * SAMPLES, 2 * SAMPLES + 10)):
        with pytest.raises(CorruptError, match=r"holds \d+ samples of 90000"):
            decode(payload, decoding=decoded_by, rate=44_100, delay=0, samples=3 * SAMPLES, part=part)


@pytest.mark.parametrize("name", ["mp3_64", "aac_32", "sbc_64", "alaw_64"])
def test_what_comes_after_a_part_is_not_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rate = 8_000 if name == "alaw_64" else 44_100
    payload, decoded_by, delay = bitstream(name, rate)
    own = frames._frames
    counts = []

    def counted(*arguments):
        counts.append(0)
        for frame in own(*arguments):
            counts[-1] += frame.samples
            yield frame

    monkeypatch.setattr(frames, "_frames", counted)
    for part in ((0, SAMPLES), (1_000, 5_000)):
        decode(payload, decoding=decoded_by, rate=rate, delay=delay, samples=SAMPLES, part=part)
    whole, part = counts
    assert whole >= SAMPLES
    assert part <= 5_000 + delay + 2_048
