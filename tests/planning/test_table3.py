"""The paper's seven rows, on a store with the data set's own counts."""

from pathlib import Path

import numpy as np
import pytest

from streamaug.planning.ledger import planned
from streamaug.planning.open_plan import factorize, open_plan
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.testing import tau2020_store

RECIPES = Path(__file__).parents[2] / "train" / "recipes"
PAPER = RECIPES.parent / "paper" / "recipes"
FILE_COUNTS = {1: 13_962, 2: 121_911, 3: 27_924, 4: 41_886, 5: 41_886, 6: 55_848, 7: 163_797}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tau2020_store(tmp_path_factory.mktemp("tau2020"))


@pytest.mark.parametrize(("row", "count"), FILE_COUNTS.items())
def test_a_row_of_table_3_has_the_papers_file_count(store: Store, row: int, count: int) -> None:
    plan = open_plan(load_recipe(PAPER / "table3" / f"row_{row}.yaml"), store)
    assert plan.epoch_size(0) == plan.epoch_size(7) == count
    rows = plan.rows(0, range(count))
    assert len(np.unique(rows.condition[:, 0] * len(store.clips) + rows.clip)) == count  # each clip once a condition
    ledger = planned(plan, {"label": factorize(store.clips, "label")})
    assert ledger.by("condition").counts.tolist() == np.bincount(rows.condition[:, 0]).tolist()


def test_row_7_holds_the_original_once_and_spectrum_correction_for_device_a_only(store: Store) -> None:
    plan = open_plan(load_recipe(PAPER / "table3" / "row_7.yaml"), store)
    ledger = planned(plan, {"device": factorize(store.clips, "device")})
    by_condition = dict(zip(plan.conditions, ledger.by("condition").counts.tolist(), strict=True))
    assert by_condition["original"] == 13_962
    assert by_condition["spectrum-correction"] == 10_215
    counts = ledger.counts[plan.conditions.index("spectrum-correction")]
    assert {value: count for value, count in zip(ledger.values[1], counts, strict=True) if count} == {"a": 10_215}


def test_row_6_as_one_per_clip_costs_what_row_1_costs(store: Store) -> None:
    plan = open_plan(load_recipe(RECIPES / "row_6_one_per_clip.yaml"), store)
    rows = plan.rows(0, range(plan.epoch_size(0)))
    assert sorted(rows.clip.tolist()) == sorted(plan.clips.tolist())
    assert sorted(np.bincount(rows.condition[:, 0]).tolist()) == [3490, 3490, 3491, 3491]


@pytest.mark.parametrize(("row", "count"), [(2, 8 * 13_962), (7, 11 * 13_962)])
def test_data_without_devices_has_rows_2_and_7_without_spectrum_correction(store: Store, row: int, count: int) -> None:
    recipe = load_recipe(PAPER / "table3" / f"row_{row}_without_spectrum_correction.yaml")
    assert "without spectrum correction" in recipe.title
    assert open_plan(recipe, store).epoch_size(0) == count
