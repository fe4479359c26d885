"""The tars of a store are plain WebDataset: other readers get the same bytes without this package."""

import json
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import datasets
import pytest
import webdataset

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.store import Store
from tests.building.clips import write_clips

CONDITIONS = ("original", "aac_32", "mp3_32", "mulaw_64", "opus_32", "sbc_32", "mulaw_64+opus_32")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "store"
    with ThreadPoolExecutor(2) as executor:
        table = write_clips(tmp_path_factory.mktemp("clips"), 10)
        build(table, str(folder), conditions=parse_conditions(",".join(CONDITIONS)), clips_per_shard=3, executor=executor)
    return folder


def by_the_store(store: Path, condition: str) -> dict[str, bytes]:
    opened = Store.open(store)
    return {location.clip_id: location.read(opened.folder) for location in opened.index(condition).locations()}


def tars(store: Path, condition: str) -> list[str]:
    return sorted(str(path) for path in (store / condition).glob("*.tar"))


@pytest.mark.parametrize("condition", CONDITIONS)
def test_tarfile_reads_the_same_bytes(store: Path, condition: str) -> None:
    extension = Store.open(store).index(condition).meta.extension
    read = {}
    for path in tars(store, condition):
        with tarfile.open(path) as tar:
            for member in tar:
                clip_id, _, kind = member.name.partition(".")
                data = tar.extractfile(member).read()
                if kind == extension:
                    read[clip_id] = data
                else:
                    assert kind == "json"
                    assert json.loads(data)["clip_id"] == clip_id
    assert read == by_the_store(store, condition)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_webdataset_reads_the_same_bytes_and_labels(store: Path, condition: str) -> None:
    extension = Store.open(store).index(condition).meta.extension
    samples = list(webdataset.WebDataset(tars(store, condition), shardshuffle=False, empty_check=False))
    assert {sample["__key__"]: sample[extension] for sample in samples} == by_the_store(store, condition)
    labels = dict(zip(*(Store.open(store).clips[name].to_pylist() for name in ("clip_id", "label")), strict=True))
    assert {sample["__key__"]: json.loads(sample["json"])["label"] for sample in samples} == labels


@pytest.mark.parametrize("condition", CONDITIONS)
def test_hugging_face_datasets_reads_the_same_bytes_and_labels(
    store: Path, condition: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    extension = Store.open(store).index(condition).meta.extension
    read = datasets.load_dataset("webdataset", data_files={"train": tars(store, condition)}, split="train", cache_dir=str(tmp_path))
    if isinstance(read.features[extension], datasets.Audio):
        read = read.cast_column(extension, datasets.Audio(decode=False))
    rows = [(row["__key__"], row[extension], row["json"]) for row in read]
    payloads = {key: value["bytes"] if isinstance(value, dict) else value for key, value, _ in rows}
    assert payloads == by_the_store(store, condition)
    labels = dict(zip(*(Store.open(store).clips[name].to_pylist() for name in ("clip_id", "label")), strict=True))
    assert {key: metadata["label"] for key, _, metadata in rows} == labels
