"""A plan without a mixture: every clip of a split once per condition, in order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from streamaug.condition_names import split_link
from streamaug.errors import StoreError
from streamaug.links import Link, find_link
from streamaug.planning import Identity, Rows
from streamaug.planning.candidates import ascending
from streamaug.planning.clips_digest import digest_of, key_columns
from streamaug.planning.identity import labels_digest
from streamaug.store.catalogue import StoreLike, split_rows


class PlanLike(Protocol):
    """What a stream needs of a plan; `streamaug.planning.Plan` is one."""

    @property
    def conditions(self) -> tuple[str, ...]: ...

    @property
    def views(self) -> int: ...

    @property
    def links(self) -> Mapping[str, Link]: ...

    @property
    def clips(self) -> np.ndarray: ...

    @property
    def identity(self) -> Identity: ...

    def epoch_size(self, epoch: int) -> int: ...

    def rows(self, epoch: int, positions: ArrayLike) -> Rows: ...


@dataclass(frozen=True, kw_only=True)
class SequentialPlan:
    """Every clip once in each condition that contains it, one condition after the other.

    Args:
        conditions: Names of the conditions.
        clips_by_condition: For each condition, its clips as row numbers in the store's clips table.
        identity: What decides the rows.
        by_shard: Whether the clips are in the order of their shards. Default: of their names.
        views: Conditions per row, 1.
        links: The links of the conditions by name.
    """

    conditions: tuple[str, ...]
    clips_by_condition: tuple[np.ndarray, ...]
    identity: Identity
    by_shard: bool = False
    views: int = 1
    links: Mapping[str, Link] = field(default_factory=dict)

    @classmethod
    def of(
        cls, store: StoreLike, conditions: Sequence[str], split: str, *, by_shard: bool = False, links: Mapping[str, Link] | None = None
    ) -> "SequentialPlan":
        """Plan all clips of a split.

        Args:
            store: The store.
            conditions: Names of the conditions.
            split: The split as text.
            by_shard: Whether to order the clips by shard, for sequential reads. Default: by
                clip_id.
            links: The links that conditions name, by name. Default: presets alone.

        Raises:
            StoreError: A condition is not in the store, or has none of these clips.
            LinkError: A condition names a link that is not defined, or cannot have one.
        """
        named = dict.fromkeys(link for name in conditions if (link := split_link(name)[1]))
        used = {name: find_link(name, links or {}) for name in named}
        rows = split_rows(store, split)
        if by_shard:
            rows = rows[np.argsort(store.clips["shard"].to_numpy()[rows], kind="stable")]
        clips_by_condition, digests = [], {}
        for name in conditions:
            locations = store.locations(name)
            contained = rows[locations.has_clip[rows]]
            if not len(contained):
                raise StoreError(f"store {store.url}: condition '{name}' has no clip of split '{split}'; choose another split or condition")
            clips_by_condition.append(contained)
            digests[name] = locations.digest
        names = key_columns(store)
        identity = Identity(
            recipe="every clip" + " by shard" * by_shard,
            split=split,
            seed=0,
            clips=digest_of(store.clips.select(names).take(rows), names),
            conditions=digests,
            labels=labels_digest(store.manifest.labels),
            links={name: link.digest for name, link in used.items()},
        )
        return cls(
            conditions=tuple(conditions), clips_by_condition=tuple(clips_by_condition), identity=identity, by_shard=by_shard, links=used
        )

    @property
    def clips(self) -> np.ndarray:
        """Row numbers in the store of all clips, ascending."""
        return ascending(np.concatenate(self.clips_by_condition))

    def epoch_size(self, epoch: int) -> int:  # noqa: ARG002  # every epoch is the same
        """Rows in an epoch."""
        return sum(map(len, self.clips_by_condition))

    def rows(self, epoch: int, positions: ArrayLike) -> Rows:  # noqa: ARG002  # every epoch is the same
        """The rows at positions from 0 to epoch_size - 1, shape (n,)."""
        numbers = np.asarray(positions, np.int64)
        ends = np.cumsum([len(clips) for clips in self.clips_by_condition])
        condition = np.searchsorted(ends, numbers, "right")
        clip = np.empty_like(numbers)
        for number, (clips, end) in enumerate(zip(self.clips_by_condition, ends, strict=True)):
            rows = condition == number
            clip[rows] = clips[numbers[rows] - (end - len(clips))]
        return Rows(condition=condition[:, None], clip=clip)
