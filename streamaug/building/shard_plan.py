"""Find out which shards of a condition have to be built, and join all to its index."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from streamaug.building.chains import Chain
from streamaug.building.existing import intact_shards
from streamaug.building.publish import concat_indexes
from streamaug.building.recordings import Recording
from streamaug.building.shard import part_key
from streamaug.building.staging import Staging
from streamaug.errors import StoreError
from streamaug.store.format import ShardInfo
from streamaug.store.index import Index


@dataclass(kw_only=True)
class ShardPlan:
    """The shards of a condition.

    Args:
        chain: The condition.
        published: Its published index, of the same settings; None if there is none.
        keys: For each shard with any clip of the condition, what its part is named by.
        intact: Shards of the published index that are in the store, by number.
        missing: Numbers of shards to build.
        index: The condition's index, once `finish` has joined it.
    """

    chain: Chain
    published: Index | None
    keys: Mapping[int, str]
    intact: Mapping[int, ShardInfo]
    missing: frozenset[int]
    index: Index | None = field(default=None)

    def finish(self, staged: Staging) -> Iterator[str]:
        """Join the index from the published one and the parts of all other shards.

        Args:
            staged: The build's folder.

        Yields:
            What people should know.

        Raises:
            StoreError: A part or a shard has vanished.
        """
        fresh = {number: key for number, key in self.keys.items() if number not in self.intact}
        parts = staged.parts(self.chain.name, fresh.values())
        shards: dict[int, Index] = {}
        before: dict[int, str] = {}
        if self.published is not None:
            before = {shard.number: shard.sha256 for shard in self.published.meta.shards}
            shards = {number: self.published.shard(row) for row, number in enumerate(before) if number not in fresh}
        for number, key in fresh.items():
            part = parts[key]
            if part is None:
                raise StoreError(f"a part of condition '{self.chain.name}' was removed during the build; run the build again")
            shards[number] = renumbered(part, number)
            if number in before and before[number] != part.meta.shards[0].sha256:
                yield (
                    f"warning: shard {number} of '{self.chain.name}' was built again and has other bytes than before: its encoder is not "
                    "reproducible, or was replaced by another of the same version"
                )
        if not fresh and self.published is not None:
            self.index = self.published
        elif shards:
            self.index = concat_indexes([shards[number] for number in sorted(shards)])
        if self.index is not None and len(intact_shards(staged.folder, self.index)) < len(self.index.meta.shards):
            raise StoreError(f"a shard of condition '{self.chain.name}' was removed during the build; run the build again")


def plan_shards(
    chain: Chain,
    published: Index | None,
    recordings: Mapping[int, Sequence[Recording]],
    labels: Sequence[str],
    all_clips: bytes,
    staged: Staging,
) -> ShardPlan:
    """Find out what a condition lacks; parts that earlier builds finished count as built.

    Args:
        chain: The condition.
        published: Its published index, of the same settings; None if there is none.
        recordings: The clips of each shard, by its number.
        labels: The store's labels.
        all_clips: Digest of the clips table.
        staged: The build's folder.
    """
    intact = {} if published is None else intact_shards(staged.folder, published)
    held = [number for number in recordings if not chain.has_effects or any(chain.holds(one.clip) for one in recordings[number])]
    # A published shard needs no key, and so no hash over its clips.
    keys = {number: "" if number in intact else part_key(chain, recordings[number], labels, all_clips) for number in held}
    wanted = {number: key for number, key in keys.items() if number not in intact}
    adopted = staged.adopt(chain.name, wanted.values())
    missing = frozenset(number for number, key in wanted.items() if key not in adopted)
    return ShardPlan(chain=chain, published=published, keys=keys, intact=intact, missing=missing)


def renumbered(part: Index, number: int) -> Index:
    """A part for another number: the same clips may have had another one in the build that was
    stopped."""
    shard = part.meta.shards[0].model_copy(update={"number": number})
    return Index(meta=part.meta.model_copy(update={"shards": (shard,)}), table=part.table)
