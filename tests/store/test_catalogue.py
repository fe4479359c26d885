"""Several stores as one: joined clips and labels, conditions by name, and what does not go together."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from streamaug.errors import StoreError
from streamaug.store import Store
from streamaug.store.catalogue import Catalogue, open_store, split_rows
from streamaug.testing import replace_tables, write_store
from tests.planning.several_stores import scenes, sounds


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("stores")
    return Catalogue.open({"tau": scenes(folder / "tau"), "esc": sounds(folder / "esc")})


def test_the_clips_are_joined_store_by_store_in_the_order_of_the_names(catalogue: Catalogue) -> None:
    assert catalogue.clips["store"].to_pylist() == ["esc"] * 20 + ["tau"] * 32
    for name, store in catalogue.stores.items():
        own = catalogue.clips.filter(np.array(catalogue.clips["store"].to_pylist()) == name)
        for column in ("clip_id", "label", "split", "group", "samples", "sha256"):
            assert own[column].to_pylist() == store.clips[column].to_pylist()


def test_a_column_of_one_store_is_empty_in_the_others_and_types_that_differ_become_text(catalogue: Catalogue) -> None:
    assert catalogue.clips["device"].to_pylist()[:20] == [None] * 20
    assert catalogue.clips["take"].to_pylist()[20:] == [None] * 32
    assert set(catalogue.clips["fold"].to_pylist()) == {"1", "2", "3", "4"}


def test_no_shard_of_one_store_has_the_number_of_another_ones(catalogue: Catalogue) -> None:
    shards = {name: set() for name in catalogue.stores}
    for name, shard in zip(catalogue.clips["store"].to_pylist(), catalogue.clips["shard"].to_pylist(), strict=True):
        shards[name].add(shard)
    assert not shards["esc"] & shards["tau"]
    assert len(shards["tau"]) == 8


def test_labels_are_those_of_all_stores_in_the_order_of_the_stores_names(catalogue: Catalogue) -> None:
    assert catalogue.manifest.labels == ("dog_bark", "siren", "park", "bus", "dog")


def test_labels_with_other_names_are_joined_with_those_of_that_name(catalogue: Catalogue) -> None:
    renamed = Catalogue.open(catalogue.stores, rename_labels={"esc": {"dog_bark": "dog"}})
    assert renamed.manifest.labels == ("dog", "siren", "park", "bus")
    assert renamed.clips["label"].to_pylist()[:4] == ["siren", "dog", "siren", "dog"]
    assert renamed.clips["label"].to_pylist()[20:] == catalogue.clips["label"].to_pylist()[20:]


def test_a_condition_has_the_clips_of_its_store_at_their_rows(catalogue: Catalogue) -> None:
    assert catalogue.conditions == ("esc:original", "esc:mp3_64", "tau:original", "tau:mp3_64", "tau:pitch")
    first = 0
    for name, store in catalogue.stores.items():
        for condition in store.conditions:
            joined, own = catalogue.locations(f"{name}:{condition}"), store.locations(condition)
            assert (joined.name, joined.store, joined.condition) == (f"{name}:{condition}", name, condition)
            rows = np.flatnonzero(joined.has_clip)
            assert (rows == first + np.flatnonzero(own.has_clip)).all()
            for row in rows.tolist():
                assert joined.path(row) == own.path(row - first)
                for column in ("offset", "size", "delay"):
                    assert getattr(joined, column)[row] == getattr(own, column)[row - first]
                assert (joined.sha256[row] == own.sha256[row - first]).all()
        first += len(store.clips)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("mp3_64", r"lacks its store; write 'esc:mp3_64' or 'tau:mp3_64'"),
        ("tua:mp3_64", r"there is no store 'tua'\. Did you mean 'tau'\?"),
        ("esc:pitch", r"no condition 'pitch' in store .*esc"),
    ],
)
def test_an_unknown_condition_is_refused_with_what_to_write(catalogue: Catalogue, condition: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        catalogue.locations(condition)


def test_a_choice_on_a_column_needs_it_in_every_store(catalogue: Catalogue) -> None:
    assert len(split_rows(catalogue, "train")) == 16 + 24
    assert len(split_rows(catalogue, "fold=1")) == 5 + 8
    assert len(split_rows(catalogue, "store=esc")) == 20
    with pytest.raises(StoreError, match=r"split 'device=a': the clips table of store 'esc' .* has no column 'device'"):
        split_rows(catalogue, "device=a")


def test_one_store_with_two_names_is_refused(tmp_path: Path) -> None:
    store = sounds(tmp_path / "esc")
    with pytest.raises(StoreError, match=r"'a' and 'b' are the same store, .*esc"):
        Catalogue.open({"a": store, "b": str(tmp_path / "esc")})


def test_a_copy_of_a_store_is_refused_too(tmp_path: Path) -> None:
    store = sounds(tmp_path / "esc")
    (tmp_path / "esc").rename(tmp_path / "moved")
    moved = Store.open(tmp_path / "moved")
    with pytest.raises(StoreError, match="'a' and 'b' are the same store"):
        Catalogue.open({"a": store, "b": moved})


def test_a_store_whose_clips_have_a_column_called_store_is_refused(tmp_path: Path) -> None:
    shop = write_store(
        tmp_path / "shop",
        {"clip_id": ["a"], "label": ["x"], "split": ["train"], "group": ["g"], "store": ["north"]},
        {"original": None},
        labels=("x",),
    )
    with pytest.raises(StoreError, match="store 'shop': its clips table has a column 'store'"):
        Catalogue.open({"shop": shop, "esc": sounds(tmp_path / "esc")}).clips  # noqa: B018  # which reads the table


@pytest.mark.parametrize(
    ("rename_labels", "message"),
    [
        ({"ecs": {"siren": "alarm"}}, r"there is no store 'ecs'\. Did you mean 'esc'\?"),
        ({"esc": {"sirn": "alarm"}}, r"store 'esc' has no label 'sirn'\. Did you mean 'siren'\?"),
    ],
)
def test_a_label_that_a_store_lacks_cannot_get_another_name(catalogue: Catalogue, rename_labels: dict, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        Catalogue.open(catalogue.stores, rename_labels=rename_labels)


@pytest.mark.parametrize("stores", [{}, {"a:b": "x"}, {"": "x"}, {1: "x"}])
def test_names_that_no_condition_can_begin_with_are_refused(stores: dict) -> None:
    with pytest.raises(StoreError, match="name"):
        open_store(stores)


def test_a_store_can_be_of_an_earlier_snapshot_while_another_stays(tmp_path: Path) -> None:
    before = Catalogue.open({"tau": scenes(tmp_path / "tau"), "esc": sounds(tmp_path / "esc")})
    esc = before.stores["esc"]
    replace_tables(esc, clips=esc.clips.slice(0, 10))
    after = before.reopen()
    assert after.snapshot["tau"] == before.snapshot["tau"]
    assert after.snapshot["esc"] != before.snapshot["esc"]
    assert len(after.clips) == 42
    assert after.reopen(before.snapshot).clips.equals(before.clips)
    with pytest.raises(StoreError, match="snapshots of the stores esc are named, but these are esc, tau"):
        after.reopen({"esc": before.snapshot["esc"]})


def test_what_goes_to_a_worker_is_small(catalogue: Catalogue) -> None:
    catalogue.clips  # noqa: B018  # which reads the tables
    unread = pickle.loads(pickle.dumps(catalogue.unread()))
    assert len(pickle.dumps(unread)) < 3_000
    assert unread.clips.equals(catalogue.clips)
