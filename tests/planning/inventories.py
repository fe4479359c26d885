"""Small synthetic inventories and recipes for the tests of plans."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from streamaug.planning import Column, Grouping, Groups, Inventory, Plan
from streamaug.recipes import Recipe, Schedule, Share
from streamaug.recipes.column_weights import ColumnWeights
from streamaug.recipes.recipe import Bucket

CONDITIONS = ("original", "aac_32", "he-aac_16", "mp3_64")
STORE_ROWS = 400
"""Clips of the store; an inventory has some of them."""


def share(weight: Any) -> Share:
    """A share from a number, points by epoch, or a schedule."""
    return Share(weight=weight if isinstance(weight, Schedule) else Schedule.of(weight))


def mixture(**weights: Any) -> dict[str, Share]:
    """Shares by condition, from weights."""
    return {name: share(weight) for name, weight in weights.items()}


def recipe(draw: str, weights: dict[str, Any], *, title: str = "test", **settings: Any) -> Recipe:
    """A recipe from numbers; `rows`, `views` and `anchor` are options of the draw, `by_column` are
    weights by column."""
    options = {key: settings.pop(key) for key in ("rows", "views", "anchor") if key in settings}
    options = {key: value for key, value in options.items() if value is not None}
    shares = {name: share(weight) for name, weight in weights.items()}
    settings["weights"] = tuple(ColumnWeights.of(column, values) for column, values in sorted(settings.pop("by_column", {}).items()))
    return Recipe(title=title, draw=draw, mixture=shares, options=options, **settings)


def inventory(
    clips: int = 120,
    *,
    shards: int = 12,
    labels: int = 4,
    missing: dict[str, float] | None = None,
    seed: int = 0,
    group_by: tuple[str, ...] = ("label",),
) -> Inventory:
    """Some clips of a store; `missing` is the fraction of them that a condition lacks. Three
    in five clips are from device a."""
    rng = np.random.default_rng(seed)
    available = {name: None if name not in (missing or {}) else rng.random(clips) >= (missing or {})[name] for name in CONDITIONS}
    codes = rng.integers(0, labels, clips).astype(np.int32)
    label = Column(values=tuple(f"label {number}" for number in range(labels)), codes=codes)
    chosen, numbers = rng.permutation(STORE_ROWS)[:clips], rng.integers(0, shards, clips)
    device = Column(values=("a", "b", "c"), codes=np.maximum(rng.integers(-2, 3, clips), 0).astype(np.int32))
    columns = {"label": label, "device": device}
    return Inventory(
        clips=np.sort(chosen),
        available=available,
        columns=columns,
        shards=Grouping.of(numbers),
        lengths=rng.integers(100, 1000, STORE_ROWS),
        groups=Groups.of([columns[name] for name in group_by]),
    )


def store_column(clips: Inventory, name: str = "label") -> Column:
    """A column as the ledger needs it: a code for each clip of the store."""
    codes = np.zeros(STORE_ROWS, np.int32)
    codes[np.asarray(clips.clips)] = clips.columns[name].codes
    return Column(values=clips.columns[name].values, codes=codes)


def all_rows(plan: Plan, epoch: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Conditions (rows, views) and clips (rows,) of an epoch in order."""
    rows = plan.rows(epoch, np.arange(plan.epoch_size(epoch)))
    return rows.condition, rows.clip


weights = st.one_of(
    st.sampled_from([1, 1, 0.5, 0.25, 0.29, 2, 3.7, 0]),
    st.fixed_dictionaries({0: st.sampled_from([1, 0.5]), 2: st.sampled_from([0.25, 2, 0])}),
    st.fixed_dictionaries({0: st.sampled_from([1, 0.5, 0]), 4: st.sampled_from([0.25, 2, 0])}).map(
        lambda points: Schedule.of(points, ramp=True)
    ),
)
steps = st.fixed_dictionaries({0: st.sampled_from([1, 0.5]), 5: st.sampled_from([0.25, 2, 0]), 12: st.sampled_from([1, 0.3])})
by_step = st.one_of(
    st.sampled_from([1, 0.29]), st.builds(lambda points, ramp: Schedule.of(points, ramp=ramp, unit="step"), steps, st.booleans())
)
by_column = st.sampled_from([{"label": "equal"}, {"label": {"label 1": 2.5}}, {"label": {"label 0": 0, "label 3": 0.4}}])


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """Arguments of `Recipe` and `inventory`, every draw and option among them; not all of them fit
    together."""
    names = draw(st.lists(st.sampled_from(CONDITIONS), min_size=1, max_size=4, unique=True))
    kind = draw(st.sampled_from(["union", "weighted", "one-per-clip", "views"]))
    settings: dict[str, Any] = {"draw": kind, "weights": {name: draw(weights) for name in names}}
    if kind == "weighted":
        settings["rows"] = draw(st.integers(1, 700))
    if kind == "views":
        settings["views"] = draw(st.integers(2, max(2, len(names))))
        if draw(st.booleans()):
            settings["anchor"] = names[0]
            settings["weights"][names[0]] = 1
    settings["stratify"] = draw(st.none() | st.integers(2, 70))
    if kind == "weighted" and settings["stratify"] and draw(st.booleans()):
        settings["weights"] = {name: draw(by_step) for name in names}
        settings["rows"] = settings["stratify"] * draw(st.integers(1, 9))
    if kind in ("union", "weighted") and draw(st.booleans()):
        settings["by_column"] = draw(by_column)
    if draw(st.booleans()):
        settings["window"] = draw(st.integers(8, 40))
    elif draw(st.booleans()):
        settings["balance"] = ("label",)
    if not settings["stratify"] and "window" not in settings and draw(st.booleans()):
        batch = draw(st.integers(1, 20))
        settings["bucket"] = Bucket(rows=batch * draw(st.integers(2, 5)), batch=batch)
    missing = draw(st.dictionaries(st.sampled_from(CONDITIONS[1:]), st.floats(0.1, 0.9), max_size=2))
    return {"recipe": settings, "inventory": {"clips": draw(st.integers(1, 150)), "missing": missing, "seed": draw(st.integers(0, 5))}}
