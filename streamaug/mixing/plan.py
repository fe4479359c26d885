"""The plan: for every epoch and position the row, before a byte of audio is read."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from streamaug.mixing.draws import Draw
from streamaug.mixing.epoch import Epoch
from streamaug.mixing.holdings import Holdings
from streamaug.mixing.layout import Blocks, Shuffled
from streamaug.mixing.parts import open_draw
from streamaug.mixing.permutation import named_key
from streamaug.mixing.pools import Pools
from streamaug.mixing.recipe import Recipe
from streamaug.mixing.windows import Windows

FORMAT = 1
"""Counts up whenever the same recipe, store and seed come to give other rows."""

_EPOCHS_KEPT = 4
_MOST_ROWS, _MOST_BLOCKS = 1 << 40, 1 << 31
"""Of an epoch: what 64-bit arithmetic is exact for."""

BLOCK = 1024
"""Rows a block where ranks must follow time and no batch size is given."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of a plan.

    condition: numbers of conditions, in the order of `Plan.conditions`, int64 of shape (n, views).
    clip: row numbers in the store's clips table, int64 of shape (n,).
    """

    condition: np.ndarray
    clip: np.ndarray

    def __len__(self) -> int:
        return len(self.clip)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a plan is made of. Plans with one identity have the same rows.

    recipe: hash of what it says. split: as written. seed: of all shuffles. clips: digest of the clips and what the store says about
    them. conditions: the digest of each condition that the recipe uses. format: of planning itself; another one shuffles otherwise.
    """

    recipe: str
    split: str
    seed: int
    clips: str
    conditions: Mapping[str, str]
    format: int = FORMAT

    @property
    def hash(self) -> str:
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> "Identity":
        return cls(**told)

    def differences(self, other: "Identity") -> list[str]:
        """What the other has otherwise, a line each, for people; empty where nothing differs.

        >>> mine = Identity(recipe="ab", split="train", seed=0, clips="cd", conditions={"original": "12"})
        >>> mine.differences(Identity(recipe="ab", split="train", seed=1, clips="cd", conditions={"original": "34"}))
        ['seed: 0 here, 1 there', "condition 'original' has another content: 12 here, 34 there"]
        """
        lines = []
        for name, meaning in (("recipe", "the recipe says something else"), ("clips", "the store's clips are not the same")):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                lines.append(f"{meaning}: {mine[:12]} here, {theirs[:12]} there")
        for name in ("split", "seed", "format"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                lines.append(f"{name}: {mine} here, {theirs} there")
        for condition in sorted({*self.conditions, *other.conditions}):
            mine, theirs = self.conditions.get(condition), other.conditions.get(condition)
            if mine is None or theirs is None:
                lines.append(f"condition '{condition}' is only {'there' if mine is None else 'here'}")
            elif mine != theirs:
                lines.append(f"condition '{condition}' has another content: {mine[:12]} here, {theirs[:12]} there")
        return lines


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Row i of epoch e as a pure function of recipe, holdings, seed, e and i. Nothing is kept but an epoch's counts.

    Raises RecipeError where the recipe does not fit what the store holds.

    >>> from streamaug.mixing import Recipe, Schedule, Share
    >>> mixture = {"original": Share(weight=Schedule.of(1)), "mp3_64": Share(weight=Schedule.of(0.5))}
    >>> recipe = Recipe(title="half of it coded", draw="union", mixture=mixture)
    >>> plan = Plan(recipe=recipe, holdings=Holdings(clips=range(10), held={"original": None, "mp3_64": None}))
    >>> plan.epoch_size(0)
    15
    >>> sorted(plan.rows(0, range(15)).clip.tolist())[:4] != sorted(plan.rows(1, range(15)).clip.tolist())[:4]
    True
    """

    recipe: Recipe
    holdings: Holdings
    seed: int = 0
    _epochs: dict[int, Epoch] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._opened  # noqa: B018  # a plan that cannot be is refused when it is made

    @property
    def conditions(self) -> tuple[str, ...]:
        """What the numbers in `Rows.condition` stand for."""
        return self.recipe.conditions

    @property
    def views(self) -> int:
        """Conditions in which a row shows its clip."""
        return self.recipe.views or 1

    @property
    def pools(self) -> Pools:
        return self._opened[0]

    @cached_property
    def clips(self) -> np.ndarray:
        """Row numbers in the store of all clips that any epoch may draw, ascending."""
        pools = self.pools
        if pools.members is not None:
            return np.unique(pools.members).astype(np.int64)
        return np.arange(pools.starts.min(), (pools.starts + pools.sizes).max())

    def epoch_size(self, epoch: int) -> int:
        """Rows in an epoch."""
        return self.epoch(epoch).size

    def rows(self, epoch: int, positions: ArrayLike) -> Rows:
        """The rows at positions 0..epoch_size-1, shape (n,). Raises IndexError."""
        places = np.asarray(positions, np.int64).reshape(-1)
        opened = self.epoch(epoch)
        if len(places) and not (places.min() >= 0 and places.max() < opened.size):
            raise IndexError(f"epoch {epoch} has the positions 0 to {opened.size - 1}, not {places.min()} to {places.max()}")
        condition, clip = opened.rows(places)
        return Rows(condition=condition, clip=clip)

    def row(self, epoch: int, position: int) -> tuple[tuple[int, ...], int]:
        """One row, (conditions, clip), in microseconds. Raises IndexError."""
        opened = self.epoch(epoch)
        if not 0 <= position < opened.size:
            raise IndexError(f"epoch {epoch} has the positions 0 to {opened.size - 1}, not {position}")
        return opened.row(position)

    def epoch(self, epoch: int) -> Epoch:
        """An epoch, opened; the last few are kept."""
        if epoch < 0:
            raise IndexError(f"epochs count from 0, not {epoch}")
        opened = self._epochs.get(epoch)
        if opened is None:
            opened = self._open(epoch)
            while len(self._epochs) >= _EPOCHS_KEPT:
                self._epochs.pop(next(iter(self._epochs)), None)
            self._epochs[epoch] = opened
        return opened

    @cached_property
    def identity(self) -> Identity:
        digests = {name: self.holdings.digests.get(name, "") for name in self.conditions}
        return Identity(
            recipe=self.recipe.hash, split=self.holdings.split, seed=self.seed, clips=self.holdings.clips_digest, conditions=digests
        )

    @property
    def hash(self) -> str:
        """Names the plan: 64 hexadecimal digits, the same for the same rows in every epoch."""
        return self.identity.hash

    def _open(self, epoch: int) -> Epoch:
        pools, draw = self._opened
        cells, recipe = draw.cells(epoch), self.recipe
        rows, size = int(cells.count.sum()), recipe.stratify or BLOCK
        if rows > _MOST_ROWS or rows // size > _MOST_BLOCKS:
            raise recipe.refuse(
                ("mixture",),
                f"epoch {epoch} would have {rows} rows in blocks of {size}; at most {_MOST_ROWS} in {_MOST_BLOCKS} blocks can be",
            )
        key = named_key(self.seed, "time", epoch)
        windows = None
        if recipe.window is not None and len(cells.count):
            windows = Windows.of(cells, pools, shards=recipe.window, seed=self.seed, epoch=epoch)
        in_time = cells.passes or windows is not None
        if recipe.stratify is None and not in_time:
            return Epoch(cells=cells, pools=pools, layout=Shuffled(counts=cells.count, key=key))
        blocks = Blocks(counts=cells.count, kinds=cells.kinds, size=size, key=key, in_time=in_time)
        return Epoch(cells=cells, pools=pools, layout=blocks, windows=windows)

    @cached_property
    def _opened(self) -> tuple[Pools, Draw]:
        """The sets of clips and the draw: what all epochs share."""
        return open_draw(self.recipe, self.holdings, self.seed)
