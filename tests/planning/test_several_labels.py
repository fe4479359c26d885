"""Plans of clips with several labels, with numbers, or with nothing to learn: counts, choices, hashes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaug.errors import RecipeError, StoreError
from streamaug.planning.inventory import ListColumn
from streamaug.planning.ledger import planned, served
from streamaug.planning.open_plan import column_of, factorize, label_columns, open_plan
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.testing import write_store
from tests.planning.inventories import STORE_ROWS, all_rows, plans, store_column
from tests.planning.settings import some
from tests.planning.test_plan import plan_of

COUNT = 24
SETS = [["bird", "rain"], ["rain"], [], ["bird", "siren"]]
RECIPE = {"draw": "union", "mixture": {"original": 1, "mp3_64": 0.5}}


def store_of(folder: Path, **targets: Any) -> Store:
    ids = [f"clip{number:02d}" for number in range(COUNT)]
    columns = {"clip_id": ids, **targets, "split": ["train"] * 20 + ["evaluate"] * 4, "group": ids, "device": ["a", "b", "c"] * 8}
    labels = ("bird", "rain", "siren") if targets.keys() & {"label", "labels"} else ()
    return write_store(folder, columns, {"original": None, "mp3_64": np.arange(COUNT) % 3 > 0}, labels=labels, clips_per_shard=5)


@pytest.fixture
def several(tmp_path: Path) -> Store:
    return store_of(tmp_path / "several", labels=SETS * (COUNT // 4))


@some
@given(case=plans(), epoch=st.integers(0, 6), seed=st.integers(0, 9), other=st.booleans())
def test_a_row_counts_under_each_of_its_labels_and_once_in_its_condition(case: dict[str, Any], epoch: int, seed: int, other: bool) -> None:
    plan = plan_of(case)
    random = np.random.default_rng(seed)
    lists = [sorted(random.choice(5, random.integers(1, 4), replace=False).tolist()) for _ in range(STORE_ROWS)]
    starts = np.cumsum([0, *map(len, lists)])
    labels = ListColumn(values=tuple("abcde"), codes=np.concatenate(lists).astype(np.int32), starts=starts)
    label = store_column(plan.inventory)
    columns = {"label": label, "labels": labels} if other else {"labels": labels}
    conditions, clips = all_rows(plan, epoch)
    expected = np.zeros((len(plan.conditions), len(label.values), 5), np.int64)
    rows = np.zeros(len(plan.conditions), np.int64)
    for shown, clip in zip(conditions.tolist(), clips.tolist(), strict=True):
        for condition in shown:
            rows[condition] += 1
            for code in lists[clip]:
                expected[condition, label.codes[clip], code] += 1
    expected = expected if other else expected.sum(1)
    for ledger in (planned(plan, columns, [epoch]), served(plan, columns, conditions, clips)):
        assert np.array_equal(ledger.counts, expected)
        assert ledger.condition_rows.tolist() == rows.tolist()
        assert ledger.total == plan.epoch_size(epoch) * plan.views


@some
@given(case=plans(), epoch=st.integers(0, 6))
def test_rows_without_labels_are_counted_by_condition(case: dict[str, Any], epoch: int) -> None:
    plan = plan_of(case)
    conditions, _ = all_rows(plan, epoch)
    assert planned(plan, {}, [epoch]).counts.tolist() == np.bincount(conditions.ravel(), minlength=len(plan.conditions)).tolist()


def test_a_clip_without_labels_counts_under_the_empty_text(several: Store) -> None:
    ledger = planned(open_plan(load_recipe({**RECIPE, "mixture": {"original": 1}}), several), label_columns(several))
    assert ledger.values[1] == ("", "bird", "rain", "siren")
    assert ledger.counts.tolist() == [[5, 10, 10, 5]]
    assert ledger.total == 20
    assert ledger.table().to_pylist()[0] == {"condition": "original", "labels": "", "rows": 5}
    with pytest.raises(ValueError, match="so these counts have no sum"):
        ledger.by("condition")


def test_where_takes_the_clips_that_have_one_of_the_labels(several: Store) -> None:
    plan = open_plan(load_recipe({**RECIPE, "where": {"labels": ["siren", "rain"]}}), several)
    assert plan.clips.tolist() == [number for number in range(20) if {"siren", "rain"} & set(SETS[number % 4])]
    with pytest.raises(RecipeError, match="Did you mean 'siren'"):
        open_plan(load_recipe({**RECIPE, "where": {"labels": ["sirens"]}}), several)


def test_a_mixture_cannot_be_balanced_or_weighed_by_several_labels(several: Store) -> None:
    with pytest.raises(RecipeError, match="'balance' cannot be exact by 'labels', of which a clip may have several; choose another column"):
        open_plan(load_recipe({**RECIPE, "balance": ["labels"]}), several)
    with pytest.raises(RecipeError, match="'weights' cannot be exact by 'labels', of which a clip may have several; choose another column"):
        open_plan(load_recipe({**RECIPE, "weights": {"labels": {"rain": 2}}}), several)
    with pytest.raises(RecipeError, match=r"the store has no column 'label'\. Did you mean 'labels'\?"):
        open_plan(load_recipe({**RECIPE, "balance": ["label"]}), several)


def test_rows_are_counted_by_one_column_of_lists_at_a_time(several: Store) -> None:
    column = column_of(several.clips, "labels")
    with pytest.raises(StoreError, match="rows can be counted by one column with several values per clip"):
        planned(open_plan(load_recipe(RECIPE), several), {"labels": column, "again": column})
    with pytest.raises(StoreError, match="which are not names"):
        factorize(several.clips, "labels")


def test_the_same_plan_of_other_targets_has_another_hash(tmp_path: Path, several: Store) -> None:
    numbers = [number / 2 for number in range(COUNT)]
    other_sets = [*SETS * (COUNT // 4 - 1), *SETS[:3], ["bird"]]
    moved = [["siren"], *SETS[1:]] * (COUNT // 4)
    stores = [
        several,
        store_of(tmp_path / "moved", labels=moved),
        store_of(tmp_path / "numbers", target=numbers),
        store_of(tmp_path / "higher", target=[number + 1 for number in numbers]),
        store_of(tmp_path / "none"),
    ]
    assert len({open_plan(load_recipe(RECIPE), store).hash for store in stores}) == len(stores)
    evaluated = store_of(tmp_path / "evaluated", labels=other_sets)  # differs in a clip that is not trained on
    assert open_plan(load_recipe(RECIPE), evaluated).hash == open_plan(load_recipe(RECIPE), several).hash


@pytest.mark.parametrize("targets", [{"target": [1.5] * COUNT}, {}])
def test_stores_without_labels_have_no_columns_of_labels(tmp_path: Path, targets: dict[str, list[float]]) -> None:
    store = store_of(tmp_path / "store", **targets)
    assert label_columns(store) == {}
    assert open_plan(load_recipe({**RECIPE, "balance": ["device"], "mixture": {"original": 1}}), store).epoch_size(0) == 20


def test_a_list_of_a_users_own_can_be_counted_too(tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", tags=[["x"], None, ["x", None], []] * (COUNT // 4))
    column = column_of(store.clips, "tags")
    assert isinstance(column, ListColumn)
    assert column.values == ("", "x")
    assert column.codes[: column.starts[4]].tolist() == [1, 0, 1, 0, 0]
