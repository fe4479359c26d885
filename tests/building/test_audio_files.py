"""Sources as people have them: how much of their sound is read does not depend on what a header
says, and a truncated one is refused."""

import numpy as np
import pytest
import soundfile

from streamaug.building.reading import Reading
from streamaug.building.sources import Source, common_rate, load
from streamaug.codecs.pcm import to_float
from streamaug.errors import ClipsError
from tests.building.audio_bytes import RATE, by_ffmpeg, by_soundfile, noise, riff

SECONDS = 3
SOUND = noise(1, SECONDS * RATE)

MP3 = {
    "variable bitrate": ("libmp3lame", 48_000, {"q": "0", "global_quality": "0", "flags": "+qscale"}),
    "constant bitrate": ("libmp3lame", 44_100, {"b": "64k"}),
    "MPEG 2": ("libmp3lame", 16_000, {"b": "32k"}),
    "MPEG 2.5": ("libmp3lame", 8_000, {"b": "16k"}),
    "layer 2": ("mp2", 32_000, {"b": "96k"}),
}

LOSSLESS = {
    "FLAC": lambda: by_soundfile(SOUND, "FLAC"),
    "FLAC from a pipe": lambda: by_ffmpeg(SOUND, "flac", "flac", pipe=True),
    "FLAC in Ogg": lambda: by_ffmpeg(SOUND, "ogg", "flac"),
    "ALAC in MP4": lambda: by_ffmpeg(SOUND, "mp4", "alac"),
    "AIFF": lambda: by_soundfile(SOUND, "AIFF"),
    "AIFF from a pipe": lambda: by_ffmpeg(SOUND, "aiff", "pcm_s16be", pipe=True),
    "AU": lambda: by_soundfile(SOUND, "AU"),
    "AU from a pipe": lambda: by_ffmpeg(SOUND, "au", "pcm_s16be", pipe=True),
    "CAF": lambda: by_soundfile(SOUND, "CAF"),
    "CAF from a pipe": lambda: by_ffmpeg(SOUND, "caf", "pcm_s16be", pipe=True),
    "W64": lambda: by_soundfile(SOUND, "W64"),
    "W64 from a pipe": lambda: by_ffmpeg(SOUND, "w64", "pcm_s16le", pipe=True),
    "RF64": lambda: by_ffmpeg(SOUND, "wav", "pcm_s16le", rf64="always"),
    "RF64 from a pipe": lambda: by_ffmpeg(SOUND, "wav", "pcm_s16le", pipe=True, rf64="always"),
    "BW64": lambda: b"BW64" + by_ffmpeg(SOUND, "wav", "pcm_s16le", rf64="always")[4:],
    "WAV from a pipe": lambda: by_ffmpeg(SOUND, "wav", "pcm_s16le", pipe=True),
    "big-endian WAV": lambda: b"RIFX" + _big_endian_wav()[4:],
    "Matroska": lambda: by_ffmpeg(SOUND, "matroska", "flac"),
}

LOSSY = {
    "MP3": lambda: by_soundfile(SOUND, "MP3", "MPEG_LAYER_III"),
    "MP3 without a tag": lambda: by_ffmpeg(SOUND, "mp3", "libmp3lame", write_xing="0"),
    "AAC": lambda: by_ffmpeg(SOUND, "adts", "aac"),
    "Vorbis": lambda: by_soundfile(SOUND, "OGG", "VORBIS"),
    "Opus": lambda: by_soundfile(SOUND, "OGG", "OPUS"),
    "AAC in MP4": lambda: by_ffmpeg(SOUND, "mp4", "aac"),
    "AAC in fragments": lambda: by_ffmpeg(SOUND, "mp4", "aac", movflags="frag_keyframe+empty_moov"),
    "WebM": lambda: by_ffmpeg(SOUND, "webm", "libopus"),
    "WebM from a pipe": lambda: by_ffmpeg(SOUND, "webm", "libopus", pipe=True),
    "WMA": lambda: by_ffmpeg(SOUND, "asf", "wmav2", b="64k"),
}

OPEN_ENDED = {name for name in LOSSLESS if name.endswith("from a pipe") and not name.startswith("FLAC")}
"""Nothing in these files shows where their sound ends."""


def _big_endian_wav() -> bytes:
    data = riff(SOUND.astype(">i2").tobytes())
    fields = ((4, 4), (16, 4), (20, 2), (22, 2), (24, 4), (28, 4), (32, 2), (34, 2), (40, 4))
    swapped = bytearray(data)
    for at, size in fields:
        swapped[at : at + size] = data[at : at + size][::-1]
    return bytes(swapped)


@pytest.fixture
def read(tmp_path):
    def load_bytes(data: bytes, **settings) -> Source:
        (tmp_path / "clip").write_bytes(data)
        return load(str(tmp_path / "clip"), Reading(rate=settings.pop("rate", RATE), **settings))

    return load_bytes


@pytest.mark.parametrize("kind", LOSSLESS)
def test_every_sample_of_a_lossless_file_is_read(read, kind):
    source = read(LOSSLESS[kind]())
    np.testing.assert_array_equal(to_float(source.pcm), to_float(SOUND))
    assert source.pcm.dtype == (np.int32 if kind == "ALAC in MP4" else np.int16)  # FFmpeg writes ALAC of 24 bits
    assert (source.rate, source.channels, source.unread) == (RATE, 1, 0)


@pytest.mark.parametrize("kind", LOSSY)
def test_all_sound_of_a_lossy_file_is_read(read, kind):
    source = read(LOSSY[kind]())
    assert 0 <= len(source.pcm) - len(SOUND) <= 3 * 1152 or kind == "WMA"
    assert abs(len(source.pcm) - len(SOUND)) < 2048
    power = np.mean(source.pcm[2048:-2048].astype(float) ** 2) / np.mean(SOUND.astype(float) ** 2)
    assert 0.2 < power < 2


@pytest.mark.parametrize("kind", sorted({*LOSSLESS, *LOSSY} - OPEN_ENDED))
@pytest.mark.parametrize("share", [0.15, 0.6, 0.97])
def test_a_truncated_file_is_refused(read, kind, share):
    data = {**LOSSLESS, **LOSSY}[kind]()
    with pytest.raises(ClipsError, match="truncated"):
        read(data[: int(len(data) * share)], samples=len(SOUND))


@pytest.mark.parametrize("kind", MP3)
def test_mp3_without_a_length_tag_is_read_to_its_end(read, kind):
    encoder, rate, options = MP3[kind]
    loud_first = noise(3, 3 * rate)
    loud_first[rate:] //= 1000
    container = "mp2" if encoder == "mp2" else "mp3"
    untagged = {} if encoder == "mp2" else {"write_xing": "0"}
    source = read(by_ffmpeg(loud_first, container, encoder, rate=rate, **options, **untagged), rate=rate)
    assert len(loud_first) <= len(source.pcm) <= len(loud_first) + 5 * 1152


def test_a_tag_that_counts_too_few_frames_does_not_shorten_an_mp3(read):
    data = by_soundfile(SOUND, "MP3", "MPEG_LAYER_III")
    assert len(read(data + data).pcm) >= 2 * len(SOUND)


def test_streams_of_an_ogg_file_that_follow_one_another_are_all_read(read):
    data = by_soundfile(SOUND, "OGG", "VORBIS")
    source = read(data + data)
    assert len(source.pcm) == 2 * len(SOUND)
    np.testing.assert_array_equal(source.pcm[len(SOUND) :], source.pcm[: len(SOUND)])
    with pytest.raises(ClipsError, match="change in the middle"):
        read(data + by_soundfile(SOUND, "OGG", "VORBIS", rate=22_050))


LIST = b"LIST" + (18).to_bytes(4, "little") + b"INFOISFT" + (6).to_bytes(4, "little") + b"abcde\0"
BYTES = SOUND.tobytes()


@pytest.mark.parametrize(
    "data",
    [
        riff(BYTES, total=0x7FFFF024, size=0x7FFFF000),
        riff(BYTES, total=0xFFFFFFFF, size=0xFFFFFFFF),
        riff(BYTES, total=0x7FFFFFFF, size=0x7FFFFFFF - 36),
        riff(BYTES, total=0x80000024, size=0x80000000),
        riff(BYTES, total=0, size=0),
        riff(BYTES, total=36, size=0),
        riff(BYTES, total=44 + len(BYTES)),
        riff(BYTES, total=0),
        riff(BYTES, size=len(BYTES) + 44),
        riff(BYTES, size=len(BYTES) + 36),
        riff(BYTES, more=LIST),
        riff(BYTES, more=LIST)[:-10],
        riff(BYTES, more=b"\0" * 4096),
    ],
    ids=[
        "SoX's pipe",
        "FFmpeg's pipe",
        "the largest",
        "arecord's pipe",
        "zeros",
        "never finished",
        "its own header counted",
        "no RIFF size",
        "header counted as sound",
        "RIFF size as size of sound",
        "LIST",
        "LIST cut",
        "padding",
    ],
)
def test_odd_sizes_in_a_wav_cost_no_sample(read, data):
    source = read(data)
    np.testing.assert_array_equal(source.pcm, SOUND)
    assert source.unread == 0


def test_sound_that_a_wav_header_does_not_count_is_never_dropped_in_silence(read):
    with pytest.raises(ClipsError, match="48000 bytes of sound, but 96000 are there"):
        read(riff(BYTES, size=len(BYTES) // 2))
    source = read(riff(BYTES, size=len(BYTES) - 2000))
    assert (len(source.pcm), source.unread) == (len(SOUND) - 1000, 2000)


def test_an_mp4_that_was_never_finished_is_refused(read):
    data = by_ffmpeg(SOUND, "mp4", "aac")
    with pytest.raises(ClipsError, match="truncated: the index of its sound is missing"):
        read(data[: data.index(b"moov") - 4])


def test_a_wav_without_sound_is_refused(read):
    with pytest.raises(ClipsError, match="no samples"):
        read(riff(b""))
    with pytest.raises(ClipsError, match="no samples"):
        read(riff(b"", more=LIST))


@pytest.mark.parametrize("rate", [1, 999, 1_000_001, 2_000_000_000])
def test_a_sample_rate_that_no_recording_has_is_refused(read, rate):
    with pytest.raises(ClipsError, match=rf"sample rate of {rate} Hz"):
        read(riff(BYTES, rate=rate))


def test_a_sample_rate_that_no_number_of_libsndfile_holds_is_named_as_the_cause(read):
    data = bytearray(riff(BYTES))
    data[24:28] = b"\xff" * 4
    with pytest.raises(ClipsError, match="no sample rate, or one that no recording has"):
        read(bytes(data))


def test_a_source_longer_than_the_longest_is_refused_whether_its_header_says_so_or_not(read):
    for data in (riff(BYTES), LOSSLESS["FLAC from a pipe"](), LOSSY["MP3 without a tag"](), LOSSY["WebM"]()):
        with pytest.raises(ClipsError, match=r"s of sound or more, and 2.5 s is the longest.*--longest"):
            read(data, longest=2.5)
        assert len(read(data, longest=3.5).pcm) >= len(SOUND)


def test_integers_that_were_cast_to_float_are_refused_with_their_peak(read):
    def as_floats(values: np.ndarray) -> bytes:
        return riff(values.astype("<f4").tobytes(), tag=3, bits=32)

    with pytest.raises(ClipsError, match=rf"samples reach {np.abs(SOUND.astype(int)).max()} where full scale is 1"):
        read(as_floats(SOUND))
    with pytest.raises(ClipsError, match="samples reach 3 where full scale is 1"):
        read(as_floats(np.rint(noise(2) / 32_768 * 15).clip(-3, 3)))
    with pytest.raises(ClipsError, match="samples reach"):
        read(as_floats(noise(2) / 32_768 * 127 + 0.3))
    loud = SOUND / 32_768
    loud[7] = 1.05
    assert read(as_floats(loud)).pcm[7] == 0x7FFFFF00
    assert np.abs(read(as_floats(3 * loud)).pcm).max() >= 0x7FFFFF00
    square = np.where(np.arange(RATE) % 100 < 50, 1.0, -1.0)
    assert read(as_floats(square)).pcm.min() == -0x80000000


@pytest.mark.parametrize("kind", [*LOSSLESS, *LOSSY])
def test_damaged_files_are_read_or_refused_and_nothing_else(read, kind, capfd):
    data, generator = {**LOSSLESS, **LOSSY}[kind](), np.random.default_rng(1)
    refused = 0
    for trial in range(12):
        damaged = bytearray(data)
        for at in generator.integers(0, 200 if trial % 2 else len(data), 4):
            damaged[at] = generator.integers(256)
        try:
            read(bytes(damaged if trial % 3 else damaged[: generator.integers(1, 300)]))
        except ClipsError:
            refused += 1
    assert refused
    assert "Traceback" not in capfd.readouterr().err


def test_a_list_of_files_to_open_is_not_audio(read, tmp_path):
    (tmp_path / "other.wav").write_bytes(riff(BYTES))
    with pytest.raises(ClipsError, match="Format not recognised"):
        read(b"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nother.wav\n#EXT-X-ENDLIST\n")


def test_the_most_common_rate_is_that_of_what_is_read(tmp_path):
    (tmp_path / "odd.wav").write_bytes(riff(BYTES, rate=1))
    with pytest.raises(ClipsError, match=r"none of the audio files.*odd\.wav': its header says a sample rate of 1 Hz"):
        common_rate([str(tmp_path / "odd.wav")], {})
    (tmp_path / "a.m4a").write_bytes(by_ffmpeg(noise(1, 22_050), "mp4", "aac", rate=22_050))
    (tmp_path / "b.webm").write_bytes(by_ffmpeg(noise(1, 48_000), "webm", "libopus", rate=48_000))
    (tmp_path / "c.webm").write_bytes(by_ffmpeg(noise(2, 48_000), "webm", "libopus", rate=48_000))
    assert common_rate([str(tmp_path / name) for name in ("odd.wav", "a.m4a", "b.webm", "c.webm")], {}) == 48_000


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_reading_in_blocks_gives_the_samples_of_one_read(read, tmp_path, container):
    pcm = np.stack([noise(1, 200_000), noise(2, 200_000)], 1)
    data = by_soundfile(pcm, container, {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(container, "PCM_16"))
    source = read(data)
    with soundfile.SoundFile(tmp_path / "clip") as file:
        whole = file.read(dtype="float64").mean(1)
    np.testing.assert_array_equal(source.pcm, np.clip(np.rint(whole * 32_768), -32_768, 32_767))
