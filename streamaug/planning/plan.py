"""The plan: for every epoch and position the row, before a byte of audio is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import ArrayLike

from streamaug.keys import named_key
from streamaug.links import Link
from streamaug.planning.buckets import Buckets
from streamaug.planning.candidates import CandidateSets, ascending
from streamaug.planning.draws.base import CellsOfEpoch, open_draw
from streamaug.planning.epoch import Epoch
from streamaug.planning.identity import Identity
from streamaug.planning.inventory import Inventory
from streamaug.planning.ordering import Blocks, Shuffled
from streamaug.planning.stretches import Stretches
from streamaug.planning.windows import Windows
from streamaug.recipes.draws import plug_in_version
from streamaug.recipes.recipe import Recipe

_EPOCHS_KEPT = 4
_MOST_ROWS, _MOST_BLOCKS = 1 << 40, 1 << 31
"""Rows and blocks of an epoch: the most that 64-bit arithmetic is exact for."""

BLOCK = 1024
"""Rows per block if ordinals must follow time and the recipe does not stratify."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of a plan.

    Args:
        condition: Numbers of conditions, in the order of `Plan.conditions`, int64 of shape (n,
            views).
        clip: Row numbers in the store's clips table, int64 of shape (n,).
    """

    condition: np.ndarray
    clip: np.ndarray

    def __len__(self) -> int:
        return len(self.clip)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Row i of epoch e as a pure function of recipe, inventory, seed, e and i.

    Args:
        recipe: The recipe.
        inventory: The clips of a split, and the conditions that contain them.
        seed: Seed for all shuffles. Default: 0.

    Raises:
        RecipeError: The recipe does not fit the inventory.

    >>> from streamaug.recipes import Recipe, Schedule, Share
    >>> mixture = {"original": Share(weight=Schedule.of(1)), "mp3_64": Share(weight=Schedule.of(0.5))}
    >>> recipe = Recipe(title="half of it encoded", draw="union", mixture=mixture)
    >>> plan = Plan(recipe=recipe, inventory=Inventory(clips=range(10), available={"original": None, "mp3_64": None}))
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
        self._opened  # noqa: B018  # a recipe that does not fit is an error here, not at the first row

    @property
    def conditions(self) -> tuple[str, ...]:
        """The names of the numbers in `Rows.condition`."""
        return self.recipe.conditions

    @property
    def views(self) -> int:
        """Conditions per row."""
        return self.recipe.views or 1

    @property
    def links(self) -> Mapping[str, Link]:
        """The links of the conditions by name."""
        return self.recipe.used_links

    @property
    def candidates(self) -> CandidateSets:
        """The sets of clips that any epoch may draw from."""
        return self._opened[0]

    @cached_property
    def clips(self) -> np.ndarray:
        """Row numbers in the store of all clips that any epoch may draw, ascending."""
        candidates = self.candidates
        if candidates.members is not None:
            return ascending(candidates.members)
        return np.arange(candidates.starts.min(), (candidates.starts + candidates.sizes).max())

    def epoch_size(self, epoch: int) -> int:
        """Rows in an epoch."""
        return self.epoch(epoch).size

    def rows(self, epoch: int, positions: ArrayLike) -> Rows:
        """The rows at some positions.

        Args:
            epoch: Number of the epoch, from 0.
            positions: Positions from 0 to epoch_size - 1, shape (n,).

        Raises:
            IndexError: A position or the epoch is out of range.
        """
        numbers = np.asarray(positions, np.int64).reshape(-1)
        opened = self.epoch(epoch)
        if len(numbers) and not (numbers.min() >= 0 and numbers.max() < opened.size):
            raise IndexError(f"epoch {epoch} has the positions 0 to {opened.size - 1}, not {numbers.min()} to {numbers.max()}")
        condition, clip = opened.rows(numbers)
        return Rows(condition=condition, clip=clip)

    def row(self, epoch: int, position: int) -> tuple[tuple[int, ...], int]:
        """One row, (conditions, clip), in microseconds.

        Args:
            epoch: Number of the epoch, from 0.
            position: Position from 0 to epoch_size - 1.

        Raises:
            IndexError: The position or the epoch is out of range.
        """
        opened = self.epoch(epoch)
        if not 0 <= position < opened.size:
            raise IndexError(f"epoch {epoch} has the positions 0 to {opened.size - 1}, not {position}")
        return opened.row(position)

    def epoch(self, epoch: int) -> Epoch:
        """An epoch; the last few are cached."""
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
        """What decides the rows of the plan."""
        return Identity(
            recipe=self.recipe.hash,
            split=self.inventory.split,
            seed=self.seed,
            clips=self.inventory.clips_digest,
            conditions={name: self.inventory.digests.get(name, "") for name in self.conditions},
            draw=plug_in_version(self.recipe.draw),
            labels=self.inventory.labels_digest,
            links={name: link.digest for name, link in self.links.items()},
        )

    @property
    def hash(self) -> str:
        """Names the plan: 64 hexadecimal digits; plans with the same hash have the same rows."""
        return self.identity.hash

    def _open(self, epoch: int) -> Epoch:
        candidates, cells_of = self._opened
        cells, recipe = cells_of(epoch), self.recipe
        rows, size = int(cells.count.sum()), recipe.stratify or BLOCK
        if rows > _MOST_ROWS or rows // size > _MOST_BLOCKS:
            raise recipe.error_at(
                ("mixture",),
                f"epoch {epoch} would have {rows} rows in blocks of {size}; the most is {_MOST_ROWS} rows in {_MOST_BLOCKS} blocks",
            )
        key = named_key(self.seed, "time", epoch)
        if cells.stretches:
            return Epoch(cells=cells, candidates=candidates, ordering=Stretches.of(cells, block=size, key=key))
        windows = None
        if recipe.window is not None and len(cells.count):
            windows = Windows.of(cells, candidates, shards=recipe.window, seed=self.seed, epoch=epoch)
        chronological = cells.reshuffles or windows is not None
        if recipe.stratify is None and not chronological:
            return self._in_buckets(Epoch(cells=cells, candidates=candidates, ordering=Shuffled(counts=cells.count, key=key)), epoch)
        blocks = Blocks(counts=cells.count, condition_groups=cells.condition_groups, size=size, key=key, chronological=chronological)
        return self._in_buckets(Epoch(cells=cells, candidates=candidates, ordering=blocks, windows=windows), epoch)

    def _in_buckets(self, opened: Epoch, epoch: int) -> Epoch:
        """The epoch in the buckets that the recipe has, if any."""
        bucket, lengths = self.recipe.bucket, self.inventory.lengths
        if bucket is None or lengths is None:
            return opened
        key = named_key(self.seed, "buckets", epoch)
        lengths_at = partial(_lengths_at, opened, lengths)
        return replace(opened, buckets=Buckets(rows=opened.size, size=bucket.rows, batch=bucket.batch, key=key, lengths=lengths_at))

    @cached_property
    def _opened(self) -> tuple[CandidateSets, CellsOfEpoch]:
        """The candidate sets, and the cells of each epoch."""
        return open_draw(self.recipe, self.inventory, self.seed)


def _lengths_at(epoch: Epoch, lengths: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Samples of the clips at positions of an epoch, int64 of shape (n,)."""
    return np.asarray(lengths[epoch.rows(positions)[1]])
