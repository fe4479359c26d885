"""CandidateSets: the sets of clips that rows are drawn from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from streamaug.hints import nearest
from streamaug.planning.inventory import Inventory
from streamaug.recipes.recipe import Recipe, Where
from streamaug.recipes.yaml_lines import KeyPath

Mask = np.ndarray | None
"""Which clips of a split, bool of shape (clips,); None for all of them."""


@dataclass(frozen=True, kw_only=True)
class CandidateSets:
    """Sets of clips, one laid after the other.

    sizes, starts: clips of each pool, and where it begins, int64 of shape (pools,). members: the clips' rows in the store, all
    pools in a line; None where a pool's rows are starts, starts + 1, … themselves. shard_sizes: for each pool, its clips shard by
    shard (where windows are asked for; then members are in this order).
    """

    sizes: np.ndarray
    starts: np.ndarray
    members: np.ndarray | None
    shard_sizes: tuple[np.ndarray, ...] = ()

    def clips(self, pool: np.ndarray, place: np.ndarray) -> np.ndarray:
        """Rows in the store of the clips at places within pools; all of shape (n,)."""
        where = self.starts[pool] + place
        return where if self.members is None else np.asarray(self.members[where], np.int64)


class CandidateSetBuilder:
    """Collects sets of clips into pools; the same set twice is one pool."""

    def __init__(self, inventory: Inventory, *, by_shard: bool) -> None:
        self._holdings = inventory
        self._shards = inventory.shards if by_shard else None
        self._numbers: dict[tuple[bool, bytes | None], list[int]] = {}
        self._clips: list[np.ndarray | range] = []
        self._shard_sizes: list[np.ndarray] = []

    def add(self, mask: Mask) -> int:
        """The number of the pool with these clips."""
        return self._once(mask, False, self._add)[0]

    def add_groups(self, mask: Mask) -> list[int]:
        """The numbers of the pools that these clips make group by group."""
        return self._once(mask, True, self._add_groups)

    def _once(self, mask: Mask, grouped: bool, put: Callable[[Mask], None]) -> list[int]:
        name = (grouped, None if mask is None else np.packbits(mask).tobytes())
        if name not in self._numbers:
            first = len(self._clips)
            put(mask)
            self._numbers[name] = list(range(first, len(self._clips)))
        return self._numbers[name]

    def _add(self, mask: Mask) -> None:
        if self._shards is None:
            self._clips.append(self._holdings.clips if mask is None else self._rows(np.flatnonzero(mask)))
            return
        runs = self._shards.within(mask)
        self._clips.append(self._holdings.clips if runs.order is None else self._rows(runs.order))
        self._shard_sizes.append(runs.sizes[runs.sizes > 0])

    def _add_groups(self, mask: Mask) -> None:
        assert self._holdings.groups is not None
        runs = self._holdings.groups.runs.within(mask)
        rows = self._rows(runs.order if runs.order is not None else np.arange(len(self._holdings)))
        self._clips.extend(np.split(rows, np.cumsum(runs.sizes)[:-1]))

    def _rows(self, numbers: np.ndarray) -> np.ndarray:
        clips = self._holdings.clips
        return np.asarray(numbers + numbers.dtype.type(clips.start) if isinstance(clips, range) else clips[numbers])

    def pools(self) -> CandidateSets:
        sizes = np.array([len(clips) for clips in self._clips], np.int64)
        if all(isinstance(clips, range) for clips in self._clips):
            starts = np.array([clips.start for clips in self._clips], np.int64)  # type: ignore[union-attr]  # all are ranges
            return CandidateSets(sizes=sizes, starts=starts, members=None, shard_sizes=tuple(self._shard_sizes))
        members = np.concatenate([np.asarray(clips) for clips in self._clips], dtype=_row_type(self._holdings), casting="same_kind")
        return CandidateSets(sizes=sizes, starts=np.cumsum(sizes) - sizes, members=members, shard_sizes=tuple(self._shard_sizes))


def _row_type(inventory: Inventory) -> type[np.integer]:
    return np.int32 if not len(inventory) or inventory.clips[-1] < 1 << 31 else np.int64


def chosen(recipe: Recipe, inventory: Inventory) -> dict[str, Mask]:
    """For each condition of a recipe, the clips that may be drawn in it. Raises RecipeError where there are none."""
    everywhere = _kept(recipe, inventory, recipe.where, ("where",))
    masks: dict[str, Mask] = {}
    for name, share in recipe.mixture.items():
        mask = _and(everywhere, inventory.held[name])
        mask = _and(mask, _kept(recipe, inventory, share.where, ("mixture", name, "where")))
        if not len(inventory) or (mask is not None and not mask.any()):
            raise recipe.refuse(
                ("mixture", name), f"'{name}' has no clip of split '{inventory.split}' that the recipe takes; take it out or widen 'where'"
            )
        masks[name] = mask
    return masks


def _kept(recipe: Recipe, inventory: Inventory, where: Where, place: KeyPath) -> Mask:
    mask: Mask = None
    for column, values in where:
        coded = inventory.columns[column]
        unknown = [value for value in values if value not in coded.values]
        if unknown:
            raise recipe.refuse(
                (*place, column),
                f"where: no clip of split '{inventory.split}' has {column} = '{unknown[0]}'. {nearest(unknown[0], coded.values)}",
            )
        keep = np.isin(np.array(coded.values), values)
        mask = _and(mask, keep[coded.codes])
    return mask


def _and(one: Mask, other: Mask) -> Mask:
    if one is None or other is None:
        return one if other is None else other
    return one & other


def any_of(masks: Mapping[str, Mask]) -> Mask:
    """Clips that may be drawn in at least one condition."""
    union: Mask = np.zeros(0, bool)
    for number, mask in enumerate(masks.values()):
        if mask is None:
            return None
        union = union | mask if number else mask
    return union


def classes(masks: Mapping[str, Mask], total: int) -> list[tuple[tuple[str, ...], Mask]]:
    """Clips sorted by the conditions that they can be drawn in: each class's conditions and clips; the class of none is left out."""
    partial = {name: mask for name, mask in masks.items() if mask is not None}
    if not partial:
        return [(tuple(masks), None)]
    codes = np.zeros(total, np.int64)
    for mask in partial.values():
        codes = np.unique(codes * 2 + mask, return_inverse=True)[1]
    found = []
    for number in range(int(codes.max()) + 1):
        mask = codes == number
        example = int(np.argmax(mask))
        names = tuple(name for name in masks if name not in partial or partial[name][example])
        if names:
            found.append((names, mask))
    return sorted(found, key=lambda each: each[0])
