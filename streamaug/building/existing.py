"""What a store holds before a build: its clips, conditions and finished shards."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from streamaug.building.chains import Chain
from streamaug.building.facts import FACTS_FILE
from streamaug.building.rejected import REJECTED_FILE
from streamaug.building.targets import target_of
from streamaug.conditions import Condition
from streamaug.errors import CorruptError, StoreError
from streamaug.store import Store
from streamaug.store.folder import STAGING, Folder
from streamaug.store.format import CLIPS_NAME, INDEX_NAME, SHARD_NAME, SNAPSHOTS, STORE_FILE, CodingStep, ShardInfo
from streamaug.store.index import Index
from streamaug.store.manifest import Manifest
from streamaug.store.targets import target_columns


@dataclass(frozen=True, kw_only=True)
class ExistingStore:
    """The snapshot that a build adds to.

    Args:
        store: The opened snapshot.
    """

    store: Store

    @property
    def url(self) -> str:
        return self.store.url

    @property
    def manifest(self) -> Manifest:
        return self.store.manifest

    @property
    def clips(self) -> pa.Table:
        return self.store.clips

    @cached_property
    def samples(self) -> int | None:
        """Length of each clip in samples; None if they differ."""
        bounds = pc.min_max(self.clips["samples"]).as_py()
        return int(bounds["min"]) if bounds["min"] == bounds["max"] else None


def read_existing(folder: Folder) -> ExistingStore | None:
    """The store in a folder; None if the folder is empty or absent, or has only what a first build
    left that was stopped.

    Raises:
        StoreError: The folder contains something else, or cannot be written.
    """
    if folder.is_read_only:
        raise StoreError(f"{folder.url} can only be read; build into a folder or a bucket, and copy or pack the store from there")
    names = folder.names()
    if STORE_FILE in names:
        return ExistingStore(store=Store.open(folder.url, folder.options))
    foreign = [name for name in names if not _is_of_a_build(folder, name)]
    if foreign:
        raise StoreError(f"{folder.url} is not a store and not empty (it contains '{foreign[0]}'); choose a new or empty folder")
    return None


def _is_of_a_build(folder: Folder, name: str) -> bool:
    """Whether a build that was stopped may have left a file or folder."""
    if name in (STAGING, SNAPSHOTS, FACTS_FILE, REJECTED_FILE) or CLIPS_NAME.fullmatch(name):
        return True
    files = folder.names(name)
    return bool(files) and all(SHARD_NAME.fullmatch(file) or INDEX_NAME.fullmatch(file) for file in files)


def check_table(existing: ExistingStore, *, name: str, shard_by: str, clips: pa.Table) -> None:
    """Check that a table of clips may be added to a store, before its sources are decoded.

    Args:
        existing: The store.
        name: Name of the data set that the build would write.
        shard_by: Column to shard by, likewise.
        clips: The table of clips.

    Raises:
        StoreError: The build contradicts the store; names the first difference.
    """
    for field, new in (("name", name), ("shard_by", shard_by)):
        old = getattr(existing.manifest, field)
        if old != new:
            raise StoreError(f"{existing.url} has {field} {old!r}, but this build {new!r}; use the same, or build into another folder")
    target = target_of(clips)
    if target != existing.manifest.target:
        has, lacks = (f"the column '{column}'" if column else "no targets" for column in (existing.manifest.target, target))
        raise StoreError(
            f"{existing.url} has {has}, but this table has {lacks}; use a table of the same kind, or build into another folder"
        )
    _rows_of(existing, clips)


def check_clips(existing: ExistingStore, *, shard_by: str, clips: pa.Table) -> None:
    """Check that the clips of a store are those of a build's table.

    Args:
        existing: The store.
        shard_by: Column to shard by.
        clips: The table of clips, with what decoding has found out.

    Raises:
        StoreError: A clip is missing or differs; names the first.
    """
    rows = _rows_of(existing, clips)
    difference = clip_difference(existing.clips, clips.take(rows), ("sha256", *target_columns(existing.manifest.target), shard_by))
    if difference:
        clip, column = difference
        what = {"sha256": "other audio", "labels": "other labels"}.get(column, f"another {column}")
        raise StoreError(f"clip '{clip}' has {what} than in {existing.url}; give it another clip_id, or build into another folder")


def _rows_of(existing: ExistingStore, clips: pa.Table) -> pa.Array:
    """The rows of a table with the clips of a store, in the store's order. Raises StoreError."""
    rows = pc.index_in(existing.clips["clip_id"], clips["clip_id"])
    if rows.null_count:
        missing = existing.clips["clip_id"].filter(pc.is_null(rows))
        raise StoreError(
            f"the table lacks {len(missing)} clips of the store {existing.url}, the first is '{missing[0].as_py()}'; "
            "add them to the table, or build into another folder"
        )
    return rows


def row_change(existing: ExistingStore, clips: pa.Table) -> tuple[str, str] | None:
    """The first clip of a store whose row has other values in a table, and the column; None if all
    rows are as they were. Columns that are only in the table do not count.

    Args:
        existing: The store.
        clips: A table with all its clips.
    """
    new = clips.take(pc.index_in(existing.clips["clip_id"], clips["clip_id"]))
    return clip_difference(existing.clips, new, described_by(existing.clips))


def described_by(clips: pa.Table) -> tuple[str, ...]:
    """The columns of a clips table that describe a clip: what effects may depend on."""
    return tuple(name for name in clips.column_names if name not in ("clip_id", "shard", "samples", "depth", "sha256"))


def check_effects(existing: ExistingStore, change: tuple[str, str] | None, rebuilt: Collection[str]) -> None:
    """Check that no condition stays in the store whose effects saw other rows than the table has.

    Args:
        existing: The store.
        change: As `row_change` gives it.
        rebuilt: Conditions that are built from nothing.

    Raises:
        StoreError: One would.
    """
    outdated = [name for name in existing.manifest.conditions if has_effect(name) and name not in rebuilt]
    if change and outdated:
        clip, column = change
        raise StoreError(
            f"clip '{clip}' has another '{column}' than in {existing.url}, and the effects of {', '.join(outdated)} may depend on it; "
            f"rebuild these with --replace --conditions {','.join(outdated)}, or give what is new a column of its own"
        )


def has_effect(condition: str) -> bool:
    """Whether any step of a condition is an effect."""
    return not all(step.is_codec for step in Condition.parse(condition).steps)


def clip_difference(old: pa.Table, new: pa.Table, columns: tuple[str, ...]) -> tuple[str, str] | None:
    """The first clip that is not the same in two tables, and the column that differs; None if all
    are.

    Args:
        old: Some clips.
        new: The same clips in the same order.
        columns: What to compare.
    """
    for column in columns:
        before, after = (_comparable(table, column) for table in (old, new))
        changed = pc.fill_null(pc.not_equal(before, after), pc.not_equal(pc.is_null(before), pc.is_null(after)))
        if pc.any(changed).as_py():
            return old["clip_id"].filter(changed)[0].as_py(), column
    return None


def _comparable(table: pa.Table, column: str) -> pa.ChunkedArray | pa.Array:
    """A column as text, whatever its type: a CSV's is text, and a Parquet file's is not."""
    if column not in table.column_names:
        return pa.nulls(table.num_rows, pa.string())
    if column == "sha256":
        return table[column]
    if pa.types.is_nested(table[column].type):
        return pa.array([None if value is None else str(value) for value in table[column].to_pylist()], pa.string())
    return pc.cast(table[column], pa.string())


def existing_index(existing: ExistingStore | None, chain: Chain, *, replace: bool, is_outdated: bool = False) -> Index | None:
    """The published index of a condition that was built with the same settings.

    Args:
        existing: The store; None if there is none yet.
        chain: The condition.
        replace: Return None for an index that is damaged or has other settings, instead of raising.
        is_outdated: Whether rows of clips have changed. With `replace` a condition with effects is
            built from nothing then.

    Raises:
        StoreError: The condition was built with other settings; names the difference.
        CorruptError: The index is damaged.
    """
    if existing is None or chain.name not in existing.manifest.conditions:
        return None
    try:
        index = existing.store.index(chain.name)
    except CorruptError:
        entry = existing.manifest.conditions[chain.name]
        if replace or not existing.store.folder.exists(f"{chain.name}/{entry.file}"):
            return None
        raise
    if index.meta.settings == chain.settings:
        return None if replace and is_outdated and chain.has_effects else index
    if replace:
        return None
    old, new = map(_describe, index.meta.steps), map(_describe, chain.step_metadata)
    changes = "; ".join(f"store: {before}, requested: {after}" for before, after in zip(old, new, strict=False) if before != after)
    raise StoreError(f"condition '{chain.name}' was built with other settings ({changes}); use the same ones, or rebuild it with --replace")


def lost_conditions(existing: ExistingStore | None) -> list[str]:
    """Conditions that the manifest names, but whose index somebody has removed."""
    if existing is None:
        return []
    folder = existing.store.folder
    return [name for name, entry in existing.manifest.conditions.items() if not folder.exists(f"{name}/{entry.file}")]


def _describe(step: CodingStep) -> str:
    return f"{step.step}: {step.encoder} {step.version} by {step.adapter} at {step.rate} Hz, {step.arguments}"


def intact_shards(folder: Folder, index: Index) -> Mapping[int, ShardInfo]:
    """The shards of a published index that are in the store, by number. Shards that were removed or
    truncated are not among them, and so are built again."""
    sizes = folder.sizes(index.meta.condition)
    return {shard.number: shard for shard in index.meta.shards if sizes.get(shard.name) == shard.bytes}
