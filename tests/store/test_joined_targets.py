"""Several stores of one kind as one: what a model learns of their clips is joined, and kinds do not mix."""

from pathlib import Path
from typing import Any

import pytest

from streamaug.errors import StoreError
from streamaug.planning.ledger import planned
from streamaug.planning.open_plan import label_columns, open_plan
from streamaug.recipes import load_recipe
from streamaug.store.catalogue import Catalogue
from streamaug.streaming import Stream
from streamaug.testing import write_store
from tests.building.kinds import LABELS, build_kind

KINDS: dict[str | None, list[Any]] = {"label": ["dog", "rain"], "labels": [["dog", "dog_bark"], []], "target": [0.5, 2.0], None: []}


def catalogue(folder: Path, kinds: dict[str, str | None], **settings: Any) -> Catalogue:
    stores = {}
    for name, target in kinds.items():
        columns = {"clip_id": [f"{name}0", f"{name}1"], "split": ["train"] * 2, "group": [name] * 2}
        labels = ("dog", "dog_bark", "rain") if target in ("label", "labels") else ()
        stores[name] = write_store(
            folder / name, {**columns, **({target: KINDS[target]} if target else {})}, {"original": None}, labels=labels
        )
    return Catalogue.open(stores, **settings)


@pytest.mark.parametrize("target", KINDS)
def test_stores_of_one_kind_are_one_of_that_kind(tmp_path: Path, target: str | None) -> None:
    joined = catalogue(tmp_path, {"a": target, "b": target})
    assert joined.manifest.target == target
    if target:
        assert joined.clips[target].to_pylist() == KINDS[target] * 2
    plan = open_plan(load_recipe({"draw": "union", "mixture": {"a:original": 1, "b:original": 1}}), joined)
    assert planned(plan, label_columns(joined)).total == 4


@pytest.mark.parametrize("other", ["label", "target", None])
def test_stores_of_other_kinds_do_not_go_together(tmp_path: Path, other: str | None) -> None:
    with pytest.raises(StoreError, match=r"store 'a' has the column 'labels' and store 'b' has .*, but a batch has one kind; build one of"):
        catalogue(tmp_path, {"a": "labels", "b": other})


def test_two_labels_of_a_clip_that_get_one_name_are_one(tmp_path: Path) -> None:
    joined = catalogue(tmp_path, {"a": "labels", "b": "labels"}, rename_labels={"b": {"dog_bark": "dog"}})
    assert joined.manifest.labels == ("dog", "dog_bark", "rain")
    assert joined.clips["labels"].to_pylist() == [["dog", "dog_bark"], [], ["dog"], []]
    plan = open_plan(load_recipe({"draw": "union", "mixture": {"b:original": 1}, "rename_labels": {"b": {"dog_bark": "dog"}}}), joined)
    ledger = planned(plan, label_columns(joined))
    assert dict(zip(ledger.values[1], ledger.counts[0].tolist(), strict=True))["dog"] == 1


def test_a_stream_of_two_stores_has_the_labels_and_columns_of_both(kinds: dict[str | None, Path], tmp_path: Path) -> None:
    stores = Catalogue.open({"a": kinds["labels"], "b": build_kind(tmp_path, "labels", "original")}, rename_labels={"b": {"bird": "owl"}})
    assert stores.manifest.labels == (*LABELS, "owl")
    rows = {(clip["store"], clip["clip_id"]): clip for clip in stores.clips.to_pylist()}
    recipe = {"draw": "union", "mixture": {"a:mp3_64": 1, "b:original": 1}, "rename_labels": {"b": {"bird": "owl"}}}
    batches = list(Stream(recipe, stores, batch_size=12, features="waveform", columns=["device", "split"]))
    assert {store for batch in batches for store in batch["store"]} == {"a", "b"}
    for batch in batches:
        for store, clip_id, several_hot, device in zip(batch["store"], batch["clip_id"], batch["labels"], batch["device"], strict=True):
            clip = rows[store, clip_id]
            assert [label for label, there in zip(stores.manifest.labels, several_hot, strict=True) if there] == sorted(
                clip["labels"], key=stores.manifest.labels.index
            )
            assert int(device) == int(clip["device"])
