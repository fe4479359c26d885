"""A plan without a mixture: every clip of a split once in each of some conditions, in the order of the clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow.compute as pc
from numpy.typing import ArrayLike

from streamaug.errors import StoreError
from streamaug.planning import Identity, Rows
from streamaug.splits import Split
from streamaug.store import Store


class PlanLike(Protocol):
    """What a stream asks of a plan; `streamaug.planning.Plan` is one."""

    @property
    def conditions(self) -> tuple[str, ...]: ...

    @property
    def views(self) -> int: ...

    @property
    def clips(self) -> np.ndarray: ...

    @property
    def identity(self) -> Identity: ...

    def epoch_size(self, epoch: int) -> int: ...

    def rows(self, epoch: int, positions: ArrayLike) -> Rows: ...


@dataclass(frozen=True, kw_only=True)
class SequentialPlan:
    """Every clip once in each condition that holds it: all of the first condition, then all of the second; each epoch the same.

    clips_by_condition: for each condition the row numbers of its clips in the store's clips table.
    """

    conditions: tuple[str, ...]
    clips_by_condition: tuple[np.ndarray, ...]
    identity: Identity
    views: int = 1

    @classmethod
    def of(cls, store: Store, conditions: Sequence[str], split: str, *, by_shard: bool = False) -> "SequentialPlan":
        """The clips of a split. by_shard: in the order in which they lie in the shards, to be read one after another.

        Raises StoreError where a condition is not in the store, or has none of these clips.
        """
        rows = Split.parse(split).rows(store.clips)
        if by_shard:
            rows = rows[np.argsort(store.clips["shard"].to_numpy()[rows], kind="stable")]
        ids = store.clips["clip_id"].take(rows)
        clips_by_condition, digests = [], {}
        for name in conditions:
            index = store.index(name)
            here = rows[np.asarray(pc.is_in(ids, index.table["clip_id"].combine_chunks()))]
            if not len(here):
                raise StoreError(f"store {store.url}: condition '{name}' has no clip of split '{split}'; choose another split or condition")
            clips_by_condition.append(here)
            digests[name] = index.digest
        identity = Identity(recipe="every clip" + " by shard" * by_shard, split=split, seed=0, clips="", conditions=digests)
        return cls(conditions=tuple(conditions), clips_by_condition=tuple(clips_by_condition), identity=identity)

    @property
    def clips(self) -> np.ndarray:
        return np.unique(np.concatenate(self.clips_by_condition))

    def epoch_size(self, epoch: int) -> int:  # noqa: ARG002  every epoch is the same
        return sum(map(len, self.clips_by_condition))

    def rows(self, epoch: int, positions: ArrayLike) -> Rows:  # noqa: ARG002  every epoch is the same
        places = np.asarray(positions, np.int64)
        ends = np.cumsum([len(clips) for clips in self.clips_by_condition])
        condition = np.searchsorted(ends, places, "right")
        clip = np.empty_like(places)
        for number, (clips, end) in enumerate(zip(self.clips_by_condition, ends, strict=True)):
            here = condition == number
            clip[here] = clips[places[here] - (end - len(clips))]
        return Rows(condition=condition[:, None], clip=clip)
