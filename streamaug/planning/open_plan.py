"""From a store to a plan: reads what the recipe needs to know, and guards against leakage."""

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.errors import LeakageError, StoreError
from streamaug.hints import nearest
from streamaug.planning import Column, Groups, Inventory, Plan, Runs
from streamaug.planning.leakage import leaks, other_side
from streamaug.recipes import Recipe
from streamaug.splits import Split
from streamaug.store import Store


def open_plan(recipe: Recipe, store: Store, *, split: str = "train", seed: int = 0, evaluate: str | None = None) -> Plan:
    """The plan of a recipe on a split of a store.

    split: `train`, or a choice on any column such as `fold=1,2,3`. evaluate: the side that no clip and no group may be shared with;
    unless said `evaluate`, or for a choice on another column the clips that it leaves out.
    Raises RecipeError where the recipe names what the store has not, LeakageError where the sides share a clip or a group.
    """
    plan = Plan(recipe=recipe, inventory=load_inventory(recipe, store, split), seed=seed)
    found = [] if recipe.allow_leakage else leakage(plan, store, evaluate)
    if found:
        raise LeakageError(
            f"recipe '{recipe.title}' on split '{split}' of {store.url} leaks into its evaluation: {'; '.join(found)}; move these clips to "
            "one side, leave them out with 'where', or write 'allow_leakage: true' into the recipe to train all the same"
        )
    return plan


def leakage(plan: Plan, store: Store, evaluate: str | None = None) -> list[str]:
    """What a plan's clips share with the evaluation side (with the training side, if the plan is for evaluation), for people."""
    side = Split.parse(evaluate) if evaluate else other_side(Split.parse(plan.inventory.split), store.clips)
    return [] if side is None else leaks(store.clips, plan.clips, side.rows(store.clips))


def load_inventory(recipe: Recipe, store: Store, split: str) -> Inventory:
    """What a store holds of a split, as far as a recipe asks."""
    rows = Split.parse(split).rows(store.clips)
    clips = store.clips.take(pa.array(rows))
    for name in recipe.conditions:
        _known(recipe, ("mixture", name), "condition", name, store.conditions, f"build it with 'streamaug build --conditions {name}'")
    for column in recipe.columns:
        where = ("balance",) if column in recipe.balance else ("where", column)
        _known(recipe, where, "column", column, clips.column_names, "take it out")
    held, digests = {}, {}
    for name in recipe.conditions:
        index = store.index(name)
        has = np.asarray(pc.is_in(clips["clip_id"], index.table["clip_id"].combine_chunks()))
        held[name], digests[name] = None if has.all() else has, index.digest
    whole = len(rows) and rows[-1] - rows[0] == len(rows) - 1
    return Inventory(
        clips=range(int(rows[0]), int(rows[-1]) + 1) if whole else rows,
        held=held,
        columns={name: coded(clips, name) for name in recipe.columns},
        shards=None if recipe.window is None else Runs.of(clips["shard"].to_numpy()),
        groups=Groups.of([coded(clips, name) for name in recipe.balance]) if recipe.balance else None,
        split=str(Split.parse(split)),
        digests=digests,
        clips_digest=_digest(clips, ["clip_id", "label", *recipe.columns, *(["shard"] if recipe.window is not None else [])]),
    )


def coded(clips: pa.Table, name: str) -> Column:
    """A column of a table of clips as codes, values in alphabetical order; a missing value is the empty text. Raises StoreError."""
    if name not in clips.column_names:
        raise StoreError(f"the clips have no column '{name}'. {nearest(name, clips.column_names)}")
    column = pc.fill_null(pc.cast(clips[name], pa.string()), "").combine_chunks().dictionary_encode()
    values = column.dictionary.to_pylist()
    order = sorted(range(len(values)), key=values.__getitem__)
    place = np.empty(len(values), np.int32)
    place[order] = np.arange(len(values), dtype=np.int32)
    return Column(values=tuple(values[number] for number in order), codes=place[column.indices.to_numpy()])


def _known(recipe: Recipe, where: tuple[str, ...], kind: str, name: str, known: Iterable[str], remedy: str) -> None:
    known = tuple(known)
    if name not in known:
        raise recipe.refuse(where, f"the store has no {kind} '{name}'. {nearest(name, known)} (or {remedy})")


def _digest(clips: pa.Table, names: Iterable[str]) -> str:
    """Names what columns of a table say, however its memory is cut."""
    digest = hashlib.sha256()
    for name in names:
        column = pc.fill_null(pc.cast(clips[name], pa.string()), "\0").combine_chunks()
        _, offsets, text = column.buffers()
        ends = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
        digest.update(name.encode() + np.diff(ends).tobytes() + memoryview(text)[ends[0] : ends[-1]])
    return digest.hexdigest()
