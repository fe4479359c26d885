"""From a store to a plan: what is refused, and the guard against leakage."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from streamaug.building.build import build
from streamaug.conditions import parse_conditions
from streamaug.errors import LeakageError, RecipeError, StoreError
from streamaug.planning import Plan
from streamaug.planning.costs import EpochCost, estimate
from streamaug.planning.ledger import planned
from streamaug.planning.open_plan import factorize, leakage, open_plan
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.testing import write_store
from tests.building.clips import write_clips
from tests.in_process import InProcess


def small_store(folder: Path, *, leaking: bool = False) -> Store:
    """40 clips: 20 to train on and 20 for evaluation, in four folds, locations apart (or one of
    them shared)."""
    numbers = range(40)
    columns = {
        "clip_id": [f"clip-{number:02d}" for number in numbers],
        "label": ["bus" if number % 2 else "park" for number in numbers],
        "split": ["train" if number < 20 else "evaluate" for number in numbers],
        "group": ["shared" if leaking and number in (3, 33) else f"place {number // 5}" for number in numbers],
        "device": ["ab"[number % 2] for number in numbers],
        "fold": [1 + number // 10 for number in numbers],
    }
    conditions = {"original": None, "mp3_64": None, "pitch": np.arange(40) % 2 == 0}
    return write_store(folder, columns, conditions, labels=("bus", "park"), clips_per_shard=5)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return small_store(tmp_path_factory.mktemp("stores") / "small")


def plan_of(store: Store, folder: Path, text: str, **settings: str) -> Plan:
    path = folder / "recipe.yaml"
    path.write_text(text)
    return open_plan(load_recipe(path), store, **settings)  # type: ignore[arg-type]  # a mapping has one type of values


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("draw: union\nmixture:\n  original: 1\n  mp3_46: 1\n", 4, "the store has no condition 'mp3_46'. Did you mean 'mp3_64'?"),
        ("draw: union\nmixture: {opus_32: 1}\n", 2, "Available: original, mp3_64, pitch; build it with"),
        ("draw: union\nmixture: {original: 1}\nwhere:\n  devise: [a]\n", 4, "the store has no column 'devise'. Did you mean 'device'?"),
        ("draw: union\nmixture: {original: 1}\nwhere:\n  device: [c]\n", 4, "has device = 'c'. Available: a, b"),
        ("draw: union\nbalance: [labl]\nmixture: {original: 1}\n", 2, "the store has no column 'labl'. Did you mean 'label'?"),
        (
            "draw: union\nmixture: {original: 1}\nweights:\n  device: {c: 2}\n",
            4,
            "weights: no clip of split 'train' has device = 'c'. Available: a, b",
        ),
        ("draw: union\nmixture: {original: 1}\nweights:\n  devise: equal\n", 4, "the store has no column 'devise'. Did you mean 'device'?"),
        (
            "draw: union\nmixture: {original: 1, pitch: 1}\nweights:\n  device: equal\n",
            4,
            "weights: 'pitch' has no clip with device = 'b', so the values cannot be equal",
        ),
        (
            "draw: union\nmixture: {original: 1}\nweights:\n  device: {a: 0, b: 0}\n",
            3,
            "weights: all clips of split 'train' have the weight 0; give at least one value a weight above 0",
        ),
        (
            "draw: union\nmixture:\n  pitch: 1\n  original: 1\nweights: {device: {a: 0}}\n",
            3,
            "'pitch' has no clip of split 'train' that the recipe takes; remove it, or give its clips weights above 0",
        ),
        ("draw: union\nmixture:\n  pitch: 1\nwhere: {device: [b]}\n", 3, "'pitch' has no clip of split 'train' that the recipe takes"),
    ],
)
def test_what_the_store_lacks_is_named_with_line_and_nearest_name(
    store: Store, tmp_path: Path, text: str, line: int, expected: str
) -> None:
    with pytest.raises(RecipeError) as caught:
        plan_of(store, tmp_path, text)
    assert f"recipe.yaml:{line}: " in str(caught.value)
    assert expected in str(caught.value)


def test_a_split_that_no_clip_is_in_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no clip has split = tarin; choose from evaluate, train"):
        plan_of(store, tmp_path, "draw: union\nmixture: {original: 1}\n", split="tarin")


def test_where_chooses_clips_for_the_recipe_or_for_one_condition(store: Store, tmp_path: Path) -> None:
    text = "draw: union\nwhere: {fold: [1]}\nmixture: {original: 1, mp3_64: {weight: 2, where: {device: [a]}}, pitch: 1}\n"
    plan = plan_of(store, tmp_path, text)
    ledger = planned(plan, {"device": factorize(store.clips, "device"), "fold": factorize(store.clips, "fold")})
    table = {(line["condition"], line["device"], line["fold"]): line["rows"] for line in ledger.table().to_pylist()}
    assert table == {("original", "a", "1"): 5, ("original", "b", "1"): 5, ("mp3_64", "a", "1"): 10, ("pitch", "a", "1"): 5}


def test_the_digests_name_what_the_recipe_uses_and_no_more(store: Store, tmp_path: Path) -> None:
    plan = plan_of(store, tmp_path, "draw: union\nmixture: {mp3_64: 1}\n")
    assert plan.identity.conditions == {"mp3_64": store.index("mp3_64").digest}
    other = plan_of(store, tmp_path, "draw: union\nmixture: {mp3_64: 1}\n", split="evaluate")
    assert other.identity.clips != plan.identity.clips


class TestLeakage:
    text = "draw: union\nmixture: {mp3_64: 1}\n"

    def test_a_group_on_both_sides_is_refused_and_named(self, tmp_path: Path) -> None:
        leaking = small_store(tmp_path / "leaking", leaking=True)
        for split in ("train", "evaluate"):
            with pytest.raises(LeakageError, match="1 group is on both sides, for example 'shared'"):
                plan_of(leaking, tmp_path, self.text, split=split)

    def test_only_the_recipe_can_allow_it_and_every_table_says_so(self, tmp_path: Path) -> None:
        leaking = small_store(tmp_path / "leaking", leaking=True)
        plan = plan_of(leaking, tmp_path, self.text + "allow_leakage: true\n")
        ledger = planned(plan, {"label": factorize(leaking.clips, "label")})
        assert set(ledger.table()["leakage"].to_pylist()) == {"allowed"}
        assert ledger.by("condition").table()["leakage"].to_pylist() == ["allowed"]
        assert leakage(plan, leaking) == ["1 group is on both sides, for example 'shared'"]

    def test_clips_that_where_leaves_out_leak_nothing(self, tmp_path: Path) -> None:
        leaking = small_store(tmp_path / "leaking", leaking=True)
        assert plan_of(leaking, tmp_path, self.text + "where: {device: [a]}\n").epoch_size(0) == 10  # the shared place has device b

    def test_folds_are_kept_apart_from_the_folds_that_they_leave_out(self, tmp_path: Path) -> None:
        leaking = small_store(tmp_path / "leaking", leaking=True)  # shared by folds 1 and 4
        with pytest.raises(LeakageError, match="group"):
            plan_of(leaking, tmp_path, self.text, split="fold=1,2,3")
        assert plan_of(leaking, tmp_path, self.text, split="fold=2,3").epoch_size(0) == 20

    def test_folds_2_and_3_are_apart_but_a_named_side_may_share_clips(self, store: Store, tmp_path: Path) -> None:
        assert plan_of(store, tmp_path, self.text, split="fold=1,2").epoch_size(0) == 20
        with pytest.raises(LeakageError, match="10 clips are on both sides, for example 'clip-10'"):
            plan_of(store, tmp_path, self.text, split="fold=1,2", evaluate="fold=2,3")


class TestTheOtherSide:
    """Splits have any names, and what is not trained on is evaluated on."""

    text = "draw: union\nmixture: {original: 1}\n"

    def of(self, folder: Path, splits: list[str | None], groups: list[str | None]) -> Store:
        count = len(splits)
        columns = {
            "clip_id": [f"c{n}" for n in range(count)],
            "label": ["ab"[n % 2] for n in range(count)],
            "split": splits,
            "group": groups,
        }
        return write_store(folder, columns, {"original": None}, labels=("a", "b"), clips_per_shard=2)

    @pytest.mark.parametrize("name", ["evaluate", "test", "validation", "dev", "held out"])
    def test_is_any_other_split_whatever_its_name(self, tmp_path: Path, name: str) -> None:
        leaking = self.of(tmp_path / "leaking", ["train", "train", name, name], ["x", "y", "y", "z"])
        with pytest.raises(LeakageError, match=f"leaks into split '{name}': 1 group is on both sides, for example 'y'"):
            plan_of(leaking, tmp_path, self.text)
        assert plan_of(leaking, tmp_path, self.text + "allow_leakage: true\n").epoch_size(0) == 2
        apart = self.of(tmp_path / "apart", ["train", "train", name, name], ["x", "y", "w", "z"])
        assert plan_of(apart, tmp_path, self.text).epoch_size(0) == 2

    def test_is_all_other_splits_together(self, tmp_path: Path) -> None:
        leaking = self.of(tmp_path / "s", ["train", "train", "dev", "test"], ["x", "y", "z", "y"])
        with pytest.raises(LeakageError, match=re.escape("leaks into the other splits (dev, test): 1 group")):
            plan_of(leaking, tmp_path, self.text)
        with pytest.raises(LeakageError, match="leaks into split 'train': 1 group"):
            plan_of(leaking, tmp_path, self.text, split="split!=train")
        assert plan_of(leaking, tmp_path, self.text, split="train,test").epoch_size(0) == 3  # 'dev' is apart from both

    def test_does_not_include_clips_without_a_split(self, tmp_path: Path) -> None:
        spare = self.of(tmp_path / "s", ["train", "train", "test", None], ["x", "y", "z", "y"])
        assert plan_of(spare, tmp_path, self.text).epoch_size(0) == 2

    def test_does_not_take_missing_groups_for_one_group(self, tmp_path: Path) -> None:
        assert plan_of(self.of(tmp_path / "s", ["train", "train", "test", "test"], [None] * 4), tmp_path, self.text).epoch_size(0) == 2

    def test_is_empty_where_the_store_has_one_split(self, tmp_path: Path) -> None:
        assert plan_of(self.of(tmp_path / "s", ["train"] * 4, ["x"] * 4), tmp_path, self.text).epoch_size(0) == 4


class TestCosts:
    def of(self, store: Store, plan: Plan) -> EpochCost:
        return estimate(plan, store, [store.locations(name) for name in plan.conditions], [0])

    def test_are_what_the_rows_add_up_to(self, store: Store, tmp_path: Path) -> None:
        plan = plan_of(store, tmp_path, "draw: union\nmixture: {original: 1, mp3_64: 2}\n")
        indexes = {name: store.index(name).table for name in plan.conditions}
        sizes = {name: dict(zip(index["clip_id"].to_pylist(), index["size"].to_pylist(), strict=True)) for name, index in indexes.items()}
        rows = plan.rows(0, range(60))
        names = store.clips["clip_id"].take(pa.array(rows.clip)).to_pylist()
        shown = [(plan.conditions[condition], name) for (condition,), name in zip(rows.condition.tolist(), names, strict=True)]
        got = self.of(store, plan)
        assert got.seconds == 60 * 10
        assert got.read_bytes == sum(sizes[condition][name] for condition, name in shown)
        assert got.bitstreams == sum(sizes[condition][name] for condition, name in set(shown))
        assert got.features == 40 * 110_336  # float16 of (128, 431)
        assert got.requests == 60

    def test_keep_a_bitstream_once_however_many_links_it_travels(self, tmp_path: Path) -> None:
        conditions = parse_conditions("original,alaw_64")
        build(write_clips(tmp_path / "clips", 3), str(tmp_path / "calls"), conditions=conditions, executor=InProcess())
        calls = Store.open(tmp_path / "calls")
        text = "draw: union\nlinks: {lossy: {loss: 0.1}}\nmixture: {alaw_64: 1, alaw_64~lossy: 1}\n"
        got = self.of(calls, plan_of(calls, tmp_path, text))
        sizes = calls.index("alaw_64").column("size")
        assert len(sizes) == 3
        assert got.bitstreams == sizes.sum()
        assert got.read_bytes == 2 * sizes.sum()

    def test_of_windows_are_fewer_requests_of_the_same_bytes(self, store: Store, tmp_path: Path) -> None:
        full = self.of(store, plan_of(store, tmp_path, "draw: union\nmixture: {original: 1, mp3_64: 1}\n"))
        windowed = self.of(store, plan_of(store, tmp_path, "draw: union\nmixture: {original: 1, mp3_64: 1}\nshuffle: {window: 4}\n"))
        assert windowed.read_bytes == full.read_bytes
        assert windowed.requests < full.requests
