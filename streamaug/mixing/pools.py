"""Pools: the sets of clips that rows are drawn from."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamaug.mixing.hints import nearest
from streamaug.mixing.holdings import Holdings
from streamaug.mixing.recipe import Recipe, Where
from streamaug.mixing.yaml_lines import Path_

Mask = np.ndarray | None
"""Which clips of a split, bool of shape (clips,); None for all of them."""

_COUNTABLE = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Pools:
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


class PoolMaker:
    """Collects sets of clips into pools; the same set twice is one pool."""

    def __init__(self, holdings: Holdings, *, by_shard: bool) -> None:
        self._holdings = holdings
        self._shards = holdings.shards if by_shard else None
        self._numbers: dict[bytes | None, int] = {}
        self._clips: list[np.ndarray | range] = []
        self._shard_sizes: list[np.ndarray] = []

    def add(self, mask: Mask) -> int:
        """The number of the pool with these clips."""
        name = None if mask is None else np.packbits(mask).tobytes()
        if name not in self._numbers:
            self._numbers[name] = len(self._clips)
            self._put(mask)
        return self._numbers[name]

    def add_groups(self, mask: Mask, groups: np.ndarray, count: int) -> list[int]:
        """Numbers of the pools of a set of clips divided into groups 0..count-1; groups: int of shape (all clips,)."""
        inside = np.arange(len(groups), dtype=np.int32) if mask is None else np.flatnonzero(mask).astype(np.int32)
        belonging = groups[inside].astype(np.uint16 if count <= 1 << 16 else np.int32)
        inside = inside[np.argsort(belonging, kind="stable")]
        rows = self._rows(inside)
        first = len(self._clips)
        self._clips.extend(np.split(rows, np.cumsum(np.bincount(belonging, minlength=count))[:-1]))
        return list(range(first, first + count))

    def _put(self, mask: Mask) -> None:
        order = None if self._shards is None else self._shards.order
        if mask is None:
            self._clips.append(self._holdings.clips if order is None else self._rows(order))
        elif order is None:
            self._clips.append(self._rows(np.flatnonzero(mask)))
        else:
            self._clips.append(self._rows(order[mask[order]]))
        if self._shards is not None:
            sizes = self._shards.sizes
            if mask is not None:
                inside = mask if order is None else mask[order]
                sizes = np.add.reduceat(inside.astype(np.int64), np.cumsum(sizes) - sizes)
            self._shard_sizes.append(sizes)

    def _rows(self, numbers: np.ndarray) -> np.ndarray:
        clips = self._holdings.clips
        return numbers + clips.start if isinstance(clips, range) else clips[numbers]

    def pools(self) -> Pools:
        sizes = np.array([len(clips) for clips in self._clips], np.int64)
        if all(isinstance(clips, range) for clips in self._clips):
            starts = np.array([clips.start for clips in self._clips], np.int64)  # type: ignore[union-attr]  # all are ranges
            return Pools(sizes=sizes, starts=starts, members=None, shard_sizes=tuple(self._shard_sizes))
        members = np.concatenate([np.asarray(clips) for clips in self._clips])
        if not len(members) or members.max() < 1 << 31:
            members = members.astype(np.int32)
        return Pools(sizes=sizes, starts=np.cumsum(sizes) - sizes, members=members, shard_sizes=tuple(self._shard_sizes))


def chosen(recipe: Recipe, holdings: Holdings) -> dict[str, Mask]:
    """For each condition of a recipe, the clips that may be drawn in it. Raises RecipeError where there are none."""
    everywhere = _kept(recipe, holdings, recipe.where, ("where",))
    masks: dict[str, Mask] = {}
    for name, share in recipe.mixture.items():
        mask = _and(everywhere, holdings.held[name])
        mask = _and(mask, _kept(recipe, holdings, share.where, ("mixture", name, "where")))
        if not len(holdings) or (mask is not None and not mask.any()):
            raise recipe.refuse(
                ("mixture", name), f"'{name}' has no clip of split '{holdings.split}' that the recipe takes; take it out or widen 'where'"
            )
        masks[name] = mask
    return masks


def _kept(recipe: Recipe, holdings: Holdings, where: Where, place: Path_) -> Mask:
    mask: Mask = None
    for column, values in where:
        coded = holdings.columns[column]
        unknown = [value for value in values if value not in coded.values]
        if unknown:
            raise recipe.refuse(
                (*place, column),
                f"where: no clip of split '{holdings.split}' has {column} = '{unknown[0]}'; {nearest(unknown[0], coded.values)}",
            )
        keep = np.isin(np.array(coded.values), values)
        mask = _and(mask, keep[coded.codes])
    return mask


def _and(one: Mask, other: Mask) -> Mask:
    if one is None or other is None:
        return one if other is None else other
    return one & other


def grouped(columns: Sequence[str], holdings: Holdings) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """The groups that columns make of a split's clips: each group's values, sorted, and each clip's group, shape (clips,)."""
    codes = np.zeros(len(holdings), np.int64)
    for name in columns:
        codes = codes * len(holdings.columns[name].values) + holdings.columns[name].codes
    if math.prod(len(holdings.columns[name].values) for name in columns) <= max(_COUNTABLE, len(holdings)):
        counts = np.bincount(codes)  # counting is much faster than the sorting that np.unique does
        found = np.flatnonzero(counts)
        codes = (np.cumsum(counts > 0) - 1)[codes]
    else:
        found, codes = np.unique(codes, return_inverse=True)
    names = []
    for code in found.tolist():
        values = []
        for name in reversed(columns):
            code, value = divmod(code, len(holdings.columns[name].values))
            values.append(holdings.columns[name].values[value])
        names.append(tuple(reversed(values)))
    return names, codes


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
