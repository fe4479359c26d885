"""Weights by training step: constant from step to step, or along ramps; exact in every batch."""

import pickle
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaug.errors import RecipeError
from streamaug.planning import Plan
from streamaug.planning.ledger import planned
from streamaug.planning.ramp import ramp_counts
from streamaug.recipes import Recipe, Schedule
from tests.planning.inventories import all_rows, by_step, inventory, recipe, store_column
from tests.planning.settings import few, some

BATCH = 20
names = st.lists(st.sampled_from(["original", "mp3_64", "aac_32"]), min_size=2, max_size=3, unique=True)
mixtures = names.flatmap(lambda chosen: st.fixed_dictionaries({"he-aac_16": st.just(0.5), **dict.fromkeys(chosen, by_step)}))


def scheduled(points: dict[int, float], *, ramp: bool = False) -> Schedule:
    return Schedule.of(points, ramp=ramp, unit="step")


def weighted(weights: dict[str, Any], batches: int, **settings: Any) -> Recipe:
    return recipe("weighted", weights, rows=BATCH * batches, stratify=BATCH, **settings)


def batches_of(plan: Plan, epochs: int) -> np.ndarray:
    """Rows of each condition in each batch of some epochs, (batches, conditions)."""
    conditions = np.concatenate([all_rows(plan, epoch)[0][:, 0] for epoch in range(epochs)])
    return np.stack([np.bincount(batch, minlength=len(plan.conditions)) for batch in conditions.reshape(-1, BATCH)])


def quotas(mixed: Recipe, steps: int) -> np.ndarray:
    """Rows of each condition in the batch of each step, not rounded."""
    weights = [[share.weight.at(step) for share in mixed.mixture.values()] for step in range(steps)]
    return np.array([[float(BATCH * weight / sum(row, start=Fraction(0))) for weight in row] for row in weights])


@some
@given(weights=mixtures, batches=st.integers(1, 9), by_column=st.sampled_from([{}, {"label": {"label 1": 2}}]))
def test_every_batch_holds_the_mixture_of_its_step(weights: dict[str, Any], batches: int, by_column: dict[str, Any]) -> None:
    """Inside a stretch of constant weights, batches have each share rounded down or up."""
    mixed = weighted(weights, batches, by_column=by_column)
    counts = batches_of(Plan(recipe=mixed, inventory=inventory()), 4)
    off = np.abs(counts - quotas(mixed, 4 * batches))
    assert np.all(counts.sum(axis=1) == BATCH)
    assert np.all(off < 2 + 1e-9)  # of the shares in a stretch; these are rounded to whole rows as well
    ramping = [step for step in range(4 * batches) if any(share.weight.slope(step) for share in mixed.mixture.values())]
    assert np.all(off[ramping] < 1 + 1e-9)
    assert np.all(np.abs(np.cumsum(counts - quotas(mixed, 4 * batches), axis=0)) < 4)


@few
@given(weights=mixtures, batches=st.integers(1, 9), epoch=st.integers(0, 5))
def test_no_clip_comes_twice_before_all_came(weights: dict[str, Any], batches: int, epoch: int) -> None:
    plan = Plan(recipe=weighted(weights, batches), inventory=inventory(37))
    seen = {condition: Counter(dict.fromkeys(plan.clips.tolist(), 0)) for condition in range(len(plan.conditions))}
    for each in range(epoch + 1):
        for (condition,), clip in zip(*(part.tolist() for part in all_rows(plan, each)), strict=True):
            assert seen[condition][clip] == min(seen[condition].values())
            seen[condition][clip] += 1


@few
@given(weights=mixtures, batches=st.integers(1, 9), epoch=st.integers(0, 8))
def test_an_epoch_is_the_same_whichever_were_opened_before(weights: dict[str, Any], batches: int, epoch: int) -> None:
    mixed, held = weighted(weights, batches), inventory(37)
    fresh, used = Plan(recipe=mixed, inventory=held), Plan(recipe=mixed, inventory=held)
    for other in (3, 0, 7, 1, 9):
        used.epoch_size(other)
    for one, same in zip(all_rows(fresh, epoch), all_rows(pickle.loads(pickle.dumps(used)), epoch), strict=True):
        assert np.array_equal(one, same)


def test_a_step_counts_on_over_the_epochs() -> None:
    mixed = weighted({"original": scheduled({0: 1, 7: 0}), "mp3_64": scheduled({0: 0, 7: 1})}, 5)
    counts = batches_of(Plan(recipe=mixed, inventory=inventory()), 2)
    assert counts[:, 0].tolist() == [BATCH] * 7 + [0] * 3


def test_a_ramp_by_step_goes_in_a_straight_line() -> None:
    mixed = weighted({"original": scheduled({0: 1, 20: 0}, ramp=True), "mp3_64": scheduled({0: 0, 20: 1}, ramp=True)}, 8)
    assert batches_of(Plan(recipe=mixed, inventory=inventory()), 3)[:, 1].tolist() == [*range(20), 20, 20, 20, 20]


def test_constant_weights_by_step_are_the_plain_recipe() -> None:
    """A schedule that never changes has no unit."""
    by_step_, plain = (recipe("weighted", {"original": 1, "mp3_64": each}, rows=100) for each in (scheduled({0: 2, 9: 2}), 2))
    assert by_step_.hash == plain.hash


def test_the_ledger_adds_the_stretches_up() -> None:
    plan = Plan(recipe=weighted({"original": 1, "mp3_64": scheduled({0: 1, 12: 0.25, 17: 3}, ramp=True)}, 9), inventory=inventory(50))
    for epoch in range(3):
        conditions, clips = all_rows(plan, epoch)
        counted = np.zeros((2, 4), np.int64)
        np.add.at(counted, (conditions[:, 0], store_column(plan.inventory).codes[clips]), 1)
        assert np.array_equal(planned(plan, {"label": store_column(plan.inventory)}, [epoch]).counts, counted)


@pytest.mark.parametrize("changes", [{0: 1, 50: 0.25}, {0: 1, 50: 0.25, 10**10: 1}])
def test_a_late_epoch_continues_where_the_earlier_ones_ended_without_counting_each(changes: dict[int, float]) -> None:
    """One by one, a thousand million epochs would take hours."""
    plan = Plan(recipe=weighted({"original": 1, "mp3_64": scheduled(changes)}, 4), inventory=inventory(50))
    cells = plan.epoch(10**9).cells
    assert cells.count.sum() == 4 * BATCH
    assert cells.first.sum() == 4 * BATCH * 10**9
    assert cells.first[1] == 50 * 10 + (4 * 10**9 - 50) * 4  # half of the rows, then a fifth


def test_epochs_in_order_divide_each_batch_of_a_ramp_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an epoch ends is where the next one begins."""
    divided = []

    def counted(*args: Any, batches: int, **settings: Any) -> np.ndarray:
        divided.append(batches)
        return ramp_counts(*args, batches=batches, **settings)

    monkeypatch.setattr("streamaug.planning.draws.weighted_cells.ramp_counts", counted)
    mixed = weighted({"original": 1, "mp3_64": scheduled({0: 0, 1000: 1}, ramp=True)}, 10)
    in_order, late = (Plan(recipe=mixed, inventory=inventory(50)) for _ in range(2))
    for epoch in range(8):
        in_order.epoch(epoch)
    assert divided == [10] * 8
    assert np.array_equal(in_order.epoch(7).cells.first, late.epoch(7).cells.first)


def test_an_epoch_of_more_batches_than_memory_is_refused_before_they_are_counted() -> None:
    ramp = {"original": 1, "mp3_64": scheduled({0: 0, 10**10: 1}, ramp=True)}
    with pytest.raises(RecipeError, match=r"has 10000000000 batches of 20 along ramps .* the most is 1048576; write 'rows: 20971520' or"):
        weighted(ramp, 5 * 10**10)
    assert weighted(ramp, 1 << 20).options["rows"] == 20 << 20


def test_a_long_epoch_may_have_a_short_ramp() -> None:
    mixed = weighted({"original": 1, "mp3_64": scheduled({0: 0, 10: 1}, ramp=True)}, 1 << 30)
    assert Plan(recipe=mixed, inventory=inventory(50)).epoch_size(0) == BATCH << 30


def test_a_late_epoch_of_a_union_is_a_closed_form() -> None:
    plan = Plan(recipe=recipe("union", {"original": Schedule.of({0: 1, 10**9: 0.5}, ramp=True)}), inventory=inventory(100))
    assert plan.epoch_size(8 * 10**8) == 60


class TestByEpoch:
    """Ramps by epoch go with every draw."""

    ramp = Schedule.of({0: 0, 10: 1}, ramp=True)

    def test_a_union_takes_the_sum_of_the_weights(self) -> None:
        plan = Plan(recipe=recipe("union", {"original": 1, "mp3_64": self.ramp}), inventory=inventory(100))
        assert [plan.epoch_size(epoch) for epoch in range(12)] == [100 + 10 * epoch for epoch in range(10)] + [200, 200]
        shown = Counter(clip for epoch in range(11) for clip in mp3_64_clips(plan, epoch))
        assert max(shown.values()) - min(shown.values()) <= 1
        assert sum(shown.values()) == 550

    def test_weighted_divides_each_epoch(self) -> None:
        plan = Plan(recipe=recipe("weighted", {"original": 1, "mp3_64": self.ramp}, rows=330), inventory=inventory(100))
        assert [len(mp3_64_clips(plan, epoch)) for epoch in (0, 1, 5, 10, 11)] == [0, 30, 110, 165, 165]
        shown = Counter(clip for epoch in range(6) for clip in mp3_64_clips(plan, epoch))
        assert max(shown.values()) - min(shown.values()) <= 1

    def test_one_per_clip_and_views_follow_it(self) -> None:
        plan = Plan(recipe=recipe("one-per-clip", {"original": 1, "mp3_64": self.ramp}), inventory=inventory(110))
        assert [len(mp3_64_clips(plan, epoch)) for epoch in (0, 1, 10)] == [0, 10, 55]
        weights = {"original": 1, "mp3_64": 1, "aac_32": Schedule.of({0: 0, 10: 1}, ramp=True)}
        plan = Plan(recipe=recipe("views", weights, views=2, anchor="original"), inventory=inventory(110))
        assert [np.bincount(all_rows(plan, epoch)[0].ravel()).tolist()[1:] for epoch in (0, 10)] == [[0, 110], [55, 55]]

    def test_views_refuse_a_ramp_that_asks_for_a_condition_twice(self) -> None:
        weights = {"original": 1, "mp3_64": 1, "aac_32": Schedule.of({0: 1, 10: 3}, ramp=True)}
        with pytest.raises(RecipeError, match="'aac_32' has 14/5 of the 24/5 of all weights from epoch 9 on"):
            recipe("views", weights, views=2)


def mp3_64_clips(plan: Plan, epoch: int) -> list[int]:
    conditions, clips = all_rows(plan, epoch)
    shown: list[int] = clips[conditions[:, 0] == plan.conditions.index("mp3_64")].tolist()
    return shown


@pytest.mark.parametrize(
    ("draw", "settings", "expected"),
    [
        ("union", {"stratify": BATCH}, "'draw: union' does not take weights by step; use 'draw: weighted', or write the weight by epoch"),
        ("one-per-clip", {"stratify": BATCH}, "'draw: one-per-clip' does not take weights by step"),
        ("weighted", {"rows": 100}, "is a global batch, so each batch has a mixture of its own; write .* 'stratify: 64'"),
        ("weighted", {"rows": 110, "stratify": BATCH}, "110 rows are not a multiple of 20; write 'rows: 120' or 100"),
        ("weighted", {"rows": 10, "stratify": BATCH}, "write 'rows: 20'$"),
        ("weighted", {"rows": 100, "stratify": BATCH, "window": 8}, "weights by step and a window exclude each other"),
    ],
)
def test_what_weights_by_step_do_not_go_with_is_refused(draw: str, settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(RecipeError, match=expected):
        recipe(draw, {"original": 1, "mp3_64": scheduled({0: 1, 5: 0})}, **settings)


def test_two_units_in_one_recipe_are_refused() -> None:
    with pytest.raises(RecipeError, match="'mp3_64' changes by epoch, and that of 'aac_32' by step; write both by step, or both by epoch"):
        weighted({"original": 1, "mp3_64": {0: 1, 5: 2}, "aac_32": scheduled({0: 1, 5: 0})}, 5)
