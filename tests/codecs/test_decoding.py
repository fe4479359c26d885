"""Bitstreams are decoded in the format that their index names, whatever they look like."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from streamaug.codecs import FLAC, Decoding, calibrate, decode, decode_pyav, decode_torchcodec, decoder_version, decoding, load_settings
from streamaug.conditions import Condition
from streamaug.errors import CorruptError, PluginError
from tests.codecs.signals import RATE, as_wav, noise


def calibrated(name: str, rate: int = RATE):
    return calibrate(Condition.parse(name).steps[0], load_settings(), rate)


@pytest.mark.parametrize("demuxer", ["mp3", "aac", "ogg", "sbc", "flac", "wav", "amr", "nonsense"])
def test_bytes_that_are_not_a_bitstream_are_refused(demuxer):
    with pytest.raises(CorruptError, match=r"cannot be decoded|holds"):
        decode(np.random.default_rng(0).bytes(4_000), decoding=Decoding(codec=demuxer, demuxer=demuxer), rate=RATE, delay=0, samples=RATE)


@pytest.mark.parametrize("name", ["mp3_64", "aac_64", "sbc_64", "opus_64"])
def test_a_bitstream_that_holds_too_little_is_refused(name):
    encoder = calibrated(name)
    payload = encoder.encode(noise())
    with pytest.raises(CorruptError, match=r"samples of|cannot be decoded"):
        decode(payload[: len(payload) // 2], decoding=encoder.decoding, rate=RATE, delay=encoder.delay, samples=2 * RATE)


@pytest.fixture
def torchcodec():
    return pytest.importorskip("torchcodec.decoders", exc_type=(ImportError, RuntimeError), reason="torchcodec does not load here")


def without_pyav(payload, decoding):
    raise AssertionError(f"PyAV decodes {decoding}")


@pytest.mark.parametrize("name", ["mp3_64", "mp2_64", "aac_64", "opus_64", "sbc_64"])
def test_torchcodec_decodes_the_formats_that_it_recognises(torchcodec, monkeypatch, name):
    encoder = calibrated(name)
    payload = encoder.encode(noise())
    monkeypatch.setattr(decoding, "decode_pyav", without_pyav)
    assert len(decode_torchcodec(payload, encoder.decoding).samples) >= len(noise())


def test_very_short_clips_give_the_same_samples_with_both_decoders(torchcodec):
    """torchcodec takes a few of these for another format, the MP3 of seed 33 for example."""
    rate = 16_000
    for name, samples in (("mp3_64", 1_600), ("ac3_64", 4_000)):
        encoder = calibrated(name, rate)
        for seed in range(20, 70):
            payload = encoder.encode((0.66 * noise(seconds=samples / RATE, seed=seed)).astype(np.int16))
            common = {"decoding": encoder.decoding, "rate": rate, "delay": encoder.delay, "samples": samples}
            one, other = (decode(payload, decoder=decoder, **common) for decoder in (decode_pyav, decode_torchcodec))
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("guess", ["ac3", "flac", RuntimeError("no audio stream")])
@pytest.mark.parametrize("name", ["mp3_64", "sbc_64"])
def test_where_torchcodec_guesses_wrong_pyav_decodes_in_the_format_of_the_index(monkeypatch, name, guess):
    class Guessing:
        def __init__(self, source):
            if isinstance(guess, Exception):
                raise guess
            self.metadata = SimpleNamespace(codec=guess)

        def get_all_samples(self):
            return SimpleNamespace(data=[], sample_rate=RATE)

    monkeypatch.setitem(sys.modules, "torchcodec.decoders", SimpleNamespace(AudioDecoder=Guessing))
    encoder = calibrated(name)
    payload = encoder.encode(noise())
    np.testing.assert_array_equal(decode_torchcodec(payload, encoder.decoding).samples, decode_pyav(payload, encoder.decoding).samples)


def test_only_flac_is_decoded_as_flac():
    with pytest.raises(CorruptError, match="the format is WAV, not FLAC"):
        decode(as_wav(noise()), decoding=FLAC, rate=RATE, delay=0, samples=len(noise()))


def test_a_codec_whose_plug_in_is_not_installed_is_named():
    with pytest.raises(PluginError, match="codec 'elsewhere' is decoded by a plug-in that is not installed; install the package"):
        decode(b"1234", decoding=Decoding(codec="elsewhere", demuxer=None), rate=RATE, delay=0, samples=1)


def test_without_torch_pyav_decodes_what_was_built():
    """In a process of its own, in which neither torch nor torchcodec can be imported."""
    program = """
import sys
sys.modules.update(dict.fromkeys(("torch", "torchaudio", "torchcodec", "torchcodec.decoders")))
from streamaug.codecs import calibrate, decode, decode_pyav, decoder_version, default_decoder, load_settings
from streamaug.codecs.alignment import calibration_signal, shift
from streamaug.conditions import Condition
assert default_decoder() is decode_pyav
assert decoder_version().startswith("av "), decoder_version()
signal = calibration_signal(16_000)
encoder = calibrate(Condition.parse("mp3_64").steps[0], load_settings(), 16_000)
samples = decode(encoder.encode(signal), decoding=encoder.decoding, rate=16_000, delay=encoder.delay, samples=len(signal))
assert shift(samples, signal, 16_000) == 0
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_version_names_every_decoder_that_may_be_used(torchcodec):
    assert [part.split()[0] for part in decoder_version().split(", ")] == ["torchcodec", "av", "soundfile", "soxr"]


FORKED = """
import os, signal, soundfile, numpy as np
from streamaug.codecs import FLAC, decode_pyav, decode
from streamaug.codecs.pcm import encode_flac
payload = encode_flac(np.arange(8000, dtype=np.int16), 8000)
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
