"""Hugging Face data sets on disk as anybody may have written them."""

import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamaug.building.unpacking import arrow_clips
from streamaug.errors import ClipsError
from tests.building.audio_bytes import by_soundfile, noise

SOUND = by_soundfile(noise(1, 4000), "WAV")
CLASSES = {"class": {"_type": "ClassLabel", "names": ["cat", "dog"]}}


def write(folder, path="a.wav", content=None, label=0, features=None, kind="state.json"):
    """A data set of one clip, saved to disk or as Parquet."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.table({"audio": pa.array([{"bytes": content, "path": path}]), "class": [label]})
    metadata = json.dumps({"info": {"features": CLASSES}}) if features is None else features
    table = table.replace_schema_metadata({"huggingface": metadata})
    if kind == "state.json":
        (folder / kind).write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))
        with pa.OSFile(str(folder / "data.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)
    else:
        pq.write_table(table, folder / "train.parquet")
    return folder


def assert_refused(folder, message):
    with pytest.raises(ClipsError, match=message) as caught:
        list(arrow_clips(folder))
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("kind", ["state.json", "parquet"])
def test_audio_that_a_data_set_names_is_taken_from_its_folder(tmp_path, kind):
    folder = write(tmp_path / "data", "sub/a.wav", kind=kind)
    (folder / "sub").mkdir()
    (folder / "sub" / "a.wav").write_bytes(SOUND)
    file = folder / ("data.arrow" if kind == "state.json" else "train.parquet")
    for source in (folder, file):
        [(_, audio, columns, _)] = arrow_clips(source)
        assert audio == str(folder / "sub" / "a.wav")
        assert columns["class"] == "cat"


@pytest.mark.parametrize("kind", ["state.json", "parquet"])
@pytest.mark.parametrize("name", ["{secret}", "../secret.wav", "x/../../secret.wav", "link.wav", "links/secret.wav", "."])
def test_audio_outside_the_folder_of_a_data_set_is_refused(tmp_path, name, kind):
    secret = tmp_path / "secret.wav"
    secret.write_bytes(SOUND)
    folder = write(tmp_path / "data", name.format(secret=secret), kind=kind)
    (folder / "x").mkdir()
    (folder / "link.wav").symlink_to(secret)
    (folder / "links").symlink_to(tmp_path)
    assert_refused(folder, "is not in the data set's folder")


@pytest.mark.parametrize("name", ["../other/data.arrow", "{other}/data.arrow"])
def test_data_files_and_splits_outside_the_folder_are_refused(tmp_path, name):
    other = write(tmp_path / "other", content=SOUND)
    name = name.format(other=other)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    assert_refused(folder, "is not in the data set's folder")
    for split in (os.path.dirname(name), "", "."):  # noqa: PTH120  it may be relative
        (folder / "dataset_dict.json").write_text(json.dumps({"splits": [split]}))
        assert_refused(folder, "is not in the data set's folder")


@pytest.mark.parametrize("name", ["dataset_dict.json", "state.json"])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"splits": {}}', b'{"splits": [3], "_data_files": [3]}', b'{"_data_files": [{}]}'],
)
def test_lists_of_files_that_are_damaged_are_errors_with_their_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert_refused(tmp_path, f"{name}: not readable")


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("{", "its features"),
        ("[" * 100_000, "its features"),
        (json.dumps({"info": {"features": [1]}}), "its features are not a record"),
        (json.dumps({"info": {"features": {"class": {"_type": "ClassLabel"}}}}), "classes without names"),
        (json.dumps({"info": {"features": {"class": {"_type": "ClassLabel", "names": [1, 2]}}}}), "classes without names"),
        (json.dumps({"info": {"features": {"class": [{"_type": "ClassLabel", "names": ["cat"]}]}}}), "0 in place of a list of classes"),
    ],
)
def test_features_that_are_damaged_are_errors_with_the_file_s_name(tmp_path, features, message):
    assert_refused(write(tmp_path, content=SOUND, features=features), message)


@pytest.mark.parametrize("label", [2, 1 << 40, "cat"])
def test_a_class_that_has_no_name_is_an_error(tmp_path, label):
    assert_refused(write(tmp_path, content=SOUND, label=label), f"the class {label!r}, but its features name 2")


def test_a_class_that_is_missing_has_no_name(tmp_path):
    [(_, audio, columns, _)] = arrow_clips(write(tmp_path, content=SOUND, label=-1))
    assert audio == SOUND
    assert columns["class"] is None


@pytest.mark.parametrize(("path", "content"), [(3, SOUND), ("a.wav", "text")])
def test_records_of_other_types_are_not_audio(tmp_path, path, content):
    assert_refused(write(tmp_path, path, content), "no or several audio columns")


def test_a_data_set_with_a_column_twice_is_refused(tmp_path):
    audio = pa.array([{"bytes": SOUND, "path": "a.wav"}])
    pq.write_table(pa.Table.from_arrays([audio, audio], names=["audio", "audio"]), tmp_path / "train.parquet")
    assert_refused(tmp_path, "two columns 'audio'")
