import io

import numpy as np
import pytest
import soundfile

from streamaug.codecs import Decoding, Settings, calibrate, choose_encoder, decode, load_settings
from streamaug.codecs.coding import CalibratedEncoder
from streamaug.conditions import Condition
from streamaug.errors import ConditionError, CorruptError, EncoderError
from tests.codecs.signals import RATE, noise


def ready(name: str, settings: Settings | None = None) -> CalibratedEncoder:
    return calibrate(Condition.parse(name).steps[0], settings or load_settings(), RATE)


@pytest.mark.parametrize("name", ["mp3_64", "aac_32", "opus_64", "sbc_64", "he-aac_16", "amr-nb_12.2", "g722_64"])
def test_the_same_samples_give_the_same_bytes(name):
    coding = ready(name)
    assert coding.encode(noise()) == coding.encode(noise())


def test_sources_of_24_bit_are_coded_from_all_their_bits():
    coding = ready("aac_64")
    fine = noise().astype(np.int32) << 16
    assert coding.encode(fine) == coding.encode(fine)
    assert coding.encode(fine | 0x7F00) != coding.encode(fine)


@pytest.mark.parametrize(("name", "near"), [("mp3_16", "mp3_33"), ("g722_32", "g722_64"), ("aac_8", "aac_16")])
def test_a_bitrate_that_the_encoder_would_not_keep_is_refused_with_one_that_it_has(name, near):
    with pytest.raises(EncoderError, match=near):
        ready(name)


def test_an_unknown_codec_is_answered_with_the_nearest():
    with pytest.raises(ConditionError, match="did you mean 'opus'"):
        ready("opuss_64")


def test_where_no_encoder_is_here_the_message_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    from streamaug.codecs import processes

    for cached in (processes.fdkaac_version, processes.ffmpeg_version, processes.ffmpeg_encoders):
        cached.cache_clear()
    try:
        with pytest.raises(EncoderError, match="install fdkaac"):
            choose_encoder(Condition.parse("he-aac_16").steps[0], load_settings())
    finally:
        for cached in (processes.fdkaac_version, processes.ffmpeg_version, processes.ffmpeg_encoders):
            cached.cache_clear()


def test_a_users_own_ffmpeg_serves_a_step_when_the_settings_say_so(tmp_path):
    changes = tmp_path / "settings.yaml"
    changes.write_text(
        "codecs:\n  mp3:\n    encoders: [{adapter: ffmpeg, encoder: libmp3lame, muxer: mp3, arguments: {compression_level: '9'}}]\n"
    )
    coding = ready("mp3_64", load_settings(changes))
    assert coding.version.startswith("ffmpeg ")
    assert coding.choice.adapter == "ffmpeg"
    payload = coding.encode(noise())
    assert payload == coding.encode(noise())
    assert payload != ready("mp3_64").encode(noise())
    samples, rate = soundfile.read(io.BytesIO(payload))
    assert (rate, samples.ndim) == (RATE, 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("codecs: [mp3]", "no mapping"),
        ("codecs: {mp3: {extention: mp3}}", "extention"),
        ("codecs: {mp3: {encoders: [{adapter: sox, encoder: lame, muxer: mp3}]}}", "adapter"),
        ("codecs: {mp3: {encoders: [{adapter: ffmpeg, encoder: '-i /etc/passwd', muxer: mp3}]}}", "encoder"),
        ("conditions: [MP3]", "MP3"),
        ("a: [", "settings"),
    ],
)
def test_wrong_settings_are_refused_by_name(tmp_path, text, told):
    changes = tmp_path / "settings.yaml"
    changes.write_text(text)
    with pytest.raises(ConditionError, match=told):
        load_settings(changes)


@pytest.mark.parametrize("demuxer", ["mp3", "aac", "ogg", "sbc", "flac", "wav", "amr", "nonsense"])
def test_bytes_that_are_no_bitstream_are_refused(demuxer):
    with pytest.raises(CorruptError, match=r"cannot be decoded|holds"):
        decode(np.random.default_rng(0).bytes(4_000), decoding=Decoding(codec=demuxer, demuxer=demuxer), rate=RATE, delay=0, samples=RATE)


@pytest.mark.parametrize("name", ["mp3_64", "aac_64", "sbc_64", "opus_64"])
def test_a_bitstream_that_holds_too_little_is_refused(name):
    coding = ready(name)
    payload = coding.encode(noise())
    with pytest.raises(CorruptError, match=r"samples of|cannot be decoded"):
        decode(payload[: len(payload) // 2], decoding=coding.decoding, rate=RATE, delay=coding.delay, samples=2 * RATE)
