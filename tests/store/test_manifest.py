"""A manifest that was damaged or is hostile is one line; a good one is read back as it was written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamaug.errors import CorruptError, StoreError
from streamaug.store import Store
from streamaug.store.manifest import Manifest, parse_manifest, read_manifest
from streamaug.testing import write_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    columns = {"clip_id": ["c1", "c2"], "label": ["a", "b"], "split": ["train", "train"], "group": ["g", "h"]}
    return write_store(tmp_path / "store", columns, {"original": None, "mp3_64": None}, labels=["a", "b"])


def test_it_is_read_back_as_it_was_written(store: Store) -> None:
    manifest = store.manifest
    assert parse_manifest(manifest.to_bytes(), "store.json") == manifest
    assert parse_manifest(manifest.to_bytes(), "store.json").snapshot == manifest.snapshot
    assert manifest.changed(labels=manifest.labels) is manifest
    changed = manifest.changed(labels=(*manifest.labels, "c"))
    assert (changed.parent, changed.differences(manifest)) == (manifest.snapshot, ["labels"])


def set_(*keys: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(manifest: dict[str, Any]) -> None:
        for key in keys[:-1]:
            manifest = manifest[key]
        manifest[keys[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_("format", to=3), "format 3, but this version reads format 2; upgrade streamaug"),
        (set_("clips", "file", to="../../etc/passwd"), "clips.file: String should match pattern"),
        (set_("clips", "sha256", to="0"), "clips.sha256: String should match pattern"),
        (set_("conditions", "original", "file", to="index-0123456789abcdef.parquet/../x"), "conditions.original.file"),
        (set_("conditions", "../up", to={}), "conditions"),
        (set_("conditions", to={}), "there is no condition"),
        (set_("labels", to=["a", "a"]), "a label appears twice"),
        (set_("labels", to="a"), "labels: Input should be a valid array"),
        (set_("parent", to="../../../0123456789"), "parent: String should match pattern"),
        (set_("rate", to=1e30), "rate"),
        (set_("more", to=1), "more: Extra inputs are not permitted"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(store: Store, change: Callable[[dict[str, Any]], None], message: str) -> None:
    path = Path(store.url) / "store.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))
    with pytest.raises(StoreError) as caught:
        Store.open(store.url)
    assert message in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[" * 100_000, b"null", b"{}"])
def test_what_is_not_a_manifest_is_refused(store: Store, data: bytes) -> None:
    (Path(store.url) / "store.json").write_bytes(data)
    with pytest.raises(StoreError, match=r"store\.json: .*; copy the file again, or rebuild the store"):
        Store.open(store.url)


@pytest.mark.parametrize("key", ["created", "build"])
def test_a_manifest_without_what_tells_snapshots_apart_is_refused(store: Store, key: str) -> None:
    path = Path(store.url) / "store.json"
    manifest = json.loads(path.read_text())
    del manifest[key]
    path.write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match=rf"store\.json: {key}: Field required; copy the file again"):
        Store.open(store.url)


def test_an_earlier_snapshot_is_opened_by_its_name_and_must_be_what_it_was(store: Store) -> None:
    assert read_manifest(store.folder, store.snapshot) == store.manifest
    for name in ("../../store", "0" * 15, f"{store.snapshot}\n"):
        with pytest.raises(StoreError, match="is not the name of a snapshot"):
            store.reopen(name)
    with pytest.raises(StoreError, match="no snapshot '0000000000000000' any more"):
        store.reopen("0" * 16)
    path = Path(store.url) / "snapshots" / f"{store.snapshot}.json"
    path.write_bytes(Manifest(**{**store.manifest.model_dump(), "labels": ("b", "a")}).to_bytes())
    with pytest.raises(CorruptError, match="was changed after it was published"):
        store.reopen(store.snapshot)
