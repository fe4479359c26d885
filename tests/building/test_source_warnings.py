"""What `streamaug build` says of clips that it can use, and the options that decide how it reads
them."""

import subprocess
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streamaug.building.reading import Reading
from streamaug.building.sources import load
from streamaug.errors import ClipsError
from streamaug.store import Store
from tests.building.audio_bytes import RATE, by_ffmpeg, noise, riff
from tests.building.clips import write_table
from tests.in_process import streamaug


def build(folder: Path, *options: object, store: str = "store") -> subprocess.CompletedProcess[str]:
    return streamaug("build", folder / "clips.csv", folder / store, "--conditions", "original", "--workers", 1, *options)


def lines_about(result: subprocess.CompletedProcess[str], name: str) -> list[str]:
    return [line for line in result.stderr.splitlines() if f"'{name}'" in line]


@pytest.fixture
def folder(tmp_path):
    def stereo(name: str, left: np.ndarray, right: np.ndarray) -> None:
        (tmp_path / f"{name}.wav").write_bytes(riff(np.stack([left, right], 1).tobytes(), channels=2))

    stereo("opposite", noise(1), -noise(1))
    stereo("nearly", noise(2), np.rint(-0.95 * noise(2)).astype(np.int16))
    stereo("dead", noise(3), np.zeros(RATE, np.int16))
    stereo("good", noise(4), noise(5))
    (tmp_path / "half.wav").write_bytes(riff(noise(6, RATE // 2).tobytes()))
    (tmp_path / "nearly-whole.wav").write_bytes(riff(noise(7, RATE - RATE // 20).tobytes()))
    (tmp_path / "phone.m4a").write_bytes(by_ffmpeg(noise(8), "mp4", "aac"))
    paths = ("opposite.wav", "nearly.wav", "dead.wav", "good.wav", "half.wav", "nearly-whole.wav", "phone.m4a")
    write_table(tmp_path / "clips.csv", [(path, "a", "train", "", 0) for path in paths])
    return tmp_path


def test_channels_that_cancel_dead_channels_and_long_padding_are_warned_about_and_no_others(folder):
    result = build(folder, "--seconds", 1)
    assert result.returncode == 0, result.stderr
    assert "channels cancel in the mix, all of its sound is lost" in " ".join(lines_about(result, "opposite"))
    assert "channels cancel in the mix, 32 dB are lost" in " ".join(lines_about(result, "nearly"))
    assert "dead channel: right" in " ".join(lines_about(result, "dead"))
    assert "padding: 50% of the clip" in " ".join(lines_about(result, "half"))
    assert all(len(lines_about(result, name)) == 1 for name in ("opposite", "nearly", "dead", "half"))
    assert not [line for name in ("good", "nearly-whole", "phone") for line in lines_about(result, name)]


def test_a_channel_of_the_sources_is_built_instead_of_their_mix(folder):
    result = build(folder, "--seconds", 1, "--channel", "left", store="left")
    assert result.returncode == 0, result.stderr
    assert not [line for name in ("opposite", "nearly", "dead") for line in lines_about(result, name)]
    store = Store.open(folder / "left")
    hashes = dict(zip(store.clips["clip_id"].to_pylist(), store.clips["sha256"].to_pylist(), strict=True))
    mono = folder / "mono"
    mono.mkdir()
    (mono / "opposite.wav").write_bytes(riff(noise(1).tobytes()))
    write_table(mono / "clips.csv", [("opposite.wav", "a", "train", "", 0)])
    assert build(mono).returncode == 0
    assert Store.open(mono / "store").clips["sha256"].to_pylist() == [hashes["opposite"]]


def test_clips_beyond_the_longest_length_are_errors_with_their_length(folder):
    result = build(folder, "--seconds", 0.5, "--longest", 0.97)
    assert result.returncode == 1
    assert "has 1.0 s of sound or more, and 0.97 s is the longest that is read" in " ".join(lines_about(result, "good"))
    assert not lines_about(result, "nearly-whole")
    assert not (folder / "store").exists()


def test_a_source_that_is_too_long_takes_no_memory(tmp_path):
    with soundfile.SoundFile(tmp_path / "long.flac", "w", 8_000, 1) as file:
        for _ in range(3601):
            file.write(np.zeros(8_000, np.int16))
    tracemalloc.start()
    try:
        with pytest.raises(ClipsError, match=r"has 3601\.0 s of sound or more"):
            load(str(tmp_path / "long.flac"), Reading(rate=RATE))
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()
