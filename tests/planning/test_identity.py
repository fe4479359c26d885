"""A plan's identity notices what changes the rows, and what changes their class numbers."""

from pathlib import Path

import pytest

from streamaug.errors import StateError, StoreError
from streamaug.planning.check_plan import check_plan
from streamaug.planning.open_plan import open_plan
from streamaug.planning.sequential import SequentialPlan
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.streaming.state import State
from streamaug.testing import write_store

CLIPS = {
    "clip_id": [f"clip{number}" for number in range(6)],
    "label": ["cat", "dog"] * 3,
    "split": ["train"] * 6,
    "group": list("abcdef"),
}


def store(folder: Path, *labels: str) -> Store:
    return write_store(folder, CLIPS, {"original": None}, labels=labels)


def test_labels_in_another_order_keep_the_rows_but_refuse_a_saved_position(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("draw: union\nmixture: {original: 1}\n")
    recipe = load_recipe(tmp_path / "recipe.yaml")
    one, other = store(tmp_path / "one", "cat", "dog"), store(tmp_path / "other", "dog", "cat")
    before, after = open_plan(recipe, one), open_plan(recipe, other)
    assert before.hash == after.hash
    saved = State(identity=before.identity, snapshot="", epoch=0, rows=2).to_dict()
    assert State.from_dict(saved, before.identity).rows == 2
    with pytest.raises(StateError, match="the labels of the store, or their order and so the class numbers, are not the same"):
        State.from_dict(saved, after.identity)
    check_plan(before, one)
    with pytest.raises(StoreError, match=r"the plan was opened on another store than .*: the labels or their order differ"):
        check_plan(before, other)


def test_an_evaluation_notices_labels_in_another_order_too(tmp_path: Path) -> None:
    plans = [
        SequentialPlan.of(store(tmp_path / "".join(labels), *labels), ["original"], "train") for labels in (("cat", "dog"), ("dog", "cat"))
    ]
    (difference,) = plans[0].identity.differences(plans[1].identity)
    assert difference.startswith("the labels of the store, or their order")
