"""What a store holds before a build: its clips, conditions and finished shards."""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from streamaug.building.chains import Chain
from streamaug.building.shard import part_name, shard_name
from streamaug.errors import CorruptError, StoreError
from streamaug.store.folder import STAGING, Folder
from streamaug.store.format import CLIPS_FILE, INDEX_FILE, STORE_FILE, CodingStep, StoreMeta
from streamaug.store.index import Index
from streamaug.store.store import read_clips, read_meta


@dataclass(frozen=True, kw_only=True)
class ExistingStore:
    """A store that a build adds to.

    Args:
        url: Path or URL of the store.
        meta: What store.json holds.
        clips: Its clips table, or None if an earlier build was killed before it wrote one.
    """

    url: str
    meta: StoreMeta
    clips: pa.Table | None

    @property
    def samples(self) -> int | None:
        """Length of each clip in samples, if there are clips."""
        return int(self.clips["samples"][0].as_py()) if self.clips is not None else None


def read_existing(folder: Folder) -> ExistingStore | None:
    """The store in a folder, or None if the folder is empty or absent.

    Raises:
        StoreError: The folder contains something else.
    """
    names = folder.names()
    if STORE_FILE not in names:
        foreign = [name for name in names if name != STAGING]
        if foreign:
            raise StoreError(f"{folder.url} is not a store and not empty (it contains '{foreign[0]}'); choose a new or empty folder")
        return None
    meta = read_meta(folder)
    return ExistingStore(url=folder.url, meta=meta, clips=read_clips(folder, meta) if CLIPS_FILE in names else None)


def check_compatible(existing: ExistingStore, meta: StoreMeta, clips: pa.Table) -> None:
    """Check that a build may add to a store.

    Args:
        existing: The store.
        meta: What the build would write into store.json.
        clips: The clips table that the build would write.

    Raises:
        StoreError: The build contradicts the store; names the first difference.
    """
    for field in ("name", "rate", "shard_by"):
        old, new = getattr(existing.meta, field), getattr(meta, field)
        if old != new:
            raise StoreError(f"{existing.url} has {field} {old!r}, but this build {new!r}; use the same, or build into another folder")
    if existing.clips is None:
        return
    rows = pc.index_in(existing.clips["clip_id"], clips["clip_id"])
    if rows.null_count:
        missing = existing.clips["clip_id"].filter(pc.is_null(rows))
        raise StoreError(
            f"the table lacks {len(missing)} clips of the store {existing.url}, the first is '{missing[0].as_py()}'; "
            "add them to the table, or build into another folder"
        )
    same = clips.take(rows)
    for column in ("sha256", "label", existing.meta.shard_by):
        old, new = (table[column] if column == "sha256" else pc.cast(table[column], pa.string()) for table in (existing.clips, same))
        changed = pc.not_equal(old, new)
        if pc.any(changed).as_py():
            clip = existing.clips["clip_id"].filter(changed)[0].as_py()
            what = "other audio" if column == "sha256" else f"another {column}"
            raise StoreError(f"clip '{clip}' has {what} than in {existing.url}; give it another clip_id, or build into another folder")


def existing_index(folder: Folder, chain: Chain, *, replace: bool) -> Index | None:
    """The published index of a condition that was built with the same settings.

    Args:
        folder: The store.
        chain: The condition.
        replace: Return None for an index that is damaged or has other settings, instead of raising.

    Raises:
        StoreError: The condition was built with other settings; names the difference.
        CorruptError: The index is damaged.
    """
    name = f"{chain.name}/{INDEX_FILE}"
    try:
        index = Index.from_bytes(folder.read(name), f"{folder.url}/{name}")
    except FileNotFoundError:
        return None
    except CorruptError:
        if replace:
            return None
        raise
    if index.meta.settings == chain.settings:
        return index
    if replace:
        return None
    old, new = map(_describe, index.meta.steps), map(_describe, chain.step_metadata)
    changes = "; ".join(f"store: {before}, requested: {after}" for before, after in zip(old, new, strict=False) if before != after)
    raise StoreError(f"condition '{chain.name}' was built with other settings ({changes}); use the same ones, or rebuild it with --replace")


def _describe(step: CodingStep) -> str:
    return f"{step.step}: {step.encoder} {step.version} by {step.adapter} at {step.rate} Hz, {step.arguments}"


def existing_shards(folder: Folder, chain: Chain, numbers: Iterable[int], *, replace: bool) -> set[int]:
    """Which shards of a condition are finished.

    A finished shard has the size that the published index, or the part of an earlier build, gives.
    Shards that were removed or truncated are not finished, and so are built again.
    """
    index = existing_index(folder, chain, replace=replace)
    recorded = {shard.name: shard.bytes for shard in index.meta.shards} if index else {}
    sizes = folder.sizes(chain.name)
    finished = set()
    for number in numbers:
        name = shard_name(chain, number)
        if name not in sizes:
            continue
        if name not in recorded:
            part = read_part(folder, chain, number)
            recorded |= {shard.name: shard.bytes for shard in part.meta.shards} if part else {}
        if sizes[name] == recorded.get(name):
            finished.add(number)
    return finished


def read_part(folder: Folder, chain: Chain, number: int) -> Index | None:
    """The part of a shard, or None if it is missing or damaged."""
    name = part_name(chain, number)
    try:
        return Index.from_bytes(folder.read(name), f"{folder.url}/{name}")
    except (FileNotFoundError, CorruptError):
        return None
