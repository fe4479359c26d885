"""What every plan promises, whatever its draw and options."""

import pickle
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from streamaug.errors import RecipeError
from streamaug.planning import Inventory, Plan
from streamaug.planning.ledger import planned, served
from tests.planning.inventories import STORE_ROWS, all_rows, inventory, plans, recipe, store_column
from tests.planning.settings import few, some


def plan_of(case: dict[str, Any], seed: int = 0) -> Plan:
    """The plan of a case, or another case where its parts do not fit together."""
    try:
        return Plan(recipe=recipe(**case["recipe"]), inventory=inventory(**case["inventory"]), seed=seed)
    except RecipeError:
        assume(False)
        raise


@some
@given(case=plans(), epoch=st.integers(0, 6))
def test_every_row_comes_exactly_as_often_as_the_ledger_says(case: dict[str, Any], epoch: int) -> None:
    plan = plan_of(case)
    column = store_column(plan.inventory)
    conditions, clips = all_rows(plan, epoch)
    ledger = planned(plan, {"label": column}, [epoch])
    counted = np.zeros_like(ledger.counts)
    for view in range(plan.views):
        np.add.at(counted, (conditions[:, view], column.codes[clips]), 1)
    assert np.array_equal(ledger.counts, counted)
    assert np.array_equal(served(plan, {"label": column}, conditions, clips).counts, counted)
    assert ledger.total == plan.epoch_size(epoch) * plan.views


@some
@given(case=plans(), epoch=st.integers(0, 6))
def test_a_row_shows_a_clip_of_the_split_in_conditions_that_have_it(case: dict[str, Any], epoch: int) -> None:
    plan = plan_of(case)
    held = {name: np.zeros(STORE_ROWS, bool) for name in plan.conditions}
    for name in plan.conditions:
        mask = plan.inventory.available[name]
        held[name][np.asarray(plan.inventory.clips)[slice(None) if mask is None else mask]] = True
    conditions, clips = all_rows(plan, epoch)
    for number, name in enumerate(plan.conditions):
        assert held[name][clips[(conditions == number).any(axis=1)]].all()
    if plan.recipe.draw in ("one-per-clip", "views"):
        assert len(np.unique(clips)) == len(clips)
    assert all(len(set(row)) == plan.views for row in conditions.tolist())
    assert set(clips.tolist()) <= set(plan.clips.tolist())


@some
@given(case=plans(), epoch=st.integers(0, 6), data=st.data())
def test_row_k_is_row_k_however_it_is_reached(case: dict[str, Any], epoch: int, data: st.DataObject) -> None:
    """In one call or many, in any order, one by one, after pickling, after other epochs: resuming
    costs nothing and loses nothing."""
    plan = plan_of(case)
    conditions, clips = all_rows(plan, epoch)
    assume(len(clips))
    positions = np.array(data.draw(st.lists(st.integers(0, len(clips) - 1), min_size=1, max_size=20)))
    resumed = pickle.loads(pickle.dumps(plan))  # as DataLoader hands it to workers that it spawns
    for other in range(8):
        resumed.epoch_size(other)
    rows = resumed.rows(epoch, positions)
    assert np.array_equal(rows.condition, conditions[positions])
    assert np.array_equal(rows.clip, clips[positions])
    for position in positions.tolist():
        assert plan.row(epoch, position) == (tuple(conditions[position].tolist()), clips[position])


@few
@given(case=plans())
def test_another_title_or_order_of_the_mixture_changes_nothing(case: dict[str, Any]) -> None:
    plan = plan_of(case)
    settings = case["recipe"] | {"title": "another", "weights": dict(reversed(case["recipe"]["weights"].items()))}
    other = Plan(recipe=recipe(**settings), inventory=plan.inventory)
    assert other.hash == plan.hash
    for one, same in zip(all_rows(plan), all_rows(other), strict=True):
        assert np.array_equal(one, same)


@pytest.mark.parametrize("draw", ["union", "weighted", "one-per-clip", "views"])
@pytest.mark.parametrize("options", [{}, {"stratify": 32}, {"window": 16}, {"balance": ("label",)}])
def test_two_epochs_and_two_seeds_differ(draw: str, options: dict[str, Any]) -> None:
    if draw == "views":
        options = {"views": 2} | options
    if draw == "weighted":
        options = {"rows": 300} | options
    mixed = recipe(draw, {"original": 1, "mp3_64": 1, "aac_32": 1}, **options)
    one, other = (Plan(recipe=mixed, inventory=inventory(), seed=seed) for seed in (0, 1))
    first, second, seeded = all_rows(one, 0), all_rows(one, 1), all_rows(other, 0)
    assert one.hash != other.hash
    for different in (second, seeded):
        agreeing = np.mean((first[0] == different[0]).all(axis=1) & (first[1] == different[1]))
        assert agreeing < 0.1


def test_the_global_order_is_cut_into_ranks_without_a_row_lost_or_shown_twice() -> None:
    plan = Plan(recipe=recipe("union", {"original": 1, "mp3_64": 0.5}), inventory=inventory(101))
    _, clips = all_rows(plan)
    for ranks in (1, 2, 3, 7):
        positions = [np.arange(rank, len(clips), ranks) for rank in range(ranks)]
        shown = [row for mine in positions for row in zip(mine.tolist(), plan.rows(0, mine).clip.tolist(), strict=True)]
        assert sorted(shown) == list(enumerate(clips.tolist()))


def test_positions_and_epochs_that_are_not_there_are_refused() -> None:
    plan = Plan(recipe=recipe("union", {"original": 1}), inventory=inventory(10))
    for wrong in ([10], [-1]):
        with pytest.raises(IndexError, match="positions 0 to 9"):
            plan.rows(0, wrong)
        with pytest.raises(IndexError, match="positions 0 to 9"):
            plan.row(0, wrong[0])
    with pytest.raises(IndexError, match="count from 0"):
        plan.rows(-1, [0])
    assert len(plan.rows(0, [])) == 0


@pytest.mark.parametrize(("weight", "stratify"), [(10**6, None), (10**4, 2)])
def test_an_epoch_beyond_exact_arithmetic_is_refused(weight: int, stratify: int | None) -> None:
    held = Inventory(clips=range(10**7), available={"original": None})
    with pytest.raises(RecipeError, match="rows in blocks of"):
        Plan(recipe=recipe("union", {"original": weight}, stratify=stratify), inventory=held).epoch_size(0)


def test_a_condition_that_a_recipe_does_not_use_changes_nothing() -> None:
    held = inventory()
    mixed = recipe("union", {"original": 1, "mp3_64": 1})
    fewer = replace(held, available={name: held.available[name] for name in mixed.conditions})
    assert Plan(recipe=mixed, inventory=held).hash == Plan(recipe=mixed, inventory=fewer).hash


def test_identities_list_what_differs() -> None:
    mixed = recipe("union", {"original": 1})
    one = Plan(recipe=mixed, inventory=replace(inventory(), digests={"original": "a" * 64}, clips_digest="b" * 64)).identity
    assert one.differences(type(one).from_dict(one.to_dict())) == []
    other = replace(one, split="fold=1", conditions={"original": "c" * 64, "mp3_64": "d" * 64}, recipe="e" * 64)
    lines = "; ".join(one.differences(other))
    for expected in (
        "recipe has another content",
        "split: train here, fold=1 there",
        "'original' has another content",
        "'mp3_64' is only there",
    ):
        assert expected in lines


class TestUnion:
    @few
    @given(clips=st.integers(1, 200), options=st.sampled_from([{}, {"stratify": 16}, {"window": 8}, {"balance": ("label",)}]))
    def test_with_weight_1_visits_every_clip_exactly_once_a_condition(self, clips: int, options: dict[str, Any]) -> None:
        plan = Plan(recipe=recipe("union", {"original": 1, "mp3_64": 1}, **options), inventory=inventory(clips))
        for epoch in (0, 5):
            conditions, shown = all_rows(plan, epoch)
            for condition in (0, 1):
                assert sorted(shown[conditions[:, 0] == condition].tolist()) == list(plan.inventory.clips)

    @few
    @given(
        clips=st.integers(1, 60),
        weight=st.sampled_from([0.1, 0.25, 0.29, 0.5, 0.75, 1.3, 2, 3.7]),
        options=st.sampled_from([{}, {"stratify": 16}, {"window": 8}, {"balance": ("label",)}]),
    )
    def test_evens_fractional_repeats_out_over_epochs(self, clips: int, weight: float, options: dict[str, Any]) -> None:
        plan = Plan(recipe=recipe("union", {"mp3_64": weight}, **options), inventory=inventory(clips))
        total: Counter[int] = Counter(dict.fromkeys(plan.clips.tolist(), 0))
        for epoch in range(20):
            times = Counter(all_rows(plan, epoch)[1].tolist())
            assert all(int(weight) <= times[clip] <= int(weight) + 1 for clip in total)
            total.update(times)
            assert max(total.values()) - min(total.values()) <= 1

    def test_takes_half_the_clips_in_one_epoch_and_the_other_half_in_the_next(self) -> None:
        plan = Plan(recipe=recipe("union", {"mp3_64": 0.5}), inventory=inventory(100))
        first, second, third = (set(all_rows(plan, epoch)[1].tolist()) for epoch in range(3))
        assert len(first) == len(second) == 50
        assert not first & second
        assert first == third

    def test_has_epoch_sizes_that_differ_by_no_more_than_the_number_of_conditions(self) -> None:
        plan = Plan(recipe=recipe("union", {"original": 0.29, "mp3_64": 0.13, "aac_32": 0.77}), inventory=inventory(97))
        sizes = [plan.epoch_size(epoch) for epoch in range(100)]
        assert max(sizes) - min(sizes) <= 3
        assert abs(sum(sizes) - 100 * 97 * 1.19) <= 3

    def test_follows_a_schedule(self) -> None:
        plan = Plan(recipe=recipe("union", {"original": 1, "mp3_64": {0: 0, 2: 0.5, 4: 2}}), inventory=inventory(100))
        assert [plan.epoch_size(epoch) for epoch in range(6)] == [100, 100, 150, 150, 300, 300]

    def test_keeps_the_clips_of_a_condition_when_another_is_added(self) -> None:
        """Orders hang on the condition's name: so two recipes can be compared row by row."""
        small = Plan(recipe=recipe("union", {"mp3_64": 0.5}), inventory=inventory())
        large = Plan(recipe=recipe("union", {"original": 1, "mp3_64": 0.5}), inventory=inventory())
        conditions, clips = all_rows(large)
        assert set(all_rows(small)[1].tolist()) == set(clips[conditions[:, 0] == 1].tolist())


class TestWeighted:
    @few
    @given(
        rows=st.integers(1, 500),
        clips=st.integers(1, 60),
        options=st.sampled_from([{}, {"stratify": 16}, {"window": 8}, {"balance": ("label",)}, {"stratify": 32, "window": 12}]),
    )
    def test_shows_no_clip_twice_before_all_came_across_epochs_too(self, rows: int, clips: int, options: dict[str, Any]) -> None:
        try:
            plan = Plan(
                recipe=recipe("weighted", {"original": 1, "mp3_64": {0: 3, 2: 0.5}}, rows=rows, **options), inventory=inventory(clips)
            )
        except RecipeError:
            assume(False)
        labels = store_column(plan.inventory).codes
        balanced = bool(plan.recipe.balance)
        seen: dict[tuple[int, int], Counter[int]] = {}
        members = {group: [clip for clip in plan.clips.tolist() if not balanced or labels[clip] == group] for group in set(labels.tolist())}
        for epoch in range(4):
            for (condition,), clip in zip(*(part.tolist() for part in all_rows(plan, epoch)), strict=True):
                group = int(labels[clip]) if balanced else 0
                times = seen.setdefault((condition, group), Counter(dict.fromkeys(members[group], 0)))
                assert times[clip] == min(times.values())
                times[clip] += 1

    def test_has_exactly_the_rows_asked_for_shared_out_by_weight(self) -> None:
        plan = Plan(recipe=recipe("weighted", {"original": 0.8, "mp3_64": 0.1, "aac_32": 0.1}, rows=1001), inventory=inventory())
        for epoch in range(3):
            assert np.bincount(all_rows(plan, epoch)[0][:, 0]).tolist() == [801, 100, 100]

    def test_orders_each_pass_anew(self) -> None:
        plan = Plan(recipe=recipe("weighted", {"original": 1}, rows=200), inventory=inventory(100))
        clips = all_rows(plan)[1]
        assert sorted(clips[:100].tolist()) == sorted(clips[100:].tolist())
        assert (clips[:100] == clips[100:]).sum() < 20


class TestOnePerClip:
    def test_shares_the_clips_out_by_weight_anew_each_epoch(self) -> None:
        plan = Plan(recipe=recipe("one-per-clip", {"original": 2, "mp3_64": 1, "aac_32": 1}), inventory=inventory(100))
        conditions, clips = all_rows(plan)
        assert np.bincount(conditions[:, 0]).tolist() == [50, 25, 25]
        again, same_clips = all_rows(plan, 1)
        order, order_again = np.argsort(clips), np.argsort(same_clips)
        assert np.array_equal(clips[order], same_clips[order_again])
        assert 20 < (conditions[order, 0] == again[order_again, 0]).sum() < 60  # 37.5 expected

    def test_draws_a_clip_among_the_conditions_that_have_it(self) -> None:
        held = inventory(100, missing={"mp3_64": 0.4})
        plan = Plan(recipe=recipe("one-per-clip", {"original": 1, "mp3_64": 3}), inventory=held)
        conditions, clips = all_rows(plan)
        mask = held.available["mp3_64"]
        assert mask is not None
        has = np.isin(clips, np.asarray(held.clips)[mask])
        assert len(clips) == 100
        assert set(conditions[~has, 0].tolist()) == {plan.conditions.index("original")}
        assert abs((conditions[has, 0] == plan.conditions.index("mp3_64")).sum() - 0.75 * has.sum()) < 1


class TestViews:
    def test_shows_each_clip_in_distinct_conditions_the_anchor_first(self) -> None:
        mixed = recipe("views", {"original": 1, "mp3_64": 1, "aac_32": 1, "he-aac_16": 2}, views=3, anchor="original")
        conditions, clips = all_rows(Plan(recipe=mixed, inventory=inventory(100)))
        assert sorted(clips.tolist()) == list(inventory(100).clips)
        assert set(conditions[:, 0].tolist()) == {0}
        assert np.bincount(conditions[:, 1:].ravel()).tolist() == [0, 50, 100, 50]

    def test_brings_all_pairs_up_over_the_epochs(self) -> None:
        plan = Plan(
            recipe=recipe("views", dict.fromkeys(("original", "mp3_64", "aac_32", "he-aac_16"), 1), views=2), inventory=inventory(100)
        )
        pairs = {tuple(sorted(row)) for epoch in range(12) for row in all_rows(plan, epoch)[0].tolist()}
        assert len(pairs) == 6

    def test_gives_a_condition_up_to_the_brim_where_others_lack_the_clip(self) -> None:
        held = inventory(100, missing={"mp3_64": 0.5, "aac_32": 0.0})
        mixed = recipe("views", {"original": 1, "mp3_64": 1, "aac_32": 1}, views=2)
        conditions, clips = all_rows(Plan(recipe=mixed, inventory=held))
        mask = held.available["mp3_64"]
        assert mask is not None
        lacking = ~np.isin(clips, np.asarray(held.clips)[mask])
        assert {tuple(sorted(row)) for row in conditions[lacking].tolist()} == {(0, 1)}

    def test_refuses_clips_that_too_few_conditions_have(self) -> None:
        with pytest.raises(RecipeError, match="can be shown in original only, and a row of epoch 0 needs 2 conditions"):
            Plan(recipe=recipe("views", {"original": 1, "mp3_64": 1}, views=2), inventory=inventory(100, missing={"mp3_64": 0.1}))


class TestBalance:
    @few
    @given(clips=st.integers(20, 150), draw=st.sampled_from(["union", "weighted", "one-per-clip"]), stratify=st.none() | st.just(32))
    def test_gives_every_group_the_mixture_to_the_row(self, clips: int, draw: str, stratify: int | None) -> None:
        weights = {"original": 1, "mp3_64": 0.5, "aac_32": 0.3}
        mixed = recipe(draw, weights, rows=301 if draw == "weighted" else None, balance=("label",), stratify=stratify)
        try:
            plan = Plan(recipe=mixed, inventory=inventory(clips))
        except RecipeError:
            assume(False)
        for epoch in range(3):
            counts = planned(plan, {"label": store_column(plan.inventory)}, [epoch]).counts.T
            sizes = np.bincount(plan.inventory.columns["label"].codes, minlength=len(counts))
            shares = np.array([weights[name] for name in plan.conditions])
            for group, size in zip(counts, sizes, strict=True):
                quotas = size * shares if draw == "union" else group.sum() * shares / shares.sum()
                assert np.all(np.abs(group - quotas) < 1)

    def test_is_refused_where_a_group_lacks_a_condition(self) -> None:
        held = inventory(40)
        no_first = held.columns["label"].codes != 0
        held = replace(held, available={**held.available, "mp3_64": no_first})
        for mixed in (recipe("weighted", {"original": 1, "mp3_64": 1}, rows=50, balance=("label",)),):
            with pytest.raises(RecipeError, match="no clip of the group label 0 is in 'mp3_64'"):
                Plan(recipe=mixed, inventory=held)
        with pytest.raises(RecipeError, match="'balance' cannot be exact: some clips are in"):
            Plan(recipe=recipe("one-per-clip", {"original": 1, "mp3_64": 1}, balance=("label",)), inventory=held)


class TestStratify:
    @few
    @given(
        draw=st.sampled_from(["union", "weighted", "one-per-clip", "views"]),
        size=st.integers(4, 64),
        clips=st.integers(30, 150),
        window=st.none() | st.just(40),
    )
    def test_gives_every_batch_the_mixture_to_the_row(self, draw: str, size: int, clips: int, window: int | None) -> None:
        weights = {"original": 1, "mp3_64": 0.5, "aac_32": 0.75}
        special = {"weighted": {"rows": 333}, "views": {"views": 2}}.get(draw, {})
        plan = Plan(recipe=recipe(draw, weights, stratify=size, window=window, **special), inventory=inventory(clips))
        conditions, _ = all_rows(plan, 1)
        batches = len(conditions) // size
        assume(batches)
        counts = np.stack([np.bincount(batch.ravel(), minlength=3) for batch in conditions[: batches * size].reshape(batches, -1)])
        assert np.all(counts.max(axis=0) - counts.min(axis=0) <= 1)
        expected = np.bincount(conditions.ravel(), minlength=3) * size / len(conditions)
        slack = 1 + (1 if draw != "views" else 6) / batches  # of views, each piece of a condition is rounded in the last batch
        assert np.all(np.abs(counts - expected) < slack)

    def test_is_refused_for_views_of_incomplete_clips(self) -> None:
        with pytest.raises(RecipeError, match="needs every clip in every condition"):
            Plan(
                recipe=recipe("views", {"original": 1, "mp3_64": 1, "aac_32": 1}, views=2, stratify=8),
                inventory=inventory(100, missing={"mp3_64": 0.1}),
            )


class TestWindows:
    def open_at_once(self, draw: str, window: int | None) -> int:
        """The largest number of shards that a stretch of 60 rows touches, of 60 shards and two
        conditions."""
        held = inventory(390, shards=60)
        options = {"rows": 780} if draw == "weighted" else {}
        plan = Plan(recipe=recipe(draw, {"original": 1, "mp3_64": 1}, window=window, stratify=20, **options), inventory=held)
        conditions, clips = all_rows(plan)
        shard_of = np.zeros(STORE_ROWS, np.int64)
        assert held.shards is not None
        shard_of[np.asarray(held.clips)[held.shards.order]] = np.repeat(np.arange(60), held.shards.sizes)
        shards = conditions[:, 0] * 60 + shard_of[clips]
        return max(len(np.unique(shards[start : start + 60])) for start in range(0, len(clips) - 60, 7))

    @pytest.mark.parametrize("draw", ["union", "weighted", "one-per-clip"])
    def test_few_shards_are_open_at_a_time(self, draw: str) -> None:
        """A window of 8 shards is about 50 rows long; 60 rows lie in two or three, and a shard may
        lie across two."""
        assert self.open_at_once(draw, window=8) <= 3 * 8
        assert self.open_at_once(draw, window=None) > 40

    def test_every_window_holds_each_conditions_share_to_the_row(self) -> None:
        plan = Plan(recipe=recipe("union", {"original": 1, "mp3_64": 0.5, "aac_32": 0.3}, window=8), inventory=inventory(390, shards=40))
        windows = plan.epoch(0).windows
        assert windows is not None
        edges = np.arange(windows.windows + 1)
        for count in windows.cells.count.tolist():
            sizes = np.diff(edges * count // windows.windows)
            assert np.all(np.abs(sizes - count / windows.windows) < 1)

    def test_the_order_of_shards_is_another_in_each_epoch(self) -> None:
        held = inventory(390, shards=60)
        plan = Plan(recipe=recipe("union", {"original": 1}, window=4), inventory=held)
        assert held.shards is not None
        first, second = (all_rows(plan, epoch)[1][:60] for epoch in (0, 1))
        assert len(np.intersect1d(first, second)) < 40

    def test_requests_are_counted_as_stretches_of_shards(self) -> None:
        held = inventory(390, shards=60)
        plan = Plan(recipe=recipe("union", {"original": 1, "mp3_64": 1}, window=10), inventory=held)
        windows = plan.epoch(0).windows
        assert windows is not None
        assert 120 <= windows.sequential_reads <= 120 + 2 * (windows.windows - 1)
