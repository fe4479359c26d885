"""The shares that a recipe asks for, at the sizes where other loaders were seen to miss them."""

import numpy as np
import pytest

from streamaug.planning import Inventory, Plan
from tests.planning.inventories import all_rows, recipe


def held(clips: int, *names: str) -> Inventory:
    return Inventory(clips=range(clips), available=dict.fromkeys(names))


def test_weights_hold_from_the_first_row_to_the_last_whatever_the_sources_sizes() -> None:
    """Weights .8, .1, .1 over 1000 clips each: no stop rule ends the epoch early or leaves its end
    to one source."""
    weights = {"original": 0.8, "mp3_64": 0.1, "aac_32": 0.1}
    plan = Plan(recipe=recipe("weighted", weights, rows=10_000), inventory=held(1000, *weights))
    conditions, clips = all_rows(plan)
    names = np.array(plan.conditions)[conditions[:, 0]]
    assert {name: int((names == name).sum()) for name in plan.conditions} == {"original": 8000, "mp3_64": 1000, "aac_32": 1000}
    for name in ("mp3_64", "aac_32"):
        assert len(np.unique(clips[names == name])) == 1000  # each clip once, none left out
        tenths = np.bincount(np.flatnonzero(names == name) // 1000, minlength=10)
        assert np.abs(tenths - 100).max() < 40  # an even shuffle of 1000 in 10 000 leaves tenths of 100 +- 9


def test_a_condition_of_5_percent_is_in_every_batch_and_exact_in_every_epoch() -> None:
    weights = {"original": 0.95, "mp3_64": 0.05}
    plan = Plan(recipe=recipe("weighted", weights, rows=14_000, stratify=64), inventory=held(14_000, *weights))
    rare = plan.conditions.index("mp3_64")
    for epoch in range(3):
        conditions, _ = all_rows(plan, epoch)
        is_rare = conditions[:, 0] == rare
        assert is_rare.sum() == 700
        batches = is_rare[: 14_000 // 64 * 64].reshape(-1, 64).sum(1)
        assert set(batches.tolist()) == {3, 4}


@pytest.mark.parametrize("workers", [1, 32, 96])
def test_a_quarter_of_a_condition_is_a_quarter_however_many_workers_share_it(workers: int) -> None:
    plan = Plan(recipe=recipe("union", {"original": 1, "mp3_64": 0.25}), inventory=held(1000, "original", "mp3_64"))
    rows = plan.epoch_size(0)
    quarter = plan.conditions.index("mp3_64")
    shares = [plan.rows(0, np.arange(worker, rows, workers)).condition[:, 0] for worker in range(workers)]
    assert sum(int((share == quarter).sum()) for share in shares) == 250
