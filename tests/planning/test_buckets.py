"""The shuffle in buckets: the same rows as a full shuffle, in batches of similar length."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaug.planning import Inventory, Plan
from streamaug.planning.buckets import Buckets
from streamaug.planning.open_plan import open_plan
from streamaug.planning.padding import measure_padding
from streamaug.recipes import load_recipe
from streamaug.recipes.recipe import Bucket
from streamaug.streaming.partition import RankPartition
from streamaug.testing import replace_tables, write_store
from tests.planning.inventories import all_rows, inventory, recipe
from tests.planning.settings import few

WEIGHTS = {"original": 1, "mp3_64": 0.5, "aac_32": 2}


def plans_of(bucket: Bucket, clips: int = 120) -> tuple[Plan, Plan]:
    """A plan in buckets, and the same in a full shuffle."""
    mixed = recipe("union", WEIGHTS)
    return Plan(recipe=replace(mixed, bucket=bucket), inventory=inventory(clips)), Plan(recipe=mixed, inventory=inventory(clips))


def lengths_of(plan: Plan, epoch: int = 0) -> np.ndarray:
    assert plan.inventory.lengths is not None
    lengths: np.ndarray = plan.inventory.lengths[all_rows(plan, epoch)[1]]
    return lengths


@few
@given(rows=st.integers(1, 500), batch=st.integers(1, 20), times=st.integers(2, 6), key=st.integers(0, 2**63))
def test_every_position_comes_once(rows: int, batch: int, times: int, key: int) -> None:
    lengths = np.random.default_rng(key % 1000).integers(0, 50, rows)
    buckets = Buckets(rows=rows, size=batch * times, batch=batch, key=key, lengths=lengths.__getitem__)
    sources = buckets.sources(np.arange(rows))
    assert sorted(sources.tolist()) == list(range(rows))
    assert np.array_equal(sources // buckets.size, np.arange(rows) // buckets.size)  # no row leaves its bucket
    assert [buckets.source(position) for position in range(rows)] == sources.tolist()
    some = np.random.default_rng(1).integers(0, rows, 30)
    assert np.array_equal(buckets.sources(some), sources[some])


@few
@given(clips=st.integers(30, 150), batch=st.integers(2, 20), times=st.integers(2, 6), epoch=st.integers(0, 3))
def test_batches_of_a_bucket_do_not_overlap_in_length(clips: int, batch: int, times: int, epoch: int) -> None:
    plan, _ = plans_of(Bucket(rows=batch * times, batch=batch), clips)
    lengths = lengths_of(plan, epoch)
    for start in range(0, len(lengths), batch * times):
        whole = lengths[start : start + batch * times]
        whole = whole[: len(whole) // batch * batch].reshape(-1, batch)
        batches = sorted((part.min(), part.max()) for part in whole)
        assert all(one[1] <= other[0] for one, other in pairwise(batches))


def test_the_batches_of_a_bucket_come_in_another_order_in_each_epoch() -> None:
    plan, _ = plans_of(Bucket(rows=200, batch=10))
    orders = {tuple(np.argsort(lengths_of(plan, epoch)[:200].reshape(20, 10).max(axis=1)).tolist()) for epoch in range(8)}
    assert len(orders) == 8


def test_every_rank_gets_short_and_long_rows_of_a_batch() -> None:
    plan, _ = plans_of(Bucket(rows=200, batch=10))
    ranks = RankPartition(batch_size=10, world=2), RankPartition(batch_size=10, world=2, rank=1)
    lengths = lengths_of(plan)
    first, last = (
        np.array([lengths[rank.positions(batch, 0, len(lengths))].sum() for batch in range(len(lengths) // 10)]) for rank in ranks
    )
    assert 0.25 < np.mean(first < last) < 0.75
    assert abs(first.sum() / last.sum() - 1) < 0.02


def test_the_rows_of_a_batch_come_in_another_order_in_each_epoch_bucket_and_batch() -> None:
    orders = set()
    for epoch_key in (1, 2):
        buckets = Buckets(rows=320, size=80, batch=8, key=epoch_key, lengths=np.arange(320).__getitem__)
        orders |= {tuple((batch % 8).tolist()) for batch in buckets.sources(np.arange(320)).reshape(-1, 8)}
    assert len(orders) == 80


def test_rows_that_fill_no_batch_are_those_of_the_full_shuffle_at_its_end() -> None:
    """Sorted with the others, they would be the longest, and a stream that drops the last batch would
    never show these."""
    plan, full = plans_of(Bucket(rows=100, batch=20), clips=121)
    left = plan.epoch_size(0) % 20
    assert left > 1
    for one, other in zip(all_rows(plan), all_rows(full), strict=True):
        assert np.array_equal(one[-left:], other[-left:])


def test_the_rows_of_an_epoch_and_its_ledger_stay() -> None:
    plan, full = plans_of(Bucket(rows=100, batch=20))
    assert plan.hash != full.hash
    for epoch in range(3):
        one, other = (sorted(zip(*(part.ravel().tolist() for part in all_rows(each, epoch)), strict=True)) for each in (plan, full))
        assert one == other


def test_padding_is_what_batches_need_beyond_their_clips() -> None:
    plan, full = plans_of(Bucket(rows=200, batch=20))
    padding = measure_padding(plan, 0)
    for measured, lengths in ((padding.bucketed, lengths_of(plan)), (padding.shuffled, lengths_of(full))):
        batches = lengths[: len(lengths) // 20 * 20].reshape(-1, 20)
        assert measured == sum(int(part.max()) * len(part) - int(part.sum()) for part in batches)
    assert padding.bucketed < 0.4 * padding.shuffled
    assert (padding.rows, padding.whole) == (plan.epoch_size(0) // 20 * 20, True)
    assert padding.samples == lengths_of(plan)[: padding.rows].sum()


def test_padding_of_a_long_epoch_is_measured_in_whole_buckets_of_its_beginning() -> None:
    held = Inventory(clips=range(60_000), available={"original": None}, lengths=np.arange(60_000) % 997)
    mixed = replace(recipe("union", {"original": 2}), bucket=Bucket(rows=3200, batch=64))
    padding = measure_padding(Plan(recipe=mixed, inventory=held), 0)
    assert (padding.rows, padding.whole) == (31 * 3200, False)
    assert padding.bucketed < 0.1 * padding.shuffled


@pytest.mark.parametrize("bucket", ["", "shuffle: {bucket: 4, batch: 2}\n"])
def test_lengths_are_part_of_the_identity_where_they_count(tmp_path: Path, bucket: str) -> None:
    clips = {"clip_id": list("abcdef"), "label": ["x"] * 6, "split": ["train"] * 6, "group": [None] * 6}
    store = write_store(tmp_path / "store", clips, {"original": None}, labels=("x",))
    (tmp_path / "recipe.yaml").write_text("draw: union\nmixture: {original: 1}\n" + bucket)
    plan = open_plan(load_recipe(tmp_path / "recipe.yaml"), store)
    samples = store.clips.schema.get_field_index("samples")
    longer = store.clips.set_column(samples, store.clips.field(samples), [[1000 + number for number in range(6)]])
    other = open_plan(plan.recipe, replace_tables(store, clips=longer))
    assert (other.hash == plan.hash) == (bucket == "")
