"""Open a plan on a store: read what the recipe depends on, and check for leakage."""

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.condition_names import split_link, split_store
from streamaug.errors import LeakageError, LinkError, StoreError
from streamaug.hints import guessed, nearest
from streamaug.planning import Column, Grouping, Groups, Inventory, Plan
from streamaug.planning.clips_digest import digest_of, key_columns
from streamaug.planning.identity import labels_digest
from streamaug.planning.inventory import ListColumn
from streamaug.planning.leakage import Side, leaks, other_side
from streamaug.planning.sequential import PlanLike, SequentialPlan
from streamaug.recipes import Recipe
from streamaug.splits import Split, text_column
from streamaug.store.catalogue import StoreLike, split_rows
from streamaug.store.format import TARGET_FIELDS
from streamaug.store.rates import clip_lengths, common_channels
from streamaug.store.targets import starts_of, target_columns


def open_plan(recipe: Recipe, store: StoreLike, *, split: str = "train", seed: int = 0, evaluate: str | None = None) -> Plan:
    """Plan a recipe on a split of a store.

    Args:
        recipe: The recipe.
        store: The store.
        split: `train`, or a choice on any column such as `fold=1,2,3`. Default: `train`.
        seed: Seed for all shuffles. Default: 0.
        evaluate: Split that must not share clips or groups with this one. Default: all other
            splits, whatever they are called; for a choice on another column, the clips that it
            leaves out.

    Raises:
        RecipeError: The recipe names a condition, column or value that the store does not have.
        LeakageError: Both sides share a clip or a group.
        StoreError: The split does not fit the store.
    """
    plan = Plan(recipe=recipe, inventory=load_inventory(recipe, store, split), seed=seed)
    if recipe.allow_leakage:
        return plan
    side = _evaluated(plan, store, evaluate)
    problems = leaks(store, plan.clips, side.rows)
    if problems:
        raise LeakageError(
            f"recipe '{recipe.title}' on split '{split}' of {store.url} leaks into {side.name}: {'; '.join(problems)}; "
            "move these clips to one side, leave them out with 'where', or write 'allow_leakage: true' into the recipe "
            "to train anyway"
        )
    return plan


def replan(plan: PlanLike, store: StoreLike) -> PlanLike:
    """The same plan on another snapshot of its store, which was checked for leakage when it was
    first planned.

    Args:
        plan: The plan.
        store: The snapshot.

    Raises:
        RecipeError: The snapshot lacks a condition or column.
        StoreError: The split does not fit the snapshot.
    """
    if not isinstance(plan, Plan):
        by_shard = isinstance(plan, SequentialPlan) and plan.by_shard
        return SequentialPlan.of(store, plan.conditions, plan.identity.split, by_shard=by_shard, links=plan.links)
    return Plan(recipe=plan.recipe, inventory=load_inventory(plan.recipe, store, plan.inventory.split), seed=plan.seed)


def leakage(plan: Plan, store: StoreLike, evaluate: str | None = None) -> list[str]:
    """What a plan's clips share with the other side, as text for people.

    Args:
        plan: The plan.
        store: The store that it was opened on.
        evaluate: The other side, as for `open_plan`.
    """
    return leaks(store, plan.clips, _evaluated(plan, store, evaluate).rows)


def _evaluated(plan: Plan, store: StoreLike, evaluate: str | None) -> Side:
    """The side that a plan's clips must be kept apart from."""
    if evaluate is None:
        return other_side(Split.parse(plan.inventory.split), store.clips)
    return Side(name=f"split '{evaluate}'", rows=split_rows(store, evaluate))


def load_inventory(recipe: Recipe, store: StoreLike, split: str) -> Inventory:
    """Read the clips of a split, and which of them a recipe's conditions contain.

    Args:
        recipe: The recipe; only its conditions and columns are read.
        store: The store.
        split: The split as text.

    Raises:
        RecipeError: The store has no such condition or column.
        StoreError: The split does not fit the store, or the conditions' stores differ in channels.
    """
    rows = split_rows(store, split)
    for name in recipe.conditions:
        stored = split_link(name)[0]
        remedy = f"build it with 'streamaug build --conditions {split_store(stored)[1]}'"
        _check_known(recipe, ("mixture", name), "condition", stored, store.conditions, remedy)
    common_channels(store, recipe.conditions)  # refuses stores that no stream can serve together
    for column in recipe.columns:
        key_path = next((key for key in (("weights", column), ("where", column)) if key in recipe.source_locations), ("balance",))
        _check_known(recipe, key_path, "column", column, store.clips.column_names, "remove it")
    available, digests = {}, {}
    for name in recipe.conditions:
        try:
            locations = store.locations(name)
        except LinkError as error:
            raise recipe.error_at(("mixture", name), f"'{name}': {error}") from None
        contained = locations.has_clip[rows]
        available[name], digests[name] = None if contained.all() else contained, locations.digest
    names = [*key_columns(store), *recipe.columns]
    names += ["shard"] * (recipe.window is not None) + ["samples"] * (recipe.bucket is not None)
    clips = store.clips.select(sorted(set(names))).take(pa.array(rows))
    columns = {name: column_of(clips, name) for name in recipe.columns}
    whole = len(rows) and rows[-1] - rows[0] == len(rows) - 1
    return Inventory(
        clips=range(int(rows[0]), int(rows[-1]) + 1) if whole else rows,
        available=available,
        columns=columns,
        shards=None if recipe.window is None else Grouping.of(clips["shard"].to_numpy()),
        groups=_groups(recipe, columns),
        lengths=None if recipe.bucket is None else clip_lengths(store, recipe.conditions),
        split=str(Split.parse(split)),
        digests=digests,
        clips_digest=digest_of(clips, names),
        labels_digest=labels_digest(store.manifest.labels),
    )


def _groups(recipe: Recipe, columns: Mapping[str, Column | ListColumn]) -> Groups | None:
    """The groups that a recipe balances or weighs; None if it does neither."""
    grouped = []
    for name in recipe.group_columns:
        column = columns[name]
        if isinstance(column, ListColumn):
            key = "balance" if name in recipe.balance else "weights"
            raise recipe.error_at((key,), f"'{key}' cannot be exact by '{name}', of which a clip may have several; choose another column")
        grouped.append(column)
    return Groups.of(grouped) if grouped else None


def column_of(clips: pa.Table, name: str) -> Column | ListColumn:
    """A column of a clips table as codes, also `labels`, of which a clip may have several.

    Args:
        clips: The clips table.
        name: The column.

    Raises:
        StoreError: There is no such column, or its values are not names.
    """
    if name not in clips.column_names or clips[name].type != TARGET_FIELDS["labels"].type:
        return factorize(clips, name)
    lists = pc.fill_null(clips[name], []).combine_chunks()
    lists = pc.if_else(pc.equal(pc.list_value_length(lists), 0), pa.scalar([""], lists.type), lists)
    values, codes = _coded(pc.fill_null(lists.flatten(), ""))
    return ListColumn(values=values, codes=codes, starts=starts_of(lists))


def label_columns(store: StoreLike) -> dict[str, Column | ListColumn]:
    """The column of a store's labels by its name; nothing if its clips have no labels.

    Args:
        store: The store.
    """
    return {name: column_of(store.clips, name) for name in target_columns(store.manifest.target) if name != "target"}


def factorize(clips: pa.Table, name: str) -> Column:
    """A column of a clips table as codes, values sorted; a missing value is the empty text.

    Args:
        clips: The clips table.
        name: The column.

    Raises:
        StoreError: There is no such column.
    """
    if name not in clips.column_names:
        raise StoreError(f"the clips table has no column '{name}'. {nearest(name, clips.column_names)}")
    values, codes = _coded(pc.fill_null(text_column(clips, name), "").combine_chunks())
    return Column(values=values, codes=codes)


def _coded(texts: pa.StringArray) -> tuple[tuple[str, ...], np.ndarray]:
    """The values that occur, sorted, and the number of each text's value, int32."""
    column = texts.dictionary_encode()
    values = column.dictionary.to_pylist()
    order = sorted(range(len(values)), key=values.__getitem__)
    new_codes = np.empty(len(values), np.int32)
    new_codes[order] = np.arange(len(values), dtype=np.int32)
    return tuple(values[number] for number in order), new_codes[column.indices.to_numpy()]


def _check_known(recipe: Recipe, key_path: tuple[str, ...], kind: str, name: str, known: Iterable[str], remedy: str) -> None:
    known = tuple(known)
    if name not in known:
        raise recipe.error_at(key_path, f"the store has no {kind} '{name}'. {guessed(name, known) or f'{nearest(name, known)}; {remedy}'}")
