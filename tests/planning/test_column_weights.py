"""Weights by column: how often clips come by their values, to the row."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaug.errors import RecipeError
from streamaug.planning import Inventory, Plan
from streamaug.planning.difference import changed_settings, compare
from streamaug.planning.ledger import planned
from streamaug.recipes import Schedule
from tests.planning.inventories import all_rows, inventory, recipe, store_column
from tests.planning.settings import few

WEIGHTS = {"original": 1, "mp3_64": 0.5}
factors = st.dictionaries(st.sampled_from(["label 0", "label 1", "label 2"]), st.sampled_from([0, 0.3, 1, 2.5, 4]), min_size=1)


def counts_of(plan: Plan, epoch: int = 0, column: str = "label") -> np.ndarray:
    """Rows of each condition and value."""
    return planned(plan, {column: store_column(plan.inventory, column)}, [epoch]).counts


def sizes_of(clips: Inventory, column: str = "label") -> np.ndarray:
    return np.bincount(clips.columns[column].codes, minlength=len(clips.columns[column].values))


class TestUnion:
    @few
    @given(clips=st.integers(40, 150), values=factors, weight=st.sampled_from([0.25, 0.5, 1, 1.3]))
    def test_brings_a_clip_as_often_as_its_weight_times_that_of_its_value(
        self, clips: int, values: dict[str, float], weight: float
    ) -> None:
        plan = Plan(recipe=recipe("union", {"mp3_64": weight}, by_column={"label": values}), inventory=inventory(clips))
        labels = store_column(plan.inventory)
        times = {
            clip: Fraction(str(weight)) * Fraction(str(values.get(labels.values[labels.codes[clip]], 1)))
            for clip in np.asarray(plan.inventory.clips).tolist()
        }
        total: Counter[int] = Counter()
        for epoch in range(6):
            shown = Counter(all_rows(plan, epoch)[1].tolist())
            assert set(shown) <= set(plan.clips.tolist())
            assert all(int(often) <= shown[clip] <= -(-often // 1) for clip, often in times.items())
            total.update(shown)
            for clip, often in times.items():
                assert abs(total[clip] - often * (epoch + 1)) < 1 + (often.denominator > 1)  # evens out over the epochs
        for label in range(4):
            mine = [total[clip] for clip in times if labels.codes[clip] == label]
            assert max(mine, default=0) - min(mine, default=0) <= 1

    @few
    @given(clips=st.integers(40, 150), epoch=st.integers(0, 5))
    def test_gives_equal_values_the_same_rows_and_keeps_the_size_of_the_epoch(self, clips: int, epoch: int) -> None:
        held = inventory(clips)
        plan, plain = (Plan(recipe=recipe("union", WEIGHTS, by_column=each), inventory=held) for each in ({"label": "equal"}, {}))
        counts = counts_of(plan, epoch)
        assert np.all(counts.max(axis=1) - counts.min(axis=1) <= 1)
        assert abs(plan.epoch_size(epoch) - plain.epoch_size(epoch)) <= 2

    def test_divides_each_condition_equally_where_each_has_other_clips(self) -> None:
        held = inventory(120, missing={"mp3_64": 0.6})
        counts = counts_of(Plan(recipe=recipe("union", {"original": 1, "mp3_64": 1}, by_column={"label": "equal"}), inventory=held))
        for row, mask in zip(counts, (None, held.available["mp3_64"]), strict=True):
            clips = len(held) if mask is None else mask.sum()
            assert np.all(np.abs(row - clips / 4) < 1)

    def test_refuses_equal_values_that_a_condition_lacks(self) -> None:
        held = inventory(60)
        held = replace(held, available={**held.available, "mp3_64": held.columns["label"].codes != 2})
        for draw, options in (("union", {}), ("weighted", {"rows": 50})):
            with pytest.raises(RecipeError, match="'mp3_64' has no clip with label = 'label 2', so the values cannot be equal"):
                Plan(recipe=recipe(draw, WEIGHTS, by_column={"label": "equal"}, **options), inventory=held)
        Plan(recipe=recipe("union", WEIGHTS, by_column={"label": {"label 2": 3}}), inventory=held)


class TestWeighted:
    @few
    @given(clips=st.integers(60, 150), values=factors, rows=st.integers(1, 700), stratify=st.none() | st.just(32))
    def test_divides_the_rows_by_clips_times_weight_and_each_value_by_the_mixture(
        self, clips: int, values: dict[str, float], rows: int, stratify: int | None
    ) -> None:
        held = inventory(clips)
        plan = Plan(recipe=recipe("weighted", WEIGHTS, by_column={"label": values}, rows=rows, stratify=stratify), inventory=held)
        amounts = sizes_of(held) * np.array([values.get(value, 1) for value in held.columns["label"].values])
        for epoch in range(3):
            counts = counts_of(plan, epoch)
            assert counts.sum() == rows
            assert np.all(np.abs(counts.sum(axis=0) - rows * amounts / amounts.sum()) < 1)
            assert np.all(np.abs(counts - counts.sum(axis=0) * np.array([[2], [1]]) / 3) < 1)
            assert abs(counts[0].sum() - rows * 2 / 3) < 2

    @few
    @given(clips=st.integers(60, 150), rows=st.integers(1, 700))
    def test_gives_equal_values_the_same_rows_whatever_another_column_weighs(self, clips: int, rows: int) -> None:
        held = inventory(clips, group_by=("device", "label"))
        by_column = {"device": "equal", "label": {"label 1": 3}}
        plan = Plan(recipe=recipe("weighted", {"original": 1}, by_column=by_column, rows=rows), inventory=held)
        devices = counts_of(plan, column="device").sum(axis=0)
        assert devices.max() - devices.min() <= 1

    def test_shows_no_clip_of_a_value_twice_before_all_its_clips_came(self) -> None:
        plan = Plan(recipe=recipe("weighted", {"original": 1}, by_column={"label": {"label 1": 6}}, rows=70), inventory=inventory(100))
        labels, seen = store_column(plan.inventory).codes, Counter(dict.fromkeys(inventory(100).clips.tolist(), 0))  # type: ignore[union-attr]  # an array
        for epoch in range(5):
            for clip in all_rows(plan, epoch)[1].tolist():
                assert seen[clip] == min(times for other, times in seen.items() if labels[other] == labels[clip])
                seen[clip] += 1

    @pytest.mark.parametrize("ramp", [False, True])
    def test_divides_a_condition_that_lacks_a_value_among_the_others(self, ramp: bool) -> None:
        """The mixture stays what it is."""
        held = inventory(60)
        held = replace(held, available={**held.available, "mp3_64": held.columns["label"].codes != 2})
        weights = {"original": Schedule.of({0: 2, 99: 1}, ramp=True, unit="step") if ramp else 2, "mp3_64": 1}
        mixed = recipe("weighted", weights, by_column={"label": {"label 1": 3}}, rows=300, stratify=30)
        for epoch in range(3):
            counts = counts_of(Plan(recipe=mixed, inventory=held), epoch)
            assert ramp or counts.sum(axis=1).tolist() == [200, 100]
            for row, factors_of_labels in zip(counts, ([1, 3, 1, 1], [1, 3, 0, 1]), strict=True):
                amounts = sizes_of(held) * factors_of_labels
                assert np.all(np.abs(row - row.sum() * amounts / amounts.sum()) < 1 + ramp)
        balanced = recipe("weighted", {"original": 2, "mp3_64": 1}, by_column={"label": {"label 1": 3}}, rows=300, balance=("label",))
        with pytest.raises(RecipeError, match="no clip of the group label 2 is in 'mp3_64'"):
            Plan(recipe=balanced, inventory=held)


@pytest.mark.parametrize(("draw", "options"), [("union", {}), ("weighted", {"rows": 480})])
class TestTogether:
    def test_with_balance_every_combination_has_the_mixture(self, draw: str, options: dict[str, Any]) -> None:
        held = inventory(150, group_by=("device", "label"))
        mixed = recipe(draw, WEIGHTS, by_column={"label": {"label 1": 2}}, balance=("device",), **options)
        joint = planned(Plan(recipe=mixed, inventory=held), {name: store_column(held, name) for name in ("device", "label")}).counts
        assert np.all(np.abs(joint[1] - joint.sum(axis=0) / 3) < 1)

    def test_with_stratify_every_batch_has_the_mixture(self, draw: str, options: dict[str, Any]) -> None:
        mixed = recipe(draw, WEIGHTS, by_column={"label": {"label 1": 2.5, "label 3": 0.3}}, stratify=20, **options)
        conditions, _ = all_rows(Plan(recipe=mixed, inventory=inventory()))
        batches = conditions[: len(conditions) // 20 * 20, 0].reshape(-1, 20).sum(axis=1)  # rows of condition 1
        assert batches.max() - batches.min() <= 1

    def test_with_where_of_the_recipe_and_of_a_condition_the_rest_is_weighted(self, draw: str, options: dict[str, Any]) -> None:
        mixed = recipe(draw, WEIGHTS, by_column={"label": {"label 1": 2}}, where=(("label", ("label 1", "label 2")),), **options)
        limited = replace(mixed, mixture={**mixed.mixture, "mp3_64": replace(mixed.mixture["mp3_64"], where=(("device", ("a",)),))})
        counts = counts_of(Plan(recipe=limited, inventory=inventory()))
        assert counts[:, [0, 3]].sum() == 0
        assert np.all(counts[:, [1, 2]] > 0)

    def test_a_value_of_weight_0_is_left_out_of_the_clips_too(self, draw: str, options: dict[str, Any]) -> None:
        plan = Plan(recipe=recipe(draw, WEIGHTS, by_column={"label": {"label 1": 0}}, **options), inventory=inventory())
        assert 1 not in store_column(plan.inventory).codes[plan.clips]

    def test_changes_the_hash_and_the_lines_of_a_comparison(self, draw: str, options: dict[str, Any]) -> None:
        plans = [
            Plan(recipe=recipe(draw, WEIGHTS, by_column=each, **options), inventory=inventory())
            for each in ({}, {"label": {"label 1": 2}}, {"label": {"label 1": 2.0}}, {"label": "equal"})
        ]
        assert len({plan.hash for plan in plans}) == 3
        assert plans[1].hash == plans[2].hash
        assert changed_settings(plans[0].recipe, plans[1].recipe) == ["+weights:", "+  label:", "+    label 1: 2"]
        assert compare(plans[0], plans[1]).added > 0
        assert compare(plans[1], plans[2]).unmoved == plans[1].epoch_size(0)


def test_an_unknown_value_is_an_error_with_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"weights: no clip of split 'train' has label = 'lable 1'\. Did you mean 'label 1'\?"):
        Plan(recipe=recipe("union", WEIGHTS, by_column={"label": {"lable 1": 2}}), inventory=inventory())
