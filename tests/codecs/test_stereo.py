"""Two channels come back as two channels, each in its place and sample-aligned with itself."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from streamaug.building.chains import Chain, encode_clip
from streamaug.codecs import FLAC, Audio, CalibratedEncoder, Decoding, calibrate, decode, load_settings
from streamaug.codecs.alignment import calibration_signal, measure_delay, shift, tolerance
from streamaug.codecs.encoders import fdkaac
from streamaug.codecs.pcm import digest, encode_flac, padded, to_float
from streamaug.conditions import Condition
from streamaug.errors import CorruptError, EncoderError, PluginError
from tests.codecs.signals import RATE, as_wav, noise

STEREO = ("mp3_64", "mp3_128", "aac_64", "opus_64", "sbc_128", "ac3_128", "mp2_128", "he-aac_48", "lc3_160")
MONO = ("g722_64", "amr-nb_12.2", "alaw_64", "mulaw_64", "msbc_60", "opus-voip_24")
UNRELATED = np.stack([noise(seed=1), noise(seed=2)])


@cache
def calibrated(name: str, rate: int = RATE) -> CalibratedEncoder:
    if name.startswith("he-aac") and fdkaac.version() is None:
        pytest.skip("fdkaac is not installed")
    return calibrate(Condition.parse(name).steps[0], load_settings(), rate, 2)


def view_of(name: str, signal: np.ndarray) -> np.ndarray:
    condition = Condition.parse(name)
    chain = Chain(condition=condition, steps=tuple(calibrated(str(step)) for step in condition.steps), rate=RATE, channels=2)
    (encoded,) = encode_clip([chain], signal, {"clip_id": "clip"}, load=lambda _: signal)
    return decode(encoded.payload, decoding=chain.decoding, rate=RATE, delay=chain.delay, samples=signal.shape[-1])


@pytest.mark.parametrize("name", [*STEREO, "sbc_128+aac_128"])
def test_each_channel_is_aligned_with_itself_and_holds_nothing_of_the_other(name):
    view = view_of(name, UNRELATED)
    assert view.dtype == np.float32
    assert view.shape == UNRELATED.shape
    for own, other in ((0, 1), (1, 0)):
        delay, height = measure_delay(view[own], UNRELATED[own], 3_000)
        assert delay == 0
        assert height > 0.7
        assert abs(np.corrcoef(view[own], UNRELATED[other])[0, 1]) < 0.05
    assert shift(view, UNRELATED, RATE) == 0
    assert shift(padded(view, 40, 0), UNRELATED, RATE) == 40


@pytest.mark.parametrize("name", STEREO)
def test_the_bitrate_is_that_of_the_whole_stream(name):
    asked = Condition.parse(name).steps[0].kbps
    assert asked * 0.95 < calibrated(name).kbps < asked * 1.15
    assert calibrated(name).arguments["channels"] == "2"


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_channels_are_aligned_at_other_rates_of_the_store(rate):
    signal = UNRELATED[:, :rate]
    for name in ("aac_64", "opus_64", "sbc_128"):
        coding = calibrated(name, rate)
        view = coding.decode(coding.encode(signal), rate)
        assert [measure_delay(*pair, 3_000)[0] for pair in zip(view, signal, strict=True)] == [0, 0]


def test_equal_channels_cost_less_than_unrelated_ones_where_they_are_coded_jointly():
    def error(signal: np.ndarray) -> float:
        return float(np.square(view_of("mp3_64", signal) - to_float(signal)).mean() / np.square(to_float(signal)).mean())

    assert error(np.stack([UNRELATED[0]] * 2)) < 0.7 * error(UNRELATED)


@pytest.mark.parametrize("name", MONO)
def test_a_codec_of_one_channel_is_refused_with_what_to_do(name):
    codec = name.partition("_")[0]
    with pytest.raises(EncoderError, match=f"'{name}': codec '{codec}' takes one channel, but the store has 2; .* --channels mono"):
        calibrated(name)


class Exchanging:
    """An encoder that writes the right channel first."""

    name, version, install_hint, arguments = "exchanging", "1", "", {}

    def encode(self, pcm, *, rate, kbps, tail):
        return padded(pcm[::-1], 0, tail).astype("<i2").tobytes()


class ExchangingCodec:
    name, version, extension, sample_rates, takes_stereo = "exchanging", "1", "raw", (16_000,), True

    def encoder(self, variant=""):
        return Exchanging()

    def decode(self, payload):
        return Audio(samples=np.frombuffer(payload, "<i2").reshape(2, -1).astype(np.float32) / 32_768, rate=16_000)


def test_an_encoder_that_exchanges_the_channels_is_refused(monkeypatch):
    monkeypatch.setattr("streamaug.codecs.calibration.find_codec", lambda step, settings: ExchangingCodec())
    with pytest.raises(EncoderError, match="'exchanging_512': exchanging exchanges the left and the right channel"):
        calibrate(Condition.parse("exchanging_512").steps[0], load_settings(), 16_000, 2)


class Staggering(Exchanging):
    """An encoder that delays the right channel alone."""

    name = "staggering"

    def encode(self, pcm, *, rate, kbps, tail):
        right = padded(pcm[1], 100, 0)[: pcm.shape[1]]
        return super().encode(np.stack([right, pcm[0]]), rate=rate, kbps=kbps, tail=tail)


def test_an_encoder_that_delays_one_channel_alone_is_refused(monkeypatch):
    monkeypatch.setattr("streamaug.codecs.calibration.find_codec", lambda step, settings: ExchangingCodec())
    monkeypatch.setattr(ExchangingCodec, "encoder", lambda self, variant="": Staggering())
    with pytest.raises(EncoderError, match="staggering delays the left channel by 0 samples and the right one by 100"):
        calibrate(Condition.parse("exchanging_512").steps[0], load_settings(), 16_000, 2)


class FirstChannel(ExchangingCodec):
    """A codec that loses a channel."""

    def decode(self, payload):
        return replace(super().decode(payload), samples=super().decode(payload).samples[0])


def test_a_codec_that_loses_a_channel_is_refused(monkeypatch):
    monkeypatch.setattr("streamaug.codecs.calibration.find_codec", lambda step, settings: FirstChannel())
    with pytest.raises(EncoderError, match="what exchanging makes of 2 channels decodes to 1"):
        calibrate(Condition.parse("exchanging_512").steps[0], load_settings(), 16_000, 2)
    monkeypatch.setattr("streamaug.codecs.decoding.plugin_codec", lambda name: FirstChannel())
    with pytest.raises(PluginError, match=r"must return float32 of shape \(2, samples\)"):
        decode(bytes(80), decoding=Decoding(codec="exchanging", demuxer=None, channels=2), rate=16_000, delay=0, samples=10)


def test_opus_makes_equal_channels_at_16_kbps_and_is_taken_for_what_it_is():
    view = view_of("opus_16", UNRELATED)
    assert np.corrcoef(view)[0, 1] > 0.99
    assert shift(view, UNRELATED, RATE) == 0


def test_opus_is_early_by_the_tolerance_where_it_takes_both_channels_for_speech():
    common, apart = noise(4.0, seed=3) * 0.8, noise(4.0, seed=4) * 0.2
    signal = np.stack([common + apart, common - apart]).astype(np.int16)
    early = shift(view_of("opus_32", signal), signal, RATE)
    assert -tolerance("libopus", 2, RATE) <= early < 0
    assert shift(view_of("opus_64", signal), signal, RATE) == 0
    assert tolerance("libopus", 1, RATE) == tolerance("libmp3lame", 2, RATE) == 0


@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_flac_holds_both_channels_exactly(dtype):
    signal = UNRELATED if dtype == np.int16 else UNRELATED.astype(np.int32) << 16 | 0x5A00
    stereo = FLAC.model_copy(update={"channels": 2})
    payload = encode_flac(signal, RATE)
    samples = signal.shape[-1]
    np.testing.assert_array_equal(decode(payload, decoding=stereo, rate=RATE, delay=0, samples=samples), to_float(signal))
    np.testing.assert_array_equal(decode(payload, decoding=FLAC, rate=RATE, delay=0, samples=samples), to_float(signal[0]))


@pytest.mark.parametrize("decoding", [FLAC, Decoding(codec="wav", demuxer="wav")])
def test_a_bitstream_of_one_channel_in_a_store_of_two_is_an_error(decoding):
    payload = encode_flac(noise(), RATE) if decoding == FLAC else as_wav(noise())
    with pytest.raises(CorruptError, match="it has 1 channel, but the store has 2"):
        decode(payload, decoding=decoding.model_copy(update={"channels": 2}), rate=RATE, delay=0, samples=100)


def test_digests_tell_channels_apart():
    assert len({digest(UNRELATED), digest(UNRELATED[::-1]), digest(UNRELATED[0]), digest(UNRELATED[1])}) == 4


def test_the_first_channel_of_the_calibration_signal_is_that_of_mono():
    stereo = calibration_signal(RATE, 2)
    np.testing.assert_array_equal(stereo[0], calibration_signal(RATE))
    assert measure_delay(stereo[1], stereo[0], 20_000)[1] < 0.1
