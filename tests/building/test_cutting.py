"""Cutting recordings into excerpts: which there are, and what is left out."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamaug.building.cutting import cut, parse_seconds, pieces
from streamaug.errors import ClipsError
from tests.building.audio_bytes import by_ffmpeg, by_soundfile, noise

RATE = 8_000
LENGTHS = st.integers(1, 10_000).map(lambda milliseconds: Decimal(milliseconds) / 1000)


@given(length=LENGTHS.map(lambda length: 20 * length), every=LENGTHS, hop=LENGTHS)
@settings(deadline=None)
def test_excerpts_begin_a_hop_apart_and_lie_inside_the_recording(length, every, hop):
    excerpts, rest = pieces(length, every, hop)
    assert [start for start, _ in excerpts] == [number * hop for number in range(len(excerpts))]
    assert all(stop == start + every for start, stop in excerpts[:-1])
    if excerpts:
        start, stop = excerpts[-1]
        assert stop == start + every <= length or (stop is None and every / 2 <= length - start < every)
    assert 0 <= rest <= length
    if hop <= every:  # without gaps, an excerpt or the rest holds every sample
        covered = (length if excerpts[-1][1] is None else excerpts[-1][1]) if excerpts else 0
        assert covered + rest == length
        assert rest < every


def test_an_overlap_adds_no_last_excerpt_whose_sound_others_have():
    assert pieces(Decimal(20), Decimal(10), Decimal(5))[0] == [(0, 10), (5, 15), (10, 20)]
    assert pieces(Decimal(21), Decimal(10), Decimal(5)) == ([(0, 10), (5, 15), (10, 20), (15, None)], 0)


@pytest.mark.parametrize("text", ["", "0", "0s", "-1s", "10 m", "1h", "ten", "1e3", "nan"])
def test_what_is_no_length_is_refused(text):
    with pytest.raises(ClipsError, match="write it like 10s"):
        parse_seconds(text, "--every")


@pytest.mark.parametrize("text", ["0.00001", "9ms", "0.0099s"])
def test_what_has_hardly_a_sample_is_refused(text):
    with pytest.raises(ClipsError, match=f"--hop '{text}' is shorter than 10 ms"):
        parse_seconds(text, "--hop")
    assert parse_seconds("10ms", "--hop") == Decimal("0.01")


def test_lengths_come_from_every_format_and_ids_are_unique(tmp_path):
    sound = noise(1, 5 * RATE)
    files = {
        "a/rec.wav": by_soundfile(sound[: RATE * 19 // 4], "WAV", rate=RATE),
        "b/rec.flac": by_soundfile(sound[: 4 * RATE], "FLAC", rate=RATE),
        "b/x.v2.mp3": by_ffmpeg(sound, "mp3", "libmp3lame", rate=RATE, write_xing="0"),
        "b/short.wav": by_soundfile(sound[:RATE], "WAV", rate=RATE),
    }
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    result = cut([{"path": str(tmp_path / name), "label": name[0]} for name in files], Decimal(2))
    rows = [(row["clip_id"], row["start"], row["stop"]) for row in result.rows if row["label"] == "a" or "rec" in row["path"]]
    assert rows == [
        ("a-rec-00000000-00002000", "0", "2"),
        ("a-rec-00002000-00004000", "2", "4"),
        ("b-rec-00000000-00002000", "0", "2"),
        ("b-rec-00002000-00004000", "2", "4"),
    ]
    assert len({row["clip_id"] for row in result.rows}) == len(result.rows)
    untagged = [row for row in result.rows if "x.v2" in row["path"]]
    assert [row["clip_id"] for row in untagged] == ["b-x_v2-00000000-00002000", "b-x_v2-00002000-00004000", "b-x_v2-00004000-end"]
    assert [row["start"] for row in result.rows if "short" in row["path"]] == ["0"]  # half of the length is enough
    assert (result.ends, result.ends_s, result.short) == (1, 0.75, 0)


def test_recordings_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(ClipsError, match=r"2 of 2 recordings cannot be read, such as .*a\.wav"):
        cut([{"path": str(tmp_path / name)} for name in ("a.wav", "none.wav")], Decimal(1))
