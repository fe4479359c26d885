"""Publish a snapshot: readers see all of it or nothing, and no build overwrites another's.

What a build made is written under new names, then a manifest names it. Making that manifest the
current one is a comparison and a swap. A build that finds another snapshot than the one it began
with adds its part to that one where both can be kept, and is refused otherwise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.building.existing import clip_difference, described_by, has_effect
from streamaug.errors import StoreError
from streamaug.store.folder import Folder
from streamaug.store.format import INDEX_SCHEMA, STORE_FILE, Target
from streamaug.store.index import Index
from streamaug.store.manifest import ClipsFile, IndexFile, Manifest, parse_manifest, snapshot_path
from streamaug.store.store import read_clips
from streamaug.store.swap import replace_if
from streamaug.store.targets import target_columns
from streamaug.store.writing import Tables

_AGAIN = "run it again; what it has encoded is kept"


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a build makes of the snapshot that it began with.

    Args:
        base: Manifest of that snapshot; None for a new store.
        name: Name of the data set.
        target: Column of the clips table with what a model learns; None if there is none.
        labels: Class names, in the order of their numbers.
        rate: Sample rate in Hz.
        channels: Channels of all clips.
        samples: Length that all clips were cut or padded to; None: each has its own.
        shard_by: Column of the clips table that the store is sharded by.
        clips: The clips table that the build made.
        conditions: The indexes that the build made, by condition.
        removed: Conditions of `base` whose index somebody has removed.
        keeps_shards: Whether the clips of `base` stay in their shards.
    """

    base: Manifest | None
    name: str
    target: Target | None
    labels: tuple[str, ...]
    rate: int
    channels: int
    samples: int | None
    shard_by: str
    clips: ClipsFile
    conditions: Mapping[str, IndexFile]
    removed: Sequence[str] = ()
    keeps_shards: bool = True

    def applied_to(self, current: Manifest | None, folder: Folder) -> Manifest:
        """The manifest to publish in place of the current one; the current one itself if it has all
        changes.

        Args:
            current: Manifest of the current snapshot, which may not be `base`.
            folder: The store.

        Raises:
            StoreError: Another build has published what cannot be kept together with this.
        """
        base = self.base
        if current is None:
            if base is not None:
                raise StoreError(f"{folder.url}/{STORE_FILE} was removed during the build; {_AGAIN}")
            return Manifest(
                name=self.name,
                target=self.target,
                labels=self.labels,
                rate=self.rate,
                channels=self.channels,
                samples=self.samples,
                shard_by=self.shard_by,
                clips=self.clips,
                conditions=dict(self.conditions),
            )
        old = {} if base is None else base.conditions
        for name, index in self.conditions.items():
            published = current.conditions.get(name)
            if published not in (None, old.get(name), index) and index != old.get(name):
                raise StoreError(f"another build has published condition '{name}' of {folder.url} while this one was running; {_AGAIN}")
        if base is not None and not self.keeps_shards and current.conditions != base.conditions:
            raise StoreError(f"another build has changed conditions of {folder.url} while this one was running; {_AGAIN}")
        self._check_effects(current, folder)
        clips = {"clips": self.clips, "labels": self.labels, "samples": self.samples}
        if current.clips == self.clips or (base is not None and self.clips == base.clips and _keeps_clips(base, current, folder)):
            clips = {"clips": current.clips, "labels": current.labels, "samples": current.samples}
        elif base is None or current.clips != base.clips:
            raise StoreError(f"another build has changed the clips of {folder.url} while this one was running; {_AGAIN}")
        own = {name: index for name, index in self.conditions.items() if index != old.get(name)}
        conditions = {name: index for name, index in current.conditions.items() if name not in self.removed or index != old.get(name)}
        return current.changed(**clips, conditions={**conditions, **own})

    def _check_effects(self, current: Manifest, folder: Folder) -> None:
        """Refuse a condition with effects beside rows that they did not see: one build has made it,
        while the other has changed what describes the clips."""
        base = self.base
        if base is None:
            return
        own = {name for name, index in self.conditions.items() if has_effect(name) and index != base.conditions.get(name)}
        others = {name for name, index in current.conditions.items() if has_effect(name) and index != base.conditions.get(name)}
        if (others - own and self.clips not in (base.clips, current.clips)) or (
            own and current.clips != base.clips and not _keeps_clips(base, current, folder, is_described=True)
        ):
            raise StoreError(
                f"another build has changed {folder.url} while this one was running, and effects may depend on the clips that one of them "
                f"has changed; {_AGAIN}"
            )


def _keeps_clips(base: Manifest, current: Manifest, folder: Folder, *, is_described: bool = False) -> bool:
    """Whether all clips of a snapshot are the same in the current one, in the same shards, and with
    `is_described` also described in the same way."""
    before, after = read_clips(folder, base), read_clips(folder, current)
    columns = ("sha256", *target_columns(base.target), "shard", *(described_by(before) if is_described else ()))
    rows = pc.index_in(before["clip_id"], after["clip_id"])
    return not rows.null_count and clip_difference(before, after.take(rows), columns) is None


def publish(folder: Folder, changes: Changes, tables: Tables) -> Manifest:
    """Make what a build did the current snapshot.

    Args:
        folder: The store; all shards are written.
        changes: What the build did.
        tables: The tables that it names, which a build that is refused does not write.

    Returns:
        The current manifest.

    Raises:
        StoreError: Another build has published what cannot be kept together with this.
        FetchError: The store cannot be read or written.
    """
    while True:
        old = _current(folder)
        current = None if old is None else parse_manifest(old, f"{folder.url}/{STORE_FILE}")
        manifest = changes.applied_to(current, folder)
        if manifest is current:
            return manifest
        tables.write(folder)
        folder.write(snapshot_path(manifest.snapshot), manifest.to_bytes())
        if replace_if(folder, STORE_FILE, old, manifest.to_bytes()):
            return manifest
        folder.remove(snapshot_path(manifest.snapshot))  # another build came first; no other manifest has this name


def _current(folder: Folder) -> bytes | None:
    try:
        return folder.read(STORE_FILE)
    except FileNotFoundError:
        return None


def concat_indexes(indexes: Sequence[Index]) -> Index:
    """One index of several, with their shards in order.

    Args:
        indexes: All of the same condition and settings.
    """
    tables, first = [], 0
    for index in indexes:
        column = index.table.schema.get_field_index("shard")
        tables.append(index.table.set_column(column, INDEX_SCHEMA.field("shard"), pa.array(index.column("shard") + np.int32(first))))
        first += len(index.meta.shards)
    shards = tuple(shard for index in indexes for shard in index.meta.shards)
    return Index(meta=indexes[0].meta.model_copy(update={"shards": shards}), table=pa.concat_tables(tables))
