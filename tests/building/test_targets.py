"""A table may name one label per clip, several, a number, or nothing to learn; a store has one kind."""

import csv
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streamaug.building.build import build
from streamaug.building.compact import compact
from streamaug.building.problems import BrokenSourcesError
from streamaug.conditions import Condition
from streamaug.errors import CorruptError, StoreError
from streamaug.store import Store
from streamaug.store.format import TARGET_FIELDS, clips_schema
from streamaug.store.manifest import Manifest
from streamaug.testing import replace_tables
from streamaug.verifying.verify import verify
from tests.building.clips import Log, write_clips
from tests.building.kinds import COUNT, LABELS, build_kind, cell, write_kind
from tests.in_process import InProcess

KINDS = (*TARGET_FIELDS, None)
EXPECTED = {"label": str, "labels": lambda text: sorted(text.split(";")), "target": float}


def small_build(table: Path, store: Path, **settings) -> Log:
    log = Log()
    with ThreadPoolExecutor(2) as executor:
        build(table, str(store), **{"conditions": [Condition()], "executor": executor, "progress": log, **settings})
    return log


def with_targets(folder: Path, **columns: pa.Array | list) -> Path:
    """Four clips and a Parquet table of them with these columns."""
    table = write_clips(folder, 4)
    rows = list(csv.DictReader(table.open()))
    path = folder / "clips.parquet"
    pq.write_table(pa.table({"path": [row["path"] for row in rows], "split": ["train"] * 4, **columns}), path)
    return path


@pytest.mark.parametrize("target", KINDS)
def test_the_store_says_its_kind_and_has_the_column(kinds: dict[str | None, Path], target: str | None) -> None:
    store = Store.open(kinds[target])
    assert store.manifest.target == target
    assert store.manifest.labels == (LABELS if target in ("label", "labels") else ())
    schema = clips_schema(target)
    assert store.clips.schema.names[: len(schema)] == schema.names
    if target:
        assert store.clips[target].to_pylist() == [EXPECTED[target](cell(target, number)) for number in range(COUNT)]


@pytest.mark.parametrize("target", KINDS)
def test_the_json_of_a_clip_says_what_the_table_says(kinds: dict[str | None, Path], target: str | None) -> None:
    store = Store.open(kinds[target])
    clips = {clip["clip_id"]: clip for clip in store.clips.to_pylist()}
    with tarfile.open(next((kinds[target] / "mp3_64").glob("*.tar"))) as tar:
        told = [json.load(tar.extractfile(member)) for member in tar if member.name.endswith(".json")]
    for fields in told:
        clip = clips[fields["clip_id"]]
        numbers = {name: fields[name] for name in fields if name.startswith("class_number")}
        expected = {
            "label": lambda clip: {"class_number": LABELS.index(clip["label"])},
            "labels": lambda clip: {"class_numbers": [LABELS.index(label) for label in clip["labels"]]},
        }
        assert numbers == (expected[target](clip) if target in expected else {})
        assert {name: fields.get(name) for name in TARGET_FIELDS} == {name: clip.get(name) for name in TARGET_FIELDS}


@pytest.mark.parametrize("target", KINDS)
def test_a_store_of_every_kind_is_verified_compacted_and_grows(tmp_path: Path, target: str | None) -> None:
    path = build_kind(tmp_path, target, "original")
    assert verify(Store.open(path), decode=True, executor=InProcess()).findings == ()
    small_build(write_kind(tmp_path / "clips", target, COUNT + 4), path)
    compact(Store.open(path), executor=InProcess())
    grown = Store.open(path)
    assert (grown.manifest.target, grown.clips.num_rows) == (target, COUNT + 4)
    assert verify(grown, executor=InProcess()).findings == ()


def test_numbers_of_a_parquet_file_and_of_text_are_the_same_targets(tmp_path: Path) -> None:
    numbers = [0.1, 2.0, -3.5, 1e-3]
    for name, column in (("numbers", pa.array(numbers)), ("text", pa.array(["0.1", "2", " -3.50", "1e-3"]))):
        small_build(with_targets(tmp_path / name, mos=column), tmp_path / name / "store", columns={"target": "mos"})
        assert Store.open(tmp_path / name / "store").clips["target"].to_pylist() == numbers


def test_lists_of_a_parquet_file_may_be_empty_for_clips_without_any_label(tmp_path: Path) -> None:
    small_build(with_targets(tmp_path, labels=[["rain", "bird"], [], ["rain"], []]), tmp_path / "store")
    store = Store.open(tmp_path / "store")
    assert store.clips["labels"].to_pylist() == [["bird", "rain"], [], ["rain"], []]
    assert store.manifest.labels == ("bird", "rain")
    assert verify(store, executor=InProcess()).findings == ()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": ["a"] * 4, "target": [1.0] * 4}, "the columns 'label' and 'target', but a store has one of label, labels and target"),
        ({"Label": ["a"] * 4}, "no column 'label', but 'Label'; rename it, or name it with --label-column"),
        ({"tagret": [1.0] * 4}, "no column 'target', but 'tagret'"),
        ({"label": ["a", None, "b", "b"]}, "an empty cell, or NaN, in the column 'label'"),
        ({"labels": ["a", "", "b", "b"]}, "an empty cell in the column 'labels'; write its labels, such as a;b (a Parquet table may have"),
        ({"labels": [["a"], None, ["b"], ["b"]]}, "an empty cell in the column 'labels'"),
        ({"labels": ["a", "b;;a", "b", "b"]}, ", row 2): an empty label among 'b;;a'; remove it"),
        (
            {"label": ["a", '["b", "a"]', "b", "b"]},
            'several labels in the column \'label\', ["b", "a"]; name it with --labels-column label',
        ),
        ({"labels": ["a", "b;a;b", "b", "b"]}, "the label 'b' twice; write it once"),
        ({"labels": [["a"], ["a;b"], ["b"], ["b"]]}, "the label 'a;b' with a ';' in it, which separates labels"),
        ({"labels": ["a", "['a', 'b']", "b", "b"]}, "a list that is written as text, '['a', 'b']'; write a;b"),
        ({"labels": [1, 2, 3, 4]}, "values of type int64; write labels as text, such as a;b, or as lists of text"),
        ({"target": [1.0, float("nan"), 2.0, 3.0]}, "an empty cell, or NaN, in the column 'target'"),
        ({"target": ["1", "NaN", "2", "3"]}, "an empty cell, or NaN, in the column 'target'"),
        ({"target": ["1", "3,5", "2", "3"]}, "the target '3,5', which is not a number; write one such as 3.5"),
        ({"target": [1.0, float("inf"), 2.0, 3.0]}, "the target inf, which no float32 can hold"),
        ({"target": [1.0, 1e300, 2.0, 3.0]}, "the target 1e+300, which no float32 can hold"),
        ({"target": [True, False, True, True]}, "values of type bool, not numbers; write numbers"),
    ],
)
def test_targets_that_cannot_be_are_refused_with_the_remedy(tmp_path: Path, columns: dict, message: str) -> None:
    with pytest.raises(BrokenSourcesError) as caught:
        small_build(with_targets(tmp_path, **columns), tmp_path / "store")
    assert message in str(caught.value)
    assert not (tmp_path / "store" / "store.json").exists()


def test_the_target_that_is_named_is_meant_and_another_becomes_an_own_column(tmp_path: Path) -> None:
    """ESC-50's own table has category, and class numbers in a column target."""
    table = with_targets(tmp_path, category=["dog", "rain"] * 2, target=[0, 10] * 2)
    small_build(table, tmp_path / "store", columns={"label": "category"})
    store = Store.open(tmp_path / "store")
    assert (store.manifest.target, store.manifest.labels) == ("label", ("dog", "rain"))
    assert store.clips["source_target"].to_pylist() == [0, 10] * 2
    table = with_targets(tmp_path, label=["dog", "rain"] * 2, target=[0, 10] * 2)
    small_build(table, tmp_path / "numbers", columns={"target": "target"})
    assert Store.open(tmp_path / "numbers").clips["source_label"].to_pylist() == ["dog", "rain"] * 2


def test_a_clip_with_a_wrong_target_can_be_skipped(tmp_path: Path) -> None:
    small_build(with_targets(tmp_path, target=["1", "two", "3", "4"]), tmp_path / "store", skip_bad=True)
    assert Store.open(tmp_path / "store").clips["target"].to_pylist() == [1.0, 3.0, 4.0]
    assert "which is not a number" in (tmp_path / "store" / "rejected.csv").read_text()


def test_a_whole_number_of_any_size_is_a_target(tmp_path: Path) -> None:
    table = pq.read_table(with_targets(tmp_path, target=["1", "2", "3", "4"]))
    large = table.set_column(table.column_names.index("target"), "target", pa.array([1, 2, 3, 2**60 + 1]))
    pq.write_table(large, tmp_path / "large.parquet")
    small_build(tmp_path / "large.parquet", tmp_path / "store")
    assert Store.open(tmp_path / "store").clips["target"].to_pylist()[-1] == 2.0**60


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"device": ["a"] * 4},
            "so there is nothing to learn but the audio itself; if it is one of device, name it with --label-column",
        ),
        ({"label": ["a;b", "a", "b", "b"]}, "warning: the label 'a;b' is one class; if it is several, call the column labels"),
        ({"labels": ["dog,cat", "cat", "bird", "bird"]}, "warning: the label 'dog,cat' is one class, though its parts are others"),
        ({"labels": ["a|b", "b", "b", "b"]}, "warning: the label 'a|b' is one class, though its parts are others"),
        (
            {"labels": ["Rain", "rain;bird", "bird", "bird"]},
            "labels 'Rain' (1 clip) and 'rain' (1 clip) differ only in blanks or case",
        ),
    ],
)
def test_what_may_be_meant_otherwise_is_warned_about(tmp_path: Path, columns: dict, message: str) -> None:
    log = small_build(with_targets(tmp_path, **columns), tmp_path / "store")
    assert any(message in line for line in log.messages), log.messages


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"labels": ["a;b", "b", "b", "b"]}, "the same audio has other labels: 'clip000' is a;b, 'clip001' is b"),
        ({"target": ["1.0", "2", "2", "2"]}, "the same audio has several targets: 'clip000' is 1.0, 'clip001' is 2.0"),
    ],
)
def test_the_same_audio_with_other_targets_is_refused(tmp_path: Path, columns: dict, message: str) -> None:
    table = with_targets(tmp_path, **columns)
    (tmp_path / "clip001.wav").write_bytes((tmp_path / "clip000.wav").read_bytes())
    with pytest.raises(BrokenSourcesError) as caught:
        small_build(table, tmp_path / "store")
    assert message in str(caught.value)


def test_the_same_audio_with_the_same_targets_is_only_warned_about(tmp_path: Path) -> None:
    table = with_targets(tmp_path, target=["1.0", "1", "2", "2"])
    (tmp_path / "clip001.wav").write_bytes((tmp_path / "clip000.wav").read_bytes())
    assert any("the same audio as clip 'clip000'" in line for line in small_build(table, tmp_path / "store").messages)


@pytest.mark.parametrize("target", KINDS)
def test_a_table_of_another_kind_cannot_extend_a_store(kinds: dict[str | None, Path], tmp_path: Path, target: str | None) -> None:
    other = "labels" if target != "labels" else None
    with pytest.raises(StoreError, match=r"has (the column '\w+'|no targets), but this table has .*; use a table of the same kind"):
        small_build(write_kind(tmp_path, other), kinds[target])


def test_a_table_that_does_not_fit_the_store_is_refused_before_its_sources_are_decoded(
    kinds: dict[str | None, Path], tmp_path: Path
) -> None:
    table = write_kind(tmp_path, "target")
    for path in tmp_path.glob("*.wav"):
        path.write_bytes(b"junk")
    with pytest.raises(StoreError, match="has the column 'label', but this table has the column 'target'"):
        small_build(table, kinds["label"])
    table = write_kind(tmp_path, "label")
    table.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")
    for path in tmp_path.glob("*.wav"):
        path.write_bytes(b"junk")
    with pytest.raises(StoreError, match="the table lacks 1 clips of the store"):
        small_build(table, kinds["label"])


@pytest.mark.parametrize(("target", "what"), [("label", "another label"), ("labels", "other labels"), ("target", "another target")])
def test_a_clip_whose_target_has_changed_is_refused(kinds: dict[str | None, Path], tmp_path: Path, target: str, what: str) -> None:
    table = write_kind(tmp_path, target)
    table.write_text(table.read_text().replace(f",{cell(target, 1)}\n", f",{cell(target, 5)}\n", 1))
    with pytest.raises(StoreError, match=f"clip 'clip001' has {what} than in"):
        small_build(table, kinds[target])


@pytest.mark.parametrize("target", KINDS)
def test_an_effect_that_mixes_clips_keeps_what_is_learned(tmp_path: Path, target: str | None) -> None:
    """`add` puts clips with the same to learn over one another; numbers are all different here."""
    pytest.importorskip("librosa")
    path = build_kind(tmp_path, target, "original,add")
    added = Store.open(path).index("add") if target != "target" else ()
    assert len(added) == {"label": COUNT, "labels": COUNT, "target": 0, None: COUNT}[target]


@pytest.mark.parametrize(
    ("target", "column", "message"),
    [
        ("label", pa.array(["owl"] * COUNT), "label 'owl' is not one of the labels in store.json"),
        ("labels", pa.array([["bird", "owl"]] * COUNT, pa.list_(pa.string())), "label 'owl' is not one of the labels in store.json"),
        ("labels", pa.array([["bird", None]] * COUNT, pa.list_(pa.string())), "label 'None' is not one of the labels in store.json"),
        ("target", pa.array([float("nan")] * COUNT), "a target is not a finite number"),
    ],
)
def test_a_damaged_column_of_targets_is_noticed(kinds: dict, tmp_path: Path, target: str, column: pa.Array, message: str) -> None:
    store = Store.open(build_kind(tmp_path, target, "original"))
    clips = store.clips
    faulty = clips.set_column(clips.column_names.index(target), clips.schema.field(target), column)
    with pytest.raises(CorruptError, match=message):
        replace_tables(store, clips=faulty).clips  # noqa: B018  # reads it


def test_a_column_of_targets_that_the_manifest_does_not_name_is_noticed(tmp_path: Path) -> None:
    store = Store.open(build_kind(tmp_path, None, "original"))
    faulty = store.clips.append_column("target", pa.array([1.0] * COUNT))
    with pytest.raises(CorruptError, match=r"has a column 'target', which store\.json does not name"):
        replace_tables(store, clips=faulty).clips  # noqa: B018  # reads it


def test_a_manifest_with_labels_for_clips_without_classes_is_refused(kinds: dict[str | None, Path]) -> None:
    manifest = Store.open(kinds["target"]).manifest
    with pytest.raises(ValueError, match="there are labels, but no column"):
        Manifest(**{**manifest.model_dump(), "labels": ("a",)})


def test_a_stranger_column_list_stays_an_own_column(tmp_path: Path) -> None:
    small_build(with_targets(tmp_path, tags=[["x"], [], ["y"], []]), tmp_path / "store", shard_by="split")
    store = Store.open(tmp_path / "store")
    assert (store.manifest.target, store.clips["tags"].to_pylist()) == (None, [["x"], [], ["y"], []])
