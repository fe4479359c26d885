"""Codecs beyond those of the paper: aligned, decoded as other programs do, refused with the reason."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamaug.codecs import CalibratedEncoder, calibrate, choose_encoder, decode, decode_file, load_settings
from streamaug.codecs.alignment import likeness_of, measure_delay, shift
from streamaug.codecs.encoders import amrwb
from streamaug.codecs.pcm import to_float, to_pcm
from streamaug.codecs.programme import programme_signal
from streamaug.conditions import Condition
from streamaug.errors import EncoderError
from tests.codecs.packets.bitstreams import voice
from tests.codecs.signals import RATE, noise, recordings

SPEECH = ("amr-wb_12.65", "gsm_13", "speex_16.8", "speex-nb_15", "opus-wb_16", "opus-nb_12")
OTHERS = ("g726_32", "vorbis_64", "wma_64", "eac3_64")
_STEREO = ("aptx_384", "vorbis_128", "wma_128", "eac3_128")


def calibrated(name: str, channels: int = 1, rate: int = RATE) -> CalibratedEncoder:
    try:
        return calibrate(Condition.parse(name).steps[0], load_settings(), rate, channels)
    except EncoderError as error:
        if "on this machine" not in str(error):
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("name", [*SPEECH, *OTHERS])
def test_noise_and_recordings_come_back_aligned_and_as_long(name: str, shared_data: Path) -> None:
    encoder = calibrated(name)
    dog_bark = recordings(shared_data / "esc10" / "audio", ("1-30226-A",))[0]
    for signal in (noise(seconds=1.2345), dog_bark):
        decoded = encoder.decode(encoder.encode(signal), len(signal))
        assert len(decoded) == len(signal)
        # A sample of speech at 8 kHz has more than five of the store, to which a peak is rounded.
        assert abs(measure_delay(decoded, signal, 3_000)[0]) <= (name in SPEECH)


@pytest.mark.parametrize("name", ["amr-nb_12.2", "amr-wb_12.65", "speex_16.8", "opus-wb_16"])
def test_a_clip_that_is_a_millisecond_late_is_noticed_although_speech_may_move(name: str) -> None:
    encoder, signal = calibrated(name, rate=16_000), noise()[:48_000]
    decoded, likeness = encoder.decode(encoder.encode(signal), len(signal)), likeness_of([encoder.encoder.name])
    assert shift(decoded, signal, 16_000, likeness) == 0
    assert shift(np.pad(decoded, (16, 0)), signal, 16_000, likeness) == pytest.approx(16, abs=1)


@pytest.mark.parametrize("name", ["amr-nb_12.2", "speex_16.8"])
def test_a_clip_that_rumbles_does_not_seem_late_because_the_rumble_is_filtered(name: str) -> None:
    encoder = calibrated(name)
    time = np.arange(3 * RATE) / RATE
    rumble = sum(np.sin(2 * np.pi * frequency * time + frequency) for frequency in range(30, 90, 4))
    signal = to_pcm(0.03 * rumble + 0.1 * to_float(noise(seconds=3.0)), 16)
    decoded, likeness = encoder.decode(encoder.encode(signal), len(signal)), likeness_of([encoder.encoder.name])
    assert shift(decoded, signal, RATE, likeness) == 0
    assert shift(decoded, signal, RATE, replace(likeness, lowest=0)) != 0


@pytest.mark.parametrize("name", _STEREO)
def test_two_channels_come_back_in_their_places(name: str) -> None:
    signal = np.stack([noise(seed=1), noise(seed=2)])
    encoder = calibrated(name, channels=2)
    decoded = encoder.decode(encoder.encode(signal), signal.shape[1])
    for own, other in ((0, 1), (1, 0)):
        assert measure_delay(decoded[own], signal[own], 3_000)[0] == 0
        assert abs(np.corrcoef(decoded[own], signal[other])[0, 1]) < 0.1


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize("name", [*SPEECH, *OTHERS, "msbc_60"])
def test_the_ffmpeg_program_decodes_the_same_samples(name: str) -> None:
    encoder = calibrated(name)
    payload = encoder.encode(noise())
    is_libopus = encoder.decoding.decoder == "libopus"
    decoder = ["-c:a", "libopus"] if is_libopus else []
    command = ["ffmpeg", "-loglevel", "error", "-f", encoder.decoding.demuxer, *decoder, "-i", "pipe:0", "-f", "f32le", "pipe:1"]
    other = np.frombuffer(subprocess.run(command, input=payload, capture_output=True, check=True).stdout, "<f4")
    own = decode_file(payload, encoder.decoding).samples
    if is_libopus:  # FFmpeg cuts the encoder's delay and what is after the end, and rounds to 16 bits
        own = own[312 : 312 + len(other)]
    if encoder.decoding.decoder == "opencore":  # the standard's decoder in whole numbers; FFmpeg's counts with fractions
        assert np.square(own - other).mean() < 0.03 * np.square(other).mean()
    else:
        # Another build of libopus rounds elsewhere.
        np.testing.assert_allclose(own, other, rtol=0, atol=2e-3 if is_libopus else 1e-6)


@pytest.mark.parametrize("name", ["amr-wb_12.65", "speex_16.8", "g726_32"])
def test_a_part_has_the_bits_of_the_whole(name: str) -> None:
    encoder, signal = calibrated(name, rate=16_000), noise()[:30_000]
    settings = {"decoding": encoder.decoding, "rate": 16_000, "delay": encoder.delay, "samples": len(signal)}
    payload = encoder.encode(signal)
    whole = decode(payload, **settings)
    for start, stop in ((0, 9_000), (12_345, 20_345), (29_993, 30_000)):
        assert np.array_equal(decode(payload, **settings, part=(start, stop)), whole[start:stop])


@pytest.mark.parametrize("kbps", [6.6, 12.65, 23.85])
def test_amr_wb_holds_one_frame_of_the_mode_per_20_ms(kbps: float) -> None:
    payload = calibrated(f"amr-wb_{kbps}", rate=16_000).encode(noise()[:16_000])
    assert payload.startswith(b"#!AMR-WB\n")
    mode = (6.6, 12.65, 23.85).index(kbps) and {12.65: 2, 23.85: 8}[kbps]
    size = {0: 18, 2: 33, 8: 61}[mode]
    frames = np.frombuffer(payload[9:], np.uint8).reshape(-1, size)
    assert len(frames) == 51  # one more, so that the delay's samples are there
    assert set(frames[:, 0] >> 3 & 15) == {mode}


def test_amr_wb_of_24_bits_uses_the_16_that_it_has() -> None:
    encoder = calibrated("amr-wb_12.65", rate=16_000)
    signal = noise()[:16_000]
    assert encoder.encode(signal.astype(np.int32) << 16) == encoder.encode(signal)


def test_without_its_library_amr_wb_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    amrwb._library.cache_clear()
    amrwb.version.cache_clear()
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    monkeypatch.setenv("PATH", "")
    try:
        with pytest.raises(
            EncoderError, match=r"needs libvo-amrwbenc \(amrwb\) or .*; install libvo-amrwbenc .*apt-get install libvo-amrwbenc0"
        ):
            choose_encoder(Condition.parse("amr-wb_12.65").steps[0], load_settings())
    finally:
        amrwb._library.cache_clear()
        amrwb.version.cache_clear()


def test_aptx_takes_two_channels_only() -> None:
    with pytest.raises(EncoderError, match=r"'aptx_384': codec 'aptx' takes two channels, but the store has one; .* --channels keep"):
        calibrated("aptx_384")


def test_a_variable_bitrate_is_judged_by_a_signal_like_a_recording(shared_data: Path) -> None:
    encoder = calibrated("vorbis_64")
    assert 0.8 < encoder.kbps / 64 < 1.2
    names = ("1-30226-A", "1-17367-A", "1-17150-A")
    clips = recordings(shared_data / "esc10" / "audio", names)
    measured = [len(encoder.encode(clip)) * 8 * RATE / len(clip) / 1000 for clip in clips]
    assert encoder.kbps < 1.5 * max(measured)


@pytest.mark.parametrize("seconds", [0.25, 0.5, 1.0])
def test_clips_that_end_loud_come_back_whole_from_vorbis(seconds: float) -> None:
    """Its encoder leaves the last short block out, unless silence follows."""
    encoder, signal = calibrated("vorbis_64"), voice(RATE, seconds)
    assert len(encoder.decode(encoder.encode(signal), len(signal))) == len(signal)


@pytest.mark.parametrize(("rate", "channels"), [(8_000, 1), (RATE, 2)])
def test_that_signal_has_all_frequencies_and_does_not_clip(rate: int, channels: int) -> None:
    signal = programme_signal(rate, channels)
    assert signal.shape == ((3 * rate,) if channels == 1 else (2, 3 * rate))
    assert np.abs(signal.astype(int)).max() < 32_767
    spectrum = np.abs(np.fft.rfft(signal / 32_768)) ** 2
    share = spectrum[..., -spectrum.shape[-1] // 8 :].sum(-1) / spectrum.sum(-1)
    assert np.all(share > 1e-4)
