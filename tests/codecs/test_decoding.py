"""Bitstreams are decoded in the format that their index names, whatever they look like."""

import io
import subprocess
import sys
import tempfile

import numpy as np
import pytest
import soundfile

from streamaug.codecs import FLAC, Decoding, calibrate, decode, decode_file, decoder_version, flac, load_settings
from streamaug.codecs.frames import Needed, decode_frames
from streamaug.codecs.pcm import encode_flac
from streamaug.conditions import Condition
from streamaug.errors import CorruptError, PluginError
from tests.codecs.signals import RATE, as_wav, noise, torchcodec_decoders


def calibrated(name: str, rate: int = RATE):
    return calibrate(Condition.parse(name).steps[0], load_settings(), rate)


@pytest.mark.parametrize("demuxer", ["mp3", "aac", "ogg", "sbc", "flac", "wav", "amr"])
def test_bytes_that_are_not_a_bitstream_are_refused(demuxer):
    with pytest.raises(CorruptError, match=r"cannot be decoded|holds"):
        decode(np.random.default_rng(0).bytes(4_000), decoding=Decoding(codec=demuxer, demuxer=demuxer), rate=RATE, delay=0, samples=RATE)


def test_channels_that_change_in_the_middle_are_refused():
    """FFmpeg's queue of frames would read the memory of a channel that is not there, and crash."""
    mono, stereo = (calibrate(Condition.parse("eac3_64").steps[0], load_settings(), 48_000, channels) for channels in (1, 2))
    sound = noise()[:48_000]
    payload = stereo.encode(np.stack([sound, sound])) + mono.encode(sound)
    with pytest.raises(CorruptError, match="its format changes in the middle, from fltp stereo to fltp mono"):
        decode(payload, decoding=mono.decoding, rate=48_000, delay=mono.delay, samples=90_000)


@pytest.mark.parametrize("name", ["mp3_64", "opus_64"])
@pytest.mark.parametrize("rate", [RATE, 48_000, 32_000])
def test_no_more_is_decoded_than_a_clip_needs(name, rate):
    encoder = calibrated(name)
    payload = encoder.encode(noise())
    needed = Needed(rate=rate, samples=1_000, whole=1_000)
    samples, actual = decode_frames(payload, encoder.decoding.demuxer, needed)
    whole, _ = decode_frames(payload, encoder.decoding.demuxer)
    assert 1_000 * actual / rate <= samples.shape[1] < 8_000 < whole.shape[1]
    np.testing.assert_array_equal(samples, whole[:, : samples.shape[1]])


@pytest.mark.parametrize("name", ["mp3_64", "aac_64", "sbc_64", "opus_64"])
def test_a_bitstream_that_holds_too_little_is_refused(name):
    encoder = calibrated(name)
    payload = encoder.encode(noise())
    with pytest.raises(CorruptError, match=r"samples of|cannot be decoded"):
        decode(payload[: len(payload) // 2], decoding=encoder.decoding, rate=RATE, delay=encoder.delay, samples=2 * RATE)


@pytest.mark.parametrize(
    "name", ["mp3_64", "mp3_32", "mp2_64", "aac_32", "aac_64", "he-aac_16", "he-aac_32", "opus_32", "opus_64", "sbc_64"]
)
def test_another_program_around_ffmpeg_decodes_the_same_samples(name):
    decoders = torchcodec_decoders()
    encoder = calibrated(name)
    payload = encoder.encode(noise())
    with tempfile.NamedTemporaryFile(suffix=".sbc" if name == "sbc_64" else "") as file:  # nothing in raw SBC identifies it but the name
        file.write(payload)
        file.flush()
        other = decoders.AudioDecoder(file.name).get_all_samples()
    decoded = decode_file(payload, encoder.decoding)
    assert other.sample_rate == decoded.rate
    np.testing.assert_allclose(decoded.samples, other.data[0].numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("channels", [1, 2])
def test_flac_gives_the_same_samples_with_and_without_miniaudio(monkeypatch, bits, channels):
    signal = 0.3 * np.random.default_rng(5).standard_normal((30_000, channels))
    file = io.BytesIO()
    soundfile.write(file, signal, 44_100, format="FLAC", subtype=f"PCM_{bits}")
    fast = decode_file(file.getvalue(), FLAC)
    monkeypatch.setattr(flac, "miniaudio", None)
    slow = decode_file(file.getvalue(), FLAC)
    assert fast.rate == slow.rate == 44_100
    np.testing.assert_array_equal(fast.samples, slow.samples)


@pytest.mark.parametrize("without_miniaudio", [False, True])
@pytest.mark.parametrize("damage", ["cut", "altered"])
def test_a_damaged_flac_is_refused(monkeypatch, damage, without_miniaudio):
    if without_miniaudio:
        monkeypatch.setattr(flac, "miniaudio", None)
    payload = bytearray(encode_flac(noise(), RATE))
    if damage == "cut":
        del payload[len(payload) // 2 :]
    else:
        payload[len(payload) // 2] ^= 0xFF
    with pytest.raises(CorruptError, match=r"cannot be decoded|holds \d+ samples of"):
        decode(bytes(payload), decoding=FLAC, rate=RATE, delay=0, samples=len(noise()))


def test_only_flac_is_decoded_as_flac():
    with pytest.raises(CorruptError, match="the format is not FLAC"):
        decode(as_wav(noise()), decoding=FLAC, rate=RATE, delay=0, samples=len(noise()))


def test_a_codec_whose_plug_in_is_not_installed_is_named():
    with pytest.raises(PluginError, match="codec 'elsewhere' is decoded by a plug-in that is not installed; install the package"):
        decode(b"1234", decoding=Decoding(codec="elsewhere", demuxer=None), rate=RATE, delay=0, samples=1)


def test_what_was_built_is_decoded_without_torch():
    program = """
import sys
sys.modules.update(dict.fromkeys(("torch", "torchaudio")))
from streamaug.codecs import calibrate, decode, decoder_version, load_settings
from streamaug.codecs.alignment import calibration_signal, shift
from streamaug.conditions import Condition
signal = calibration_signal(16_000)
encoder = calibrate(Condition.parse("mp3_64").steps[0], load_settings(), 16_000)
samples = decode(encoder.encode(signal), decoding=encoder.decoding, rate=16_000, delay=encoder.delay, samples=len(signal))
assert shift(samples, signal, 16_000) == 0
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_version_names_every_decoder(monkeypatch):
    assert [part.split()[0] for part in decoder_version.__wrapped__().split(", ")] == ["av", "miniaudio", "libopus", "soxr"]
    monkeypatch.setattr(flac, "miniaudio", None)
    assert [part.split()[0] for part in decoder_version.__wrapped__().split(", ")] == ["av", "soundfile", "libopus", "soxr"]


FORKED = """
import os, signal, soundfile, numpy as np
from streamaug.codecs import FLAC, decode, flac
from streamaug.codecs.pcm import encode_flac
payload = encode_flac(np.arange(8000, dtype=np.int16), 8000)
flac.miniaudio = None
held = getattr(soundfile.SoundFile, "_sf_error_lock", None)
if held is not None:
    held.acquire()  # as a thread that is opening a file
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    decode(payload, decoding=FLAC, rate=8000, delay=0, samples=8000)
    os._exit(0)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_a_process_that_is_forked_while_a_thread_opens_a_file_decodes():
    assert subprocess.run([sys.executable, "-c", FORKED], timeout=60).returncode == 0
