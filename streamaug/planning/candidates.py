"""Candidate sets: the sets of clips that rows are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamaug.hints import nearest
from streamaug.planning.inventory import Column, Inventory, ListColumn
from streamaug.recipes.recipe import Recipe, Where
from streamaug.yaml_lines import KeyPath

Mask = np.ndarray | None
"""Which clips of a split, bool of shape (clips,); None for all of them."""


@dataclass(frozen=True, kw_only=True)
class CandidateSets:
    """Sets of clips, stored one after the other.

    Args:
        sizes: Clips in each set, int64 of shape (sets,).
        starts: Where each set begins in `members`, int64 of shape (sets,).
        members: Rows in the store's clips table, all sets in one array; None if the members of a
            set that starts at s are the rows s, s + 1, ... themselves.
        shard_sizes: For each set, its clips per shard; `members` is then sorted by shard. Empty
            without a shuffle in windows.
    """

    sizes: np.ndarray
    starts: np.ndarray
    members: np.ndarray | None
    shard_sizes: tuple[np.ndarray, ...] = ()

    def clips(self, candidate_set: np.ndarray, index: np.ndarray) -> np.ndarray:
        """Rows in the store of the clips with an index in a candidate set; all of shape (n,)."""
        slots = self.starts[candidate_set] + index
        return slots if self.members is None else np.asarray(self.members[slots], np.int64)


@dataclass(frozen=True, kw_only=True)
class Stratum:
    """A candidate set as a draw sees it: clips that are drawn from by the same rule.

    Args:
        name: What the stratum is made of; keys of shuffles are derived from it.
        candidate_set: Number of its candidate set.
        size: Clips in it.
        conditions: Numbers of the conditions that its clips can be drawn in.
    """

    name: tuple[str, ...]
    candidate_set: int
    size: int
    conditions: tuple[int, ...]


class CandidateSetBuilder:
    """Makes strata of clips, and collects their candidate sets; clips added twice are one set.

    Args:
        recipe: Its `balance` and `weights` split every stratum by group, its window sorts clips by
            shard.
        inventory: The clips.
    """

    def __init__(self, recipe: Recipe, inventory: Inventory) -> None:
        self._inventory = inventory
        self._shards = None if recipe.window is None else inventory.shards
        self._groups = inventory.groups if recipe.group_columns else None
        self._numbers: dict[bytes | None, list[int]] = {}
        self._clips: list[np.ndarray | range] = []
        self._shard_sizes: list[np.ndarray] = []

    def strata(self, name: tuple[str, ...], mask: Mask, conditions: tuple[int, ...]) -> list[Stratum]:
        """The strata of some clips: a single one, or one per group if the recipe counts by group.

        Args:
            name: What the clips have in common; a group's values are appended.
            mask: The clips.
            conditions: Numbers of the conditions that these clips can be drawn in.
        """
        key = None if mask is None else np.packbits(mask).tobytes()
        if key not in self._numbers:
            first = len(self._clips)
            self._add(mask)
            self._numbers[key] = list(range(first, len(self._clips)))
        groups = [()] if self._groups is None else self._groups.names
        return [
            Stratum(name=(*name, *group), candidate_set=number, size=len(self._clips[number]), conditions=conditions)
            for group, number in zip(groups, self._numbers[key], strict=True)
        ]

    def _add(self, mask: Mask) -> None:
        clips = self._inventory.clips
        if self._groups is not None:
            grouping = self._groups.grouping.within(mask)
            rows = self._rows(grouping.order if grouping.order is not None else np.arange(len(clips)))
            self._clips.extend(np.split(rows, np.cumsum(grouping.sizes)[:-1]))
        elif self._shards is not None:
            grouping = self._shards.within(mask)
            self._clips.append(clips if grouping.order is None else self._rows(grouping.order))
            self._shard_sizes.append(grouping.sizes[grouping.sizes > 0])
        else:
            self._clips.append(clips if mask is None else self._rows(np.flatnonzero(mask)))

    def _rows(self, numbers: np.ndarray) -> np.ndarray:
        """Rows in the store of clips that are numbered within the split."""
        clips = self._inventory.clips
        return np.asarray(numbers + numbers.dtype.type(clips.start) if isinstance(clips, range) else clips[numbers])

    def build(self) -> CandidateSets:
        """All candidate sets of the strata that were made."""
        sizes = np.array([len(clips) for clips in self._clips], np.int64)
        shard_sizes = tuple(self._shard_sizes)
        ranges = [clips for clips in self._clips if isinstance(clips, range)]
        if len(ranges) == len(self._clips):
            starts = np.array([clips.start for clips in ranges], np.int64)
            return CandidateSets(sizes=sizes, starts=starts, members=None, shard_sizes=shard_sizes)
        members = np.concatenate([np.asarray(clips) for clips in self._clips], dtype=_row_type(self._inventory), casting="same_kind")
        return CandidateSets(sizes=sizes, starts=np.cumsum(sizes) - sizes, members=members, shard_sizes=shard_sizes)


def _row_type(inventory: Inventory) -> type[np.integer]:
    return np.int32 if not len(inventory) or inventory.clips[-1] < 1 << 31 else np.int64


def eligible_clips(recipe: Recipe, inventory: Inventory) -> dict[str, Mask]:
    """For each condition of a recipe, the clips that may be drawn in it.

    Raises:
        RecipeError: A condition has no such clip, or `where` or `weights` names a value that no
            clip has.
    """
    weighted = _weighted_mask(recipe, inventory)
    if weighted is not None and not weighted.any():
        raise recipe.error_at(
            ("weights",),
            f"weights: all clips of split '{inventory.split}' have the weight 0; give at least one value a weight above 0, or leave "
            "single values out with 'where'",
        )
    everywhere = _and(_where_mask(recipe, inventory, recipe.where, ("where",)), weighted)
    masks: dict[str, Mask] = {}
    for name, share in recipe.mixture.items():
        available = inventory.available[name]
        mask = _and(everywhere, available)
        mask = _and(mask, _where_mask(recipe, inventory, share.where, ("mixture", name, "where")))
        if not len(inventory) or (mask is not None and not mask.any()):
            chosen = [column for column, _ in (*recipe.where, *share.where)]
            weighed = [each.column for each in recipe.weights]
            empty = [f"'{column}'" for column in dict.fromkeys((*chosen, *weighed)) if _is_empty(inventory.columns[column], available)]
            reason = f": its clips have no value in {' and '.join(empty)}" if empty else ""
            remedies = ["remove it", *(["widen 'where'"] if chosen else []), *(["give its clips weights above 0"] if weighed else [])]
            raise recipe.error_at(
                ("mixture", name),
                f"'{name}' has no clip of split '{inventory.split}' that the recipe takes{reason}; {', or '.join(remedies)}",
            )
        masks[name] = mask
    return masks


def _is_empty(column: Column | ListColumn, available: Mask) -> bool:
    """Whether no clip of a condition has a value in a column, as if its store lacked the column."""
    with_value = column.clips_with(np.array(column.values) != "")
    return not (with_value if available is None else with_value & available).any()


def _where_mask(recipe: Recipe, inventory: Inventory, where: Where, key_path: KeyPath) -> Mask:
    mask: Mask = None
    for name, values in where:
        column = inventory.columns[name]
        _check_values(recipe, inventory, (*key_path, name), values)
        mask = _and(mask, column.clips_with(np.isin(np.array(column.values), values)))
    return mask


def _weighted_mask(recipe: Recipe, inventory: Inventory) -> Mask:
    """The clips that no column gives the weight 0."""
    mask: Mask = None
    for each in recipe.weights:
        column = inventory.columns[each.column]
        _check_values(recipe, inventory, ("weights", each.column), [value for value, _ in each.values])
        matches = np.array([each.weight(value) > 0 for value in column.values])
        mask = _and(mask, None if matches.all() else matches[column.codes])
    return mask


def _check_values(recipe: Recipe, inventory: Inventory, key_path: KeyPath, values: Sequence[str]) -> None:
    """Check that a column, the last key, has some values. Raises RecipeError."""
    kind, name = ("weights" if key_path[0] == "weights" else "where"), str(key_path[-1])
    known = inventory.columns[name].values
    for value in values:
        if value not in known:
            place = (*key_path, value) if kind == "weights" else key_path
            problem = f"{kind}: no clip of split '{inventory.split}' has {name} = '{value}'"
            raise recipe.error_at(place, f"{problem}. {nearest(value, filter(None, known))}")


def _and(one: Mask, other: Mask) -> Mask:
    if one is None or other is None:
        return one if other is None else other
    return one & other


def ascending(rows: np.ndarray) -> np.ndarray:
    """Row numbers of the store in ascending order, each once, int64; in linear time, which
    `np.unique` does not take.

    >>> ascending(np.array([4, 1, 4])).tolist()
    [1, 4]
    """
    occurs = np.zeros(int(rows.max(initial=-1)) + 1, bool)
    occurs[rows] = True
    return np.flatnonzero(occurs)


def any_of(masks: Mapping[str, Mask]) -> Mask:
    """Clips that may be drawn in at least one condition."""
    union: Mask = np.zeros(0, bool)
    for number, mask in enumerate(masks.values()):
        if mask is None:
            return None
        union = union | mask if number else mask
    return union


def availability_classes(masks: Mapping[str, Mask], total: int) -> list[tuple[tuple[str, ...], Mask]]:
    """Clips by the conditions that they can be drawn in, sorted.

    Args:
        masks: For each condition, the clips that can be drawn in it.
        total: Clips of the split.

    Returns:
        The conditions and the clips of each class. Clips without any condition are left out.
    """
    partial = {name: mask for name, mask in masks.items() if mask is not None}
    if not partial:
        return [(tuple(masks), None)]
    codes = np.zeros(total, np.int64)
    for mask in partial.values():
        codes = np.unique(codes * 2 + mask, return_inverse=True)[1]
    classes = []
    for number in range(int(codes.max()) + 1):
        mask = codes == number
        example = int(np.argmax(mask))
        names = tuple(name for name in masks if name not in partial or partial[name][example])
        if names:
            classes.append((names, mask))
    return sorted(classes, key=lambda each: each[0])
