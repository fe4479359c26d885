"""Steps are prepared by trying them, and what cannot be had is refused with a remedy."""

import io

import numpy as np
import pytest
import soundfile

from streamaug.codecs import Audio, CalibratedEncoder, Settings, calibrate, choose_encoder, load_settings
from streamaug.codecs.alignment import calibration_signal, measure_delay
from streamaug.codecs.encoders import PyAVEncoder, fdkaac, ffmpeg
from streamaug.conditions import Condition
from streamaug.errors import ConditionError, EncoderError
from tests.codecs.signals import RATE, noise


def calibrated(name: str, settings: Settings | None = None) -> CalibratedEncoder:
    return calibrate(Condition.parse(name).steps[0], settings or load_settings(), RATE)


@pytest.mark.parametrize(
    "name", ["mp3_64", "aac_32", "opus_64", "sbc_64", "he-aac_16", "amr-nb_12.2", "g722_64", "lc3_32", "msbc_60", "opus-voip_24"]
)
def test_the_same_samples_give_the_same_bytes(name):
    encoder = calibrated(name)
    assert encoder.encode(noise()) == encoder.encode(noise())


def test_sources_of_24_bit_are_coded_from_all_their_bits():
    encoder = calibrated("aac_64")
    fine = noise().astype(np.int32) << 16
    assert encoder.encode(fine) == encoder.encode(fine)
    assert encoder.encode(fine | 0x7F00) != encoder.encode(fine)


@pytest.mark.parametrize(("name", "near"), [("mp3_16", "mp3_32"), ("g722_32", "g722_64"), ("aac_8", "aac_16")])
def test_a_bitrate_that_the_encoder_would_not_keep_is_refused_with_one_that_it_has(name, near):
    with pytest.raises(EncoderError, match=near):
        calibrated(name)


@pytest.mark.parametrize(
    ("name", "rate", "message"),
    [
        ("sbc_328", 8_000, "'sbc_328': what sbc makes at 328 kbps and 16000 Hz cannot be decoded"),
        ("mp3_100000000000000000000@lame-vbr", 8_000, "'mp3_100000000000000000000@lame-vbr': libmp3lame at"),
        ("opus_900", 48_000, "'opus_900': libopus at 900 kbps"),
    ],
)
def test_a_bitrate_that_a_codec_cannot_have_is_refused_by_name(name, rate, message):
    with pytest.raises(EncoderError, match=message):
        calibrate(Condition.parse(name).steps[0], load_settings(), rate)


@pytest.mark.parametrize(
    ("name", "rate", "delay"), [("he-aac_32", 192_000, 20_227), ("he-aac_32", 96_000, 10_114), ("he-aac_32", RATE, 5_057)]
)
def test_a_delay_is_found_in_stores_of_any_rate(name, rate, delay):
    if fdkaac.version() is None:
        pytest.skip("fdkaac is not installed")
    assert calibrate(Condition.parse(name).steps[0], load_settings(), rate).delay == delay


@pytest.mark.parametrize("rate", [16_000, RATE, 48_000])
@pytest.mark.parametrize("kbps", [12, 16, 24])
def test_opus_as_telephones_use_it_is_aligned(tmp_path, rate, kbps):
    changes = tmp_path / "voip.yaml"
    changes.write_text(
        'codecs: {opus: {encoders: [{adapter: pyav, encoder: libopus, muxer: ogg, arguments: {application: voip, vbr: "on"}}]}}\n'
    )
    encoder = calibrate(Condition.parse(f"opus_{kbps}").steps[0], load_settings(changes), rate)
    reference = calibration_signal(rate, seconds=2.5)
    decoded = encoder.decode(encoder.encode(reference), len(reference))
    late, height = measure_delay(decoded, reference, 1_000)
    assert abs(late) <= 1
    assert height > 0.8


class Early:
    """Loses the signal's first sample, with the silence ahead of it."""

    name, version, install_hint, arguments = "early", "1", "", {}

    def encode(self, pcm, *, rate, kbps, tail):
        first = np.flatnonzero(pcm)[0] if pcm.any() else 0
        return np.pad(pcm[first + 1 :], (0, tail + 1)).astype("<i2").tobytes()


class EarlyCodec:
    name, version, extension = "early", "1", "raw"
    sample_rates = (16_000,)

    def encoder(self, variant=""):
        return Early()

    def decode(self, payload):
        return Audio(samples=np.frombuffer(payload, "<i2").astype(np.float32) / 32_768, rate=16_000)


def test_a_delay_of_minus_one_that_silence_ahead_does_not_change_counts_as_rounding(monkeypatch):
    monkeypatch.setattr("streamaug.codecs.calibration.find_codec", lambda step, settings: EarlyCodec())
    encoder = calibrate(Condition.parse("early_256").steps[0], load_settings(), 16_000)
    assert (encoder.delay, encoder.lead) == (0, 0)


def test_an_unknown_codec_is_answered_with_the_nearest():
    with pytest.raises(ConditionError, match=r"no codec 'opuss'\. Did you mean 'opus'\?"):
        calibrated("opuss_64")


def test_where_no_encoder_is_installed_the_message_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    for cached in (fdkaac.version, ffmpeg.version, ffmpeg.encoder_names):
        cached.cache_clear()
    try:
        with pytest.raises(
            EncoderError,
            match=r"'he-aac_16': no encoder for codec 'he-aac' on this machine \(needs fdkaac \(fdkaac\) or .*; install fdkaac",
        ):
            choose_encoder(Condition.parse("he-aac_16").steps[0], load_settings())
    finally:
        for cached in (fdkaac.version, ffmpeg.version, ffmpeg.encoder_names):
            cached.cache_clear()


def test_a_users_own_ffmpeg_serves_a_step_when_the_settings_say_so(tmp_path):
    changes = tmp_path / "settings.yaml"
    changes.write_text(
        "codecs:\n  mp3:\n    encoders: [{adapter: ffmpeg, encoder: libmp3lame, muxer: mp3, arguments: {compression_level: '9'}}]\n"
    )
    encoder = calibrated("mp3_64", load_settings(changes))
    assert encoder.version.startswith("ffmpeg ")
    assert encoder.adapter == "ffmpeg"
    payload = encoder.encode(noise())
    assert payload == encoder.encode(noise())
    assert payload != calibrated("mp3_64").encode(noise())
    samples, rate = soundfile.read(io.BytesIO(payload))
    assert (rate, samples.ndim) == (RATE, 1)


@pytest.mark.parametrize("rate", [16_000, RATE])
def test_a_decoder_that_drops_the_first_samples_still_gives_the_whole_clip(tmp_path, rate):
    changes = tmp_path / "settings.yaml"
    changes.write_text(
        "codecs: {wma: {extension: wma, demuxer: asf, rates: [16000, 44100], encoders: [{adapter: pyav, encoder: wmav2, muxer: asf}]}}"
    )
    encoder = calibrate(Condition.parse("wma_64").steps[0], load_settings(changes), rate)
    assert encoder.lead > 0
    assert encoder.arguments["lead"] == str(encoder.lead)
    decoded = encoder.decode(encoder.encode(noise()), len(noise()))
    assert np.corrcoef(decoded[:400], noise()[:400])[0, 1] > 0.9


@pytest.mark.parametrize("lacking", ["libshine", "mp3_mf", "libx264"])
def test_an_encoder_that_pyav_lacks_or_that_is_not_for_audio_is_passed_over(tmp_path, lacking):
    assert PyAVEncoder(name=lacking, muxer="mp3", options={}).version is None
    choices = [f"{{adapter: pyav, encoder: {encoder}, muxer: mp3}}" for encoder in (lacking, "libmp3lame")]
    changes = tmp_path / "settings.yaml"
    changes.write_text(f"codecs: {{mp3: {{encoders: [{', '.join(choices)}]}}}}\n")
    assert calibrated("mp3_64", load_settings(changes)).encoder.name == "libmp3lame"
    changes.write_text(f"codecs: {{mp3: {{encoders: [{choices[0]}]}}}}\n")
    with pytest.raises(EncoderError, match=rf"needs {lacking} \(pyav\)\); install .* an ffmpeg that has {lacking}"):
        calibrated("mp3_64", load_settings(changes))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("codecs: [mp3]", "not a mapping"),
        ("codecs: {mp3: {extention: mp3}}", "extention"),
        (
            "codecs: {mp3: {encoders: [{adapter: sox, encoder: lame, muxer: mp3}]}}",
            "no adapter 'sox'. Available: pyav, fdkaac, amrwb, ffmpeg",
        ),
        ("codecs: {mp3: {encoders: [{adapter: ffmpeg, encoder: '-i /etc/passwd', muxer: mp3}]}}", "encoder"),
        ("conditions: [MP3]", "MP3"),
        ("a: [", "settings"),
    ],
)
def test_wrong_settings_are_refused_by_name(tmp_path, text, problem):
    changes = tmp_path / "settings.yaml"
    changes.write_text(text)
    with pytest.raises(ConditionError, match=problem):
        load_settings(changes)
