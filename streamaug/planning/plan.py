"""The plan: for every epoch and position the row, before a byte of audio is read."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from streamaug.planning.candidates import CandidateSets
from streamaug.planning.draws.base import Draw
from streamaug.planning.draws.opening import open_draw
from streamaug.planning.epoch import Epoch
from streamaug.planning.identity import Identity
from streamaug.planning.inventory import Inventory
from streamaug.planning.ordering import Blocks, Shuffled
from streamaug.planning.permutation import named_key
from streamaug.planning.windows import Windows
from streamaug.recipes.recipe import Recipe

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
class Plan:
    """Row i of epoch e as a pure function of recipe, inventory, seed, e and i. Nothing is kept but an epoch's counts.

    Raises RecipeError where the recipe does not fit what the store holds.

    >>> from streamaug.recipes import Recipe, Schedule, Share
    >>> mixture = {"original": Share(weight=Schedule.of(1)), "mp3_64": Share(weight=Schedule.of(0.5))}
    >>> recipe = Recipe(title="half of it coded", draw="union", mixture=mixture)
    >>> plan = Plan(recipe=recipe, inventory=Inventory(clips=range(10), held={"original": None, "mp3_64": None}))
    >>> plan.epoch_size(0)
    15
    >>> sorted(plan.rows(0, range(15)).clip.tolist())[:4] != sorted(plan.rows(1, range(15)).clip.tolist())[:4]
    True
    """

    recipe: Recipe
    inventory: Inventory
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
    def pools(self) -> CandidateSets:
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
        digests = {name: self.inventory.digests.get(name, "") for name in self.conditions}
        return Identity(
            recipe=self.recipe.hash, split=self.inventory.split, seed=self.seed, clips=self.inventory.clips_digest, conditions=digests
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
    def _opened(self) -> tuple[CandidateSets, Draw]:
        """The sets of clips and the draw: what all epochs share."""
        return open_draw(self.recipe, self.inventory, self.seed)
