"""Excerpts of recordings: exactly the file's own samples, from any format, with clear errors."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from streamaug.building import audio_files
from streamaug.building.build import build
from streamaug.building.containers import examine
from streamaug.building.excerpts import Excerpt
from streamaug.building.problems import BrokenSourcesError
from streamaug.building.reading import Reading
from streamaug.building.source_file import SourceFile
from streamaug.building.sources import load, load_excerpt
from streamaug.building.table_reading import read_table
from streamaug.codecs import FLAC, decode
from streamaug.codecs.pcm import to_float
from streamaug.conditions import Condition
from streamaug.store import Store
from tests.building.audio_bytes import RATE, by_ffmpeg, by_soundfile, noise
from tests.building.clips import Log

SOUND = noise(3, 12 * RATE)
STEREO = np.stack([noise(4, 12 * RATE), noise(5, 12 * RATE)], axis=1)

FORMATS = {
    "rec.wav": lambda: by_soundfile(SOUND, "WAV"),
    "wide.wav": lambda: by_soundfile(STEREO, "WAV", "PCM_24"),
    "float.wav": lambda: by_soundfile(STEREO / 32_768, "WAV", "FLOAT"),
    "pipe.wav": lambda: by_ffmpeg(SOUND, "wav", "pcm_s16le", pipe=True),
    "adpcm.wav": lambda: by_soundfile(SOUND, "WAV", "IMA_ADPCM"),
    "rec.flac": lambda: by_soundfile(STEREO, "FLAC"),
    "rec.mp3": lambda: by_soundfile(STEREO, "MP3", "MPEG_LAYER_III"),
    "untagged.mp3": lambda: by_ffmpeg(SOUND, "mp3", "libmp3lame", write_xing="0"),
    "vorbis.ogg": lambda: by_soundfile(SOUND, "OGG", "VORBIS"),
    "rec.opus": lambda: by_soundfile(SOUND, "OGG", "OPUS"),
    "rec.m4a": lambda: by_ffmpeg(SOUND, "mp4", "aac"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    for name, data in FORMATS.items():
        (folder / name).write_bytes(data())
    return folder


@pytest.fixture(scope="module")
def whole(files) -> dict[str, np.ndarray]:
    """Each file as `load` reads it at its own rate, without resampling."""
    return {name: load(str(files / name), Reading(rate=RATE)).pcm for name in FORMATS}


def write_table(folder: Path, rows: list[dict]) -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(rows)
    return folder / "clips.csv"


@pytest.mark.parametrize("name", FORMATS)
@given(spans=st.lists(st.tuples(st.floats(0, 11.9), st.floats(0.001, 6)), min_size=1, max_size=6))
@settings(max_examples=8, deadline=None)
def test_excerpts_of_one_file_are_its_own_samples_in_whatever_order(files, whole, name, spans):
    with SourceFile() as file:
        for start, length in spans:
            stop = min(start + length, 12.0)
            first, last = round(start * RATE), round(stop * RATE)
            if first < last:
                pcm = load_excerpt(Excerpt(str(files / name), start, stop), Reading(rate=RATE), file).pcm
                np.testing.assert_array_equal(pcm, whole[name][first:last])


@pytest.mark.parametrize("name", FORMATS)
def test_without_start_or_stop_an_excerpt_reaches_to_the_file_s_ends(files, whole, name):
    reading = Reading(rate=RATE)
    with SourceFile() as file:
        np.testing.assert_array_equal(
            load_excerpt(Excerpt(str(files / name), None, 2.5), reading, file).pcm, whole[name][: round(2.5 * RATE)]
        )
        np.testing.assert_array_equal(load_excerpt(Excerpt(str(files / name), 9.25), reading, file).pcm, whole[name][round(9.25 * RATE) :])


def test_an_excerpt_is_resampled_like_a_file_that_holds_only_it(files, tmp_path):
    soundfile.write(tmp_path / "alone.wav", SOUND[RATE : 3 * RATE], RATE, subtype="PCM_16")
    reading = Reading(rate=44_100, samples=3 * 44_100)
    with SourceFile() as file:
        excerpt = load_excerpt(Excerpt(str(files / "rec.wav"), 1, 3), reading, file)
    alone = load(str(tmp_path / "alone.wav"), reading)
    np.testing.assert_array_equal(excerpt.pcm, alone.pcm)
    assert excerpt.padding == alone.padding == 44_100


@pytest.mark.parametrize("name", ["rec.wav", "rec.flac"])
def test_only_what_an_excerpt_needs_is_read_of_uncompressed_sound_and_flac(files, name, monkeypatch):
    read = []
    original = audio_files._Mapped.readinto
    monkeypatch.setattr(audio_files._Mapped, "readinto", lambda self, buffer: read.append(len(buffer)) or original(self, buffer))
    with SourceFile() as file:
        for start in (11.0, 2.0, 7.0):
            load_excerpt(Excerpt(str(files / name), start, start + 0.1), Reading(rate=RATE), file)
    # A block of 65536 samples is decoded at a time: a third of this file, but a thousandth of an hour.
    assert sum(read) < 1.5 * (files / name).stat().st_size


def test_of_other_formats_excerpts_in_order_decode_a_file_once(files, monkeypatch):
    opened = []
    original = audio_files._open_part
    monkeypatch.setattr(audio_files, "_open_part", lambda data, container: opened.append(1) or original(data, container))
    with SourceFile() as file:
        for start in np.arange(0, 10, 0.5):  # they overlap
            load_excerpt(Excerpt(str(files / "rec.mp3"), start, start + 2), Reading(rate=RATE), file)
        assert len(opened) == 1
        load_excerpt(Excerpt(str(files / "rec.mp3"), 1, 2), Reading(rate=RATE), file)
        assert len(opened) == 2


def rows_of(*spans, path="rec.wav", **columns) -> list[dict]:
    return [{"path": path, "label": "a", "split": "train", "start": start, "stop": stop, **columns} for start, stop in spans]


def built(table: Path, store: Path, **options):
    with ThreadPoolExecutor(2) as pool:
        return build(table, str(store), conditions=[Condition()], executor=pool, **options)


def test_a_store_of_excerpts_holds_the_samples_of_the_recordings(files, whole, tmp_path):
    rows = [
        row
        for name in ("rec.wav", "rec.flac", "rec.mp3")
        for row in rows_of(*((n, n + 2.0) for n in range(0, 10, 2)), path=str(files / name))
    ]
    rows += [{"path": str(files / "vorbis.ogg"), "label": "b", "split": "train", "start": 10, "stop": ""}]
    rows = [{**row, "clip_id": f"clip{number}"} for number, row in enumerate(rows)]
    built(write_table(tmp_path, rows), tmp_path / "store", clips_per_shard=4)
    store = Store.open(tmp_path / "store")
    index = store.index("original")
    by_id = {location.clip_id: location.read(store.folder) for location in index.locations()}
    for row in rows:
        name, start = Path(row["path"]).name, round(float(row["start"]) * RATE)
        expected = whole[name][start : start + 2 * RATE]
        decoded = decode(by_id[row["clip_id"]], decoding=FLAC, rate=RATE, delay=0, samples=2 * RATE)
        np.testing.assert_array_equal(decoded, to_float(expected))
    assert sorted(store.clips["start"].to_pylist()) == sorted(float(row["start"]) for row in rows)
    assert sum(stop is None for stop in store.clips["stop"].to_pylist()) == 1


def test_ids_and_groups_of_excerpts_come_from_the_recording_and_the_times(tmp_path):
    (tmp_path / "in").mkdir()
    rows = [*rows_of((0, 2.5), (12.3456, ""), path="in/rec.wav"), *rows_of((0, 1), path="./in/rec.wav"), *rows_of(("", ""), path="b.wav")]
    table = read_table(write_table(tmp_path, rows), "split").to_pydict()
    assert table["clip_id"] == ["rec-00000000-00002500", "rec-00012345_6-end", "rec-00000000-00001000", "b"]
    assert table["group"] == ["in/rec.wav"] * 3 + ["b.wav"]
    rows = [*rows_of((0, 1), group="ann"), *rows_of((1, 2), group="")]
    assert read_table(write_table(tmp_path, rows), "split")["group"].to_pylist() == ["ann", "rec.wav"]
    rows = rows_of(("", ""), (" ", ""))
    assert read_table(write_table(tmp_path, rows), "split")["group"].to_pylist() == [None, None]


def test_a_recording_that_was_divided_among_splits_is_warned_about(files, tmp_path):
    rows = [*rows_of((0, 1), path=str(files / "rec.wav")), {**rows_of((1, 2), path=str(files / "rec.wav"))[0], "split": "evaluate"}]
    log = Log()
    built(write_table(tmp_path, rows), tmp_path / "store", progress=log)
    assert any("1 group is in several splits" in message and "rec.wav" in message for message in log.messages)


@pytest.mark.parametrize(
    ("start", "stop", "message"),
    [
        ("-1", "2", "its start, -1 s, is before the beginning of the recording"),
        ("2", "2", "its stop, 2 s, is not after its start, 2 s"),
        ("3", "2.5", "its stop, 2.5 s, is not after its start, 3 s"),
        ("0:30", "", "its start is not a number of seconds; write it like 12.5"),
        ("1", "inf", "its stop is not a number of seconds"),
        ("1", "12.5", "its stop, 12.5 s, is after the end of the recording, 12 s"),
        ("12", "", "its start, 12 s, is not before the end of the recording, 12 s"),
        ("99", "100", "its start, 99 s, is not before the end of the recording, 12 s"),
        ("1", "1.00001", "it is shorter than one sample at 16000 Hz"),
    ],
)
@pytest.mark.parametrize("name", ["rec.wav", "vorbis.ogg"])
def test_an_excerpt_that_its_file_does_not_have_is_an_error_with_row_and_file(files, tmp_path, name, start, stop, message):
    path = str(files / name)
    table = write_table(tmp_path, [*rows_of((0, 1), path=path), {**rows_of((start, stop), path=path)[0]}])
    with pytest.raises(BrokenSourcesError) as caught:
        built(table, tmp_path / "store")
    [problem] = caught.value.problems
    assert message in problem.message
    assert (problem.row, problem.path) == (2, path)


@pytest.mark.parametrize("name", ["untagged.mp3", "rec.m4a"])
def test_an_end_beyond_a_file_whose_header_says_no_length_is_found_by_decoding(files, whole, tmp_path, name):
    length = len(whole[name]) / RATE
    table = write_table(tmp_path, [*rows_of((0, 1), (0.5, 13), (14, ""), path=str(files / name))])
    with pytest.raises(BrokenSourcesError) as caught:
        built(table, tmp_path / "store")
    first, second = (problem.message for problem in caught.value.problems)
    assert f"its stop, 13 s, is after the end of the recording, {length:.12g} s" in first
    assert f"its start, 14 s, is not before the end of the recording, {length:.12g} s" in second


def test_excerpts_of_a_truncated_or_missing_recording_are_errors(tmp_path):
    whole = by_soundfile(SOUND, "FLAC")
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "short.wav").write_bytes(by_soundfile(SOUND, "WAV")[:-RATE])
    rows = [row for name in ("cut.flac", "short.wav", "none.wav") for row in rows_of((1, 2), (10, 11), path=name)]
    with pytest.raises(BrokenSourcesError) as caught:
        built(write_table(tmp_path, rows), tmp_path / "store")
    by_row = {problem.row: problem.message for problem in caught.value.problems}
    assert set(by_row) == {2, 3, 4, 5, 6}  # what is before the damage in a FLAC can be used
    assert "unreadable" in by_row[2] or "truncated" in by_row[2]
    assert "truncated" in by_row[3]
    assert "missing" in by_row[5]


def test_a_later_build_knows_which_excerpts_it_has_checked(files, tmp_path, monkeypatch):
    table = write_table(tmp_path, rows_of((0, 1), (1, 2), (2, 3), path=str(files / "rec.wav")))
    built(table, tmp_path / "store")
    checked = []
    monkeypatch.setattr("streamaug.building.source_check.inspect", lambda excerpts, reading: checked.extend(excerpts) or [])
    built(table, tmp_path / "store")
    assert checked == []


def test_columns_of_another_name_are_read_as_start_and_stop(files, tmp_path):
    rows = [{"path": str(files / "rec.wav"), "label": "a", "split": "train", "onset": n, "offset": n + 1} for n in range(3)]
    table = write_table(tmp_path, rows)
    assert built(table, tmp_path / "store", columns={"start": "onset", "stop": "offset"}).clips == 3
    assert set(Store.open(tmp_path / "store").clips["samples"].to_pylist()) == {RATE}


def test_the_containers_of_mapped_files_are_examined_like_those_in_memory(files):
    for name in FORMATS:
        with SourceFile() as file:
            container, _ = file.open(str(files / name))
            in_memory = examine((files / name).read_bytes())
            assert [bytes(part) for part in container.parts] == list(in_memory.parts)
            assert (container.reader, container.demuxer, container.unread) == (in_memory.reader, in_memory.demuxer, in_memory.unread)


def test_mapped_bytes_read_like_a_file():
    data = bytes(range(100))
    mapped, file = audio_files._Mapped(data), io.BytesIO(data)
    for offset, whence, count in ((10, 0, 5), (-3, 2, 10), (-2, 1, 1), (200, 0, 4), (0, 0, 100)):
        assert mapped.seek(offset, whence) == file.seek(offset, whence)
        assert mapped.read(count) == file.read(count)
        assert mapped.tell() == file.tell()
