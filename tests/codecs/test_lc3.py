"""LC3: its packets can be told apart, and other programs read its files."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamaug.codecs import CalibratedEncoder, Decoding, calibrate, choose_encoder, decode, load_settings
from streamaug.codecs.alignment import measure_delay
from streamaug.codecs.lc3 import library
from streamaug.codecs.lc3.codec import Lc3
from streamaug.codecs.lc3.packets import read_file
from streamaug.codecs.pcm import to_float
from streamaug.conditions import Condition
from streamaug.errors import CorruptError, EncoderError, PluginError
from tests.codecs.signals import noise

RATES = (8_000, 16_000, 24_000, 32_000, 48_000)


def calibrated(name: str, rate: int) -> CalibratedEncoder:
    return calibrate(Condition.parse(name).steps[0], load_settings(), rate)


@pytest.mark.parametrize("rate", RATES)
def test_the_delay_is_that_of_the_standard_two_and_a_half_milliseconds(rate: int) -> None:
    assert calibrated("lc3_64", rate).delay == rate // 400


@pytest.mark.parametrize(("kbps", "size"), [(16, 20), (32, 40), (80, 100), (320, 400)])
def test_every_frame_of_10_ms_is_a_packet_of_its_own(kbps: int, size: int) -> None:
    signal = noise(seconds=1.0)[:16_000]
    file = read_file(calibrated(f"lc3_{kbps}", 16_000).encode(signal))
    assert (file.rate, file.channels, file.samples) == (16_000, 1, 16_000)
    assert [len(packet) for packet in file.packets] == [size] * 101  # one more, so that the delay's samples are there


@pytest.mark.skipif(shutil.which("dlc3") is None, reason="liblc3-tools is not installed")
@pytest.mark.parametrize("rate", RATES)
def test_dlc3_decodes_the_same_samples(tmp_path: Path, rate: int) -> None:
    signal = noise()[:rate]
    encoder = calibrated("lc3_64", rate)
    (tmp_path / "clip.lc3").write_bytes(encoder.encode(signal))
    subprocess.run(["dlc3", tmp_path / "clip.lc3", tmp_path / "clip.wav"], check=True, capture_output=True)
    other, other_rate = soundfile.read(tmp_path / "clip.wav", dtype="float32")
    assert other_rate == rate
    ours = encoder.decode((tmp_path / "clip.lc3").read_bytes(), rate)
    np.testing.assert_allclose(ours, other[:rate], rtol=0, atol=2 / 32_768)


@pytest.mark.skipif(shutil.which("elc3") is None, reason="liblc3-tools is not installed")
def test_what_elc3_makes_is_decoded(tmp_path: Path) -> None:
    signal = noise(seconds=1.0)
    soundfile.write(tmp_path / "clip.wav", signal[:16_000], 16_000)
    subprocess.run(["elc3", "-b", "64000", tmp_path / "clip.wav", tmp_path / "clip.lc3"], check=True, capture_output=True)
    payload = (tmp_path / "clip.lc3").read_bytes()
    ours = decode(payload, decoding=Decoding(codec="lc3", demuxer=None), rate=16_000, delay=40, samples=16_000)
    assert measure_delay(ours, to_float(signal[:16_000]), 1_000)[0] == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda payload: payload[:10], "shorter than a header"),
        (lambda payload: payload[:-1], "cut off"),
        (lambda payload: payload[: len(payload) - 41], "cut off"),
        (lambda payload: b"RIFF" + payload[4:], "the format is not LC3"),
        (lambda payload: payload[:4] + b"\xff\xff" + payload[6:], "6553500 Hz"),
        (lambda payload: payload[:8] + b"\x09\x00" + payload[10:], "9 channels"),
        (lambda payload: payload + b"\x00\x00", "packet 201 is damaged"),
        (lambda payload: payload + b"\x05\x00abcde", "packet 201 is damaged"),
    ],
)
def test_damaged_bytes_are_refused(damage, message: str) -> None:
    payload = Lc3().encoder().encode(noise()[:32_160], rate=16_000, kbps=32, tail=0)
    with pytest.raises(CorruptError, match=message):
        decode(damage(payload), decoding=Decoding(codec="lc3", demuxer=None), rate=16_000, delay=40, samples=32_000)


def test_without_lc3py_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = Lc3().encoder().encode(noise()[:32_000], rate=16_000, kbps=32, tail=0)
    library._library.cache_clear()
    monkeypatch.setattr(library, "_package", lambda: None)
    with pytest.raises(PluginError, match=r"needs the package lc3py, which is not installed; run: pip install 'streamaug\[codecs\]'"):
        decode(payload, decoding=Decoding(codec="lc3", demuxer=None), rate=16_000, delay=40, samples=31_000)
    with pytest.raises(EncoderError, match=r"'lc3_32': no encoder on this machine \(needs liblc3\); run: pip install"):
        choose_encoder(Condition.parse("lc3_32").steps[0], load_settings())


def test_the_version_names_the_library_for_caches_of_features() -> None:
    assert Lc3().version == f"1, {library.version()}"


MANY = """
import resource
import numpy as np
from streamaug.codecs.lc3.codec import Lc3
payload = Lc3().encoder().encode(np.zeros(480, np.int16), rate=48_000, kbps=64, tail=0)
def peak_after(count):
    for _ in range(count):
        Lc3().decode(payload)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak_after(1_000)
after = peak_after(10_000)
assert after - before < 20_000, (before, after)
"""


def test_decoding_many_clips_takes_no_more_memory_than_a_few() -> None:
    subprocess.run([sys.executable, "-c", MANY], check=True)
