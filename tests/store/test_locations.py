"""Locations are in the order of the clips table, whatever the order of the index."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from streamaug.errors import CorruptError
from streamaug.store import Index, Store, alignment
from streamaug.store.format import INDEX_SCHEMA
from streamaug.testing import replace_tables, write_store

CONDITIONS = ("original", "mp3_64", "aac_32")
CLIPS = 60


@pytest.fixture
def store(tmp_path: Path) -> Store:
    ids = [f"clip{number:02d}" for number in range(CLIPS)]
    columns = {"clip_id": ids, "label": ["bus", "park"] * (CLIPS // 2), "split": ["train"] * CLIPS, "group": ids}
    some = np.arange(CLIPS) % 4 > 0
    return write_store(tmp_path / "store", columns, dict.fromkeys(CONDITIONS) | {"pitch": some}, labels=("bus", "park"), clips_per_shard=8)


def shuffled(index: Index) -> Index:
    """The same clips in another order within each shard, as after shards were joined."""
    shard = index.column("shard")
    order = np.lexsort((np.random.default_rng(5).permutation(len(index)), shard))
    rng = np.random.default_rng(6)
    table = index.table.take(pa.array(order))
    hashes = pa.array([rng.bytes(32) for _ in range(len(index))], pa.binary(32))
    return Index(meta=index.meta, table=table.set_column(table.column_names.index("sha256"), "sha256", hashes).cast(INDEX_SCHEMA))


def check(store: Store, condition: str) -> None:
    """Every clip has the location that the index gives it."""
    locations, index = store.locations(condition), store.index(condition)
    for clip, clip_id in enumerate(store.clips["clip_id"].to_pylist()):
        location = index.location(clip_id)
        assert bool(locations.has_clip[clip]) == (location is not None)
        if location is None:
            assert (int(locations.size[clip]), locations.sha256[clip].any()) == (0, False)
            continue
        assert locations.path(clip) == location.shard
        numbers = (int(locations.offset[clip]), int(locations.size[clip]), int(locations.delay[clip]))
        assert numbers == (location.offset, location.size, location.delay)
        assert locations.sha256[clip].tobytes() == location.sha256[:16]


@pytest.fixture
def matched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many names were matched, each time that some were."""
    counts: list[int] = []
    index_in = alignment.pc.index_in

    def counted(names: pa.ChunkedArray, value_set: pa.ChunkedArray) -> pa.ChunkedArray:
        counts.append(len(names))
        return index_in(names, value_set=value_set)

    monkeypatch.setattr(alignment.pc, "index_in", counted)
    return counts


def test_no_names_are_matched_if_indexes_have_the_order_of_a_build(store: Store, matched: list[int]) -> None:
    for name in CONDITIONS:
        check(store, name)
    assert matched == []


def test_a_condition_without_some_clips_has_no_location_for_them(store: Store, matched: list[int]) -> None:
    check(store, "pitch")
    assert matched == [CLIPS]


def test_indexes_in_another_order_are_matched_once_for_all_of_them(store: Store, matched: list[int]) -> None:
    other = replace_tables(store, indexes=[shuffled(store.index(name)) for name in ("mp3_64", "aac_32")])
    for name in CONDITIONS:
        check(other, name)
    assert matched == [CLIPS]


def test_a_clips_table_in_another_order_is_served_in_its_order(store: Store) -> None:
    clips = store.clips.take(pa.array(np.random.default_rng(7).permutation(CLIPS)))
    other = replace_tables(store, clips=clips)
    for name in (*CONDITIONS, "pitch"):
        check(other, name)


def test_an_index_that_was_read_before_is_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.index("mp3_64")
    monkeypatch.setattr(Store, "_read_index", None)
    check(store, "mp3_64")


def test_a_clip_twice_in_an_index_is_refused_even_if_it_is_twice_in_the_clips_table(store: Store) -> None:
    twice = np.concatenate([[0], np.arange(CLIPS)])
    clips = store.clips.take(pa.array(twice))
    index = store.index("mp3_64")
    order = np.argsort(clips["shard"].to_numpy(), kind="stable")
    rows = [index.table["clip_id"].to_pylist().index(clip_id) for clip_id in clips["clip_id"].take(pa.array(order)).to_pylist()]
    doubled = Index(meta=index.meta, table=index.table.take(pa.array(rows)))
    assert len(doubled) == CLIPS + 1
    other = replace_tables(store, clips=clips, indexes=[doubled])
    with pytest.raises(CorruptError, match="has two rows of the same clip"):
        other.locations("mp3_64")


def test_a_condition_without_any_clip_has_no_locations(store: Store) -> None:
    index = store.index("mp3_64")
    other = replace_tables(store, indexes=[Index(meta=index.meta, table=index.table.slice(0, 0))])
    assert not other.locations("mp3_64").has_clip.any()
