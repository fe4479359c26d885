"""Plans on several stores: exact counts for each, one order for all, and a guard that sees them all."""

from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamaug.condition_names import split_store
from streamaug.errors import LeakageError, RecipeError, StoreError
from streamaug.planning import Plan
from streamaug.planning.check_plan import check_plan
from streamaug.planning.ledger import planned
from streamaug.planning.open_plan import factorize, leakage, open_plan, replan
from streamaug.planning.open_stores import open_stores
from streamaug.planning.sequential import SequentialPlan
from streamaug.recipes import Recipe, load_recipe
from streamaug.store.catalogue import Catalogue
from streamaug.testing import replace_tables
from tests.planning.inventories import all_rows, recipe
from tests.planning.settings import few
from tests.planning.several_stores import TRAIN, scenes, sounds

MIXTURE = {"esc:original": 0.5, "tau:original": 1, "tau:mp3_64": 2, "tau:pitch": 1}


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    folder = tmp_path_factory.mktemp("stores")
    return Catalogue.open({"tau": scenes(folder / "tau"), "esc": sounds(folder / "esc")})


def counted(plan: Plan, store: Catalogue, *columns: str) -> dict[Any, int]:
    """Planned rows of epoch 0 by columns of the ledger."""
    ledger = planned(plan, {name: factorize(store.clips, name) for name in ("store", "label")}).by(*columns)
    return {tuple(line[name] for name in columns): line["rows"] for line in ledger.table().to_pylist()}


def test_a_union_has_each_clip_of_each_store_as_often_as_its_weight_says(catalogue: Catalogue) -> None:
    plan = open_plan(recipe("union", MIXTURE), catalogue)
    assert counted(plan, catalogue, "store", "condition") == {
        ("esc", "esc:original"): 8,
        ("tau", "tau:original"): 24,
        ("tau", "tau:mp3_64"): 48,
        ("tau", "tau:pitch"): 12,
    }
    assert plan.epoch_size(0) == 92
    assert sum(counted(plan, catalogue, "store", "label").values()) == 92


def test_a_weighted_draw_divides_its_rows_among_the_stores_exactly(catalogue: Catalogue) -> None:
    plan = open_plan(recipe("weighted", {"esc:original": 3, "tau:original": 1}, rows=1000), catalogue)
    assert counted(plan, catalogue, "store") == {("esc",): 750, ("tau",): 250}


def test_weights_by_column_hold_for_the_clips_of_every_store_that_has_the_value(catalogue: Catalogue) -> None:
    weighted = recipe("union", {"esc:original": 1, "tau:original": 1}, by_column={"label": {"siren": 3, "bus": 2}})
    plan = open_plan(weighted, catalogue)
    assert counted(plan, catalogue, "store", "label") == {
        ("esc", "dog_bark"): 8,
        ("esc", "siren"): 24,
        ("tau", "bus"): 16,
        ("tau", "dog"): 8,
        ("tau", "park"): 8,
    }


@pytest.mark.parametrize(("draw", "views"), [("one-per-clip", None), ("views", 2)])
def test_each_clip_comes_once_in_conditions_of_its_own_store(catalogue: Catalogue, draw: str, views: int | None) -> None:
    weights = {"esc:original": 1, "esc:mp3_64": 1, "tau:original": 1, "tau:mp3_64": 1}
    plan = open_plan(recipe(draw, weights, views=views), catalogue)
    conditions, clips = all_rows(plan, 3)
    assert sorted(clips.tolist()) == sorted(set(clips.tolist()))
    assert len(clips) == sum(TRAIN.values())
    stores = catalogue.clips["store"].to_pylist()
    for shown, clip in zip(conditions.tolist(), clips.tolist(), strict=True):
        assert {split_store(plan.conditions[number])[0] for number in shown} == {stores[clip]}


def test_an_anchor_is_each_stores_own_condition(catalogue: Catalogue) -> None:
    weights = {"esc:original": 1, "esc:mp3_64": 3, "tau:original": 1, "tau:mp3_64": 1}
    plan = open_plan(recipe("views", weights, views=2, anchor="original"), catalogue)
    conditions, clips = all_rows(plan)
    shown = Counter(tuple(plan.conditions[number] for number in row) for row in conditions.tolist())
    assert shown == {("esc:original", "esc:mp3_64"): 16, ("tau:original", "tau:mp3_64"): 24}
    assert len(set(clips.tolist())) == 40


@pytest.mark.parametrize(
    ("weights", "views", "anchor", "message"),
    [
        ({"esc:original": 1, "esc:mp3_64": 1, "tau:mp3_64": 1}, 2, "original", "the anchor 'tau:original' is not in the mixture"),
        ({"esc:original": 1, "tau:original": 1}, 2, "esc:original", "the anchor 'esc:original' is of one store; write 'original'"),
        ({"esc:original": 1, "tau:original": 2, "tau:pitch": 1}, 2, "original", "the anchor 'tau:original' is in every row"),
        ({"esc:original": 3, "esc:mp3_64": 1, "tau:original": 2, "tau:mp3_64": 2}, 2, None, "'esc:original' has 3 of the 4 of all weights"),
    ],
)
def test_views_are_checked_in_each_store(weights: dict[str, int], views: int, anchor: str | None, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe("views", weights, views=views, anchor=anchor)


@st.composite
def mixtures(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of `recipe` for both stores, every draw among them."""
    names = ["esc:original", "esc:mp3_64", "tau:original", "tau:mp3_64"]
    kind = draw(st.sampled_from(["union", "weighted", "one-per-clip", "views"]))
    if kind == "views":
        return {"draw": kind, "weights": dict.fromkeys(names, 1), "views": 2, "anchor": draw(st.none() | st.just("original"))}
    chosen = draw(st.lists(st.sampled_from([*names, "tau:pitch"]), min_size=1, max_size=5, unique=True))
    settings: dict[str, Any] = {"draw": kind, "weights": {name: draw(st.sampled_from([1, 0.5, 0.29, 2])) for name in chosen}}
    if kind == "weighted":
        settings["rows"] = draw(st.integers(1, 200))
    settings["stratify"] = draw(st.none() | st.integers(2, 30))
    settings["window"] = draw(st.none() | st.integers(10, 40))
    if kind in ("union", "weighted") and settings["window"] is None:
        settings["by_column"] = draw(st.sampled_from([{}, {"label": {"dog": 3, "siren": 0.5}}]))
    return settings


@few
@given(settings=mixtures(), epoch=st.integers(0, 3), seed=st.integers(0, 3))
def test_what_is_counted_is_what_is_served_and_no_row_mixes_stores(
    catalogue: Catalogue, settings: dict[str, Any], epoch: int, seed: int
) -> None:
    plan = open_plan(recipe(**settings), catalogue, seed=seed)
    stores, labels = (factorize(catalogue.clips, name) for name in ("store", "label"))
    conditions, clips = all_rows(plan, epoch)
    served = Counter(
        (plan.conditions[number], stores.values[stores.codes[clip]], labels.values[labels.codes[clip]])
        for shown, clip in zip(conditions.tolist(), clips.tolist(), strict=True)
        for number in shown
    )
    ledger = planned(plan, {"store": stores, "label": labels}, [epoch])
    assert served == {(line["condition"], line["store"], line["label"]): line["rows"] for line in ledger.table().to_pylist()}
    assert all(split_store(condition)[0] == store for condition, store, _ in served)
    for number, name in enumerate(plan.conditions):
        assert catalogue.locations(name).has_clip[clips[(conditions == number).any(1)]].all()


@few
@given(weight=st.sampled_from([1, 0.5, 0.29, 2.5]), epoch=st.integers(0, 4))
def test_a_store_has_as_many_rows_of_a_union_as_alone(catalogue: Catalogue, weight: float, epoch: int) -> None:
    both = open_plan(recipe("union", {"esc:mp3_64": weight, "tau:mp3_64": 1}), catalogue)
    alone = open_plan(recipe("union", {"mp3_64": weight}), catalogue.stores["esc"])
    counts = planned(both, {"store": factorize(catalogue.clips, "store")}, [epoch]).by("store")
    assert counts.counts.tolist() == [alone.epoch_size(epoch), 24]


def test_the_order_of_the_stores_and_where_they_are_change_nothing(catalogue: Catalogue, tmp_path: Path) -> None:
    plan = open_plan(recipe("union", MIXTURE), catalogue)
    turned = Catalogue.open(dict(reversed(catalogue.stores.items())))
    assert open_plan(recipe("union", MIXTURE), turned).hash == plan.hash


def test_clips_of_one_name_in_two_stores_stay_two_clips(tmp_path: Path) -> None:
    twins = Catalogue.open({"a": scenes(tmp_path / "a"), "b": scenes(tmp_path / "b")})
    plan = open_plan(recipe("one-per-clip", {"a:original": 1, "b:original": 1}), twins)
    _, clips = all_rows(plan)
    names = Counter(twins.clips["clip_id"].take(clips).to_pylist())
    assert set(names.values()) == {2}


def test_where_and_balance_choose_by_the_columns_of_all_stores_and_by_store(catalogue: Catalogue) -> None:
    weights = {"esc:original": 1, "tau:original": 1}
    assert open_plan(recipe("union", weights, where=(("fold", ("1",)),)), catalogue).epoch_size(0) == 5 + 8
    with pytest.raises(RecipeError, match="'tau:original' has no clip"):
        open_plan(recipe("union", weights, where=(("store", ("esc",)),)), catalogue)
    plan = open_plan(recipe("union", {"esc:original": 0.3, "tau:original": 0.7}, balance=("label",)), catalogue)
    assert sum(counted(plan, catalogue, "store", "label").values()) == plan.epoch_size(0)


def test_a_condition_that_one_store_lacks_is_named_with_the_others(catalogue: Catalogue) -> None:
    with pytest.raises(RecipeError, match=r"the store has no condition 'esc:pitch'. Did you mean 'tau:pitch'"):
        open_plan(recipe("union", {"esc:pitch": 1}), catalogue)


def test_the_identity_depends_on_the_content_of_each_store_and_a_plan_fits_its_own_only(catalogue: Catalogue, tmp_path: Path) -> None:
    plan = open_plan(recipe("union", MIXTURE), catalogue)
    check_plan(plan, catalogue)
    other = Catalogue.open({"tau": catalogue.stores["tau"], "esc": sounds(tmp_path / "esc", prefix="noise")})
    assert replan(plan, other).identity.clips != plan.identity.clips
    with pytest.raises(StoreError, match=r"opened on another store than esc .*the clips table differs"):
        check_plan(plan, other)
    renamed = Catalogue.open(catalogue.stores, rename_labels={"esc": {"siren": "alarm"}})
    with pytest.raises(StoreError, match="the labels or their order differ"):
        check_plan(plan, renamed)


def test_an_evaluation_goes_through_the_clips_of_one_store(catalogue: Catalogue) -> None:
    plan = SequentialPlan.of(catalogue, ["esc:mp3_64"], "evaluate")
    assert catalogue.clips.take(plan.clips)["clip_id"].to_pylist() == [f"sound-{number}" for number in range(16, 20)]


class TestLeakage:
    both: ClassVar = {"esc:original": 1, "tau:original": 1}

    def test_a_group_of_another_store_with_the_same_name_is_another_group(self, catalogue: Catalogue) -> None:
        assert leakage(open_plan(recipe("union", self.both), catalogue), catalogue) == []

    def test_shared_groups_are_one_group_in_all_stores(self, catalogue: Catalogue) -> None:
        shared = Catalogue.open(catalogue.stores, shared_groups=True)
        with pytest.raises(LeakageError, match="2 groups are on both sides, for example 'g6'"):
            open_plan(recipe("union", self.both, shared_groups=True), shared)

    def test_the_same_audio_on_the_other_side_of_another_store_is_refused_and_both_are_named(self, tmp_path: Path) -> None:
        one = scenes(tmp_path / "tau", prefix="clip")
        other = sounds(tmp_path / "esc", prefix="clip", splits=("evaluate", "train"))
        leaking = Catalogue.open({"tau": one, "esc": other})
        with pytest.raises(
            LeakageError, match=r"16 clips have the same audio in another store, for example 'tau:clip-00' and 'esc:clip-00'"
        ):
            open_plan(recipe("union", {"tau:original": 1}), leaking)
        allowed = open_plan(recipe("union", {"tau:original": 1}, allow_leakage=True), leaking)
        assert leakage(allowed, leaking) == ["16 clips have the same audio in another store, for example 'tau:clip-00' and 'esc:clip-00'"]

    def test_the_same_audio_on_one_side_is_allowed(self, tmp_path: Path) -> None:
        doubled = Catalogue.open({"tau": scenes(tmp_path / "tau", prefix="clip"), "esc": scenes(tmp_path / "esc", prefix="clip")})
        assert open_plan(recipe("union", self.both), doubled).epoch_size(0) == 48

    def test_the_evaluation_side_is_looked_at_in_all_stores(self, tmp_path: Path) -> None:
        leaking = Catalogue.open(
            {"tau": scenes(tmp_path / "tau", prefix="clip"), "esc": sounds(tmp_path / "esc", prefix="clip", splits=("test", "train"))}
        )
        text = "same audio in another store"
        with pytest.raises(LeakageError, match=f"leaks into the other splits \\(evaluate, test\\).*{text}"):
            open_plan(recipe("union", {"tau:original": 1}), leaking)
        with pytest.raises(LeakageError, match=f"leaks into split 'test'.*{text}"):
            open_plan(recipe("union", {"tau:original": 1}), leaking, evaluate="test")
        assert open_plan(recipe("union", {"tau:original": 1}), leaking, evaluate="evaluate").epoch_size(0) == 24


class TestOpening:
    @pytest.fixture
    def paths(self, tmp_path: Path) -> dict[str, Path]:
        scenes(tmp_path / "tau")
        sounds(tmp_path / "esc")
        return {"tau": tmp_path / "tau", "esc": tmp_path / "esc"}

    def load(self, folder: Path, **keys: Any) -> Recipe:
        (folder / "recipe.yaml").write_text(
            "draw: union\nmixture: {tau:mp3_64: 1, esc:original: 1}\n" + "".join(f"{k}: {v}\n" for k, v in keys.items())
        )
        return load_recipe(folder / "recipe.yaml")

    def test_the_stores_of_the_recipe_are_opened_with_its_label_names(self, paths: dict[str, Path], tmp_path: Path) -> None:
        loaded = self.load(tmp_path, stores="{tau: tau, esc: esc}", rename_labels="{esc: {dog_bark: dog}}", shared_groups="true")
        opened = open_stores(loaded)
        assert isinstance(opened, Catalogue)
        assert {name: store.url for name, store in opened.stores.items()} == {name: str(path) for name, path in paths.items()}
        assert (opened.manifest.labels[0], opened.shared_groups) == ("dog", True)

    def test_a_mapping_comes_before_the_stores_of_the_recipe(self, paths: dict[str, Path], tmp_path: Path) -> None:
        loaded = self.load(tmp_path, stores="{tau: nowhere, esc: nowhere}")
        assert open_stores(loaded, paths).snapshot == Catalogue.open(paths).snapshot

    @pytest.mark.parametrize(
        ("keys", "given", "message"),
        [
            ({}, None, r"does not say where its stores are; add 'stores: \{esc: ..., tau: ...\}'"),
            ({}, "tau", "names the stores esc, tau, but a single store is given, .*tau"),
            ({}, ["tau"], r"the store 'esc' is not given\. Available: tau"),
            ({"rename_labels": "{esc: {siren: alarm}}"}, Catalogue, "'rename_labels' is not what the stores were opened with"),
            ({"stores": "{tau: tau, esc: nowhere}"}, None, "nowhere is not a store"),
        ],
    )
    def test_stores_that_do_not_fit_the_recipe_are_refused(
        self, paths: dict[str, Path], tmp_path: Path, keys: dict[str, str], given: Any, message: str
    ) -> None:
        store = Catalogue.open(paths) if given is Catalogue else paths[given] if isinstance(given, str) else given
        store = {name: paths[name] for name in given} if isinstance(given, list) else store
        with pytest.raises((RecipeError, StoreError), match=message):
            open_stores(self.load(tmp_path, **keys), store)

    def test_a_recipe_for_one_store_is_refused_with_several(self, paths: dict[str, Path]) -> None:
        plain = load_recipe({"draw": "union", "mixture": {"mp3_64": 1}})
        with pytest.raises(RecipeError, match="the conditions must name a store, one of esc, tau, such as 'esc:mp3_64'"):
            open_stores(plain, paths)
        with pytest.raises(RecipeError, match="the recipe does not name a store; give its path or URL"):
            open_stores(plain)


def test_a_newer_snapshot_of_one_store_gives_another_plan(tmp_path: Path) -> None:
    before = Catalogue.open({"tau": scenes(tmp_path / "tau"), "esc": sounds(tmp_path / "esc")})
    plan = open_plan(recipe("union", {"esc:original": 1, "tau:original": 1}), before)
    esc = before.stores["esc"]
    replace_tables(esc, clips=esc.clips.filter(np.arange(20) != 3))
    after = replan(plan, before.reopen())
    assert after.epoch_size(0) == plan.epoch_size(0) - 1
    assert replan(plan, before.reopen().reopen(before.snapshot)).identity == plan.identity


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {"where": {"device": ["a"]}},
            "'two:original' has no clip of split 'train' that the recipe takes: its clips have no value in 'dev",
        ),
        ({"where": {"device": ["z"]}}, "has device = 'z'. Available: a, b"),
        ({"weights": {"device": {"z": 2}}}, "has device = 'z'. Available: a, b"),
        ({"weights": {"device": "equal"}}, "weights: the clips of 'two:original' have no value in 'device', so the values cannot be equal"),
        ({"balance": ["device"], "draw": "weighted", "rows": 10}, "no clip of the group (no device) is in 'one:original'"),
    ],
)
def test_a_column_that_one_of_the_stores_lacks_is_named_and_no_name_is_empty(
    catalogue: Catalogue, options: dict[str, Any], expected: str
) -> None:
    both = Catalogue.open({"one": catalogue.stores["tau"], "two": catalogue.stores["esc"]})
    mixed = load_recipe({"draw": "union", "mixture": {"one:original": 1, "two:original": 1}, **options})
    with pytest.raises(RecipeError) as caught:
        open_plan(mixed, both)
    assert expected in str(caught.value)
