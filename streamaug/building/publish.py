"""What of a store stands already, and how a condition comes to exist: its index is written last, in one piece."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock, Timeout

from streamaug.building.chains import Chain
from streamaug.building.checks import Problem
from streamaug.building.shard import join, part_name, shard_name
from streamaug.errors import CorruptError, StoreError
from streamaug.store.folder import STAGING, Folder
from streamaug.store.format import CLIPS_FILE, CLIPS_SCHEMA, INDEX_FILE, SHARD_NAME, STORE_FILE, StoreMeta, shard_number
from streamaug.store.index import Index
from streamaug.store.parquet import to_parquet
from streamaug.store.store import read_clips, read_meta

REJECTED_FILE = "rejected.csv"


@dataclass(frozen=True, kw_only=True)
class ExistingStore:
    """A store that a build finds. clips: None where an earlier build was killed before it wrote them."""

    meta: StoreMeta
    clips: pa.Table | None

    @property
    def samples(self) -> int | None:
        """Samples that its clips have."""
        return int(self.clips["samples"][0].as_py()) if self.clips is not None else None


def read_existing(folder: Folder) -> ExistingStore | None:
    """The store in a folder, or None. Raises StoreError where the folder holds something else."""
    names = folder.names()
    if STORE_FILE not in names:
        foreign = [name for name in names if name != STAGING]
        if foreign:
            raise StoreError(f"{folder.url} is no store and not empty ('{foreign[0]}' lies there); name an empty or new folder")
        return None
    meta = read_meta(folder)
    return ExistingStore(meta=meta, clips=read_clips(folder, meta) if CLIPS_FILE in names else None)


def check_compatible(standing: ExistingStore, meta: StoreMeta, chosen: pa.Table) -> None:
    """Hold a build against the store that it adds to. Raises StoreError with the difference."""
    for field in ("name", "rate", "shard_by"):
        old, new = getattr(standing.meta, field), getattr(meta, field)
        if old != new:
            raise StoreError(f"the standing store has {field} {old}, this build {new}; name the same, or build into another folder")
    if standing.clips is None:
        return
    where = pc.index_in(standing.clips["clip_id"], chosen["clip_id"])
    if where.null_count:
        lost = standing.clips["clip_id"].filter(pc.is_null(where))
        raise StoreError(
            f"the standing store holds {len(lost)} clips that the table does not give, '{lost[0].as_py()}' first; "
            "list them too, or build into another folder"
        )
    same = chosen.take(where)
    for column in ("sha256", "label", standing.meta.shard_by):
        old, new = (table[column] if column == "sha256" else pc.cast(table[column], pa.string()) for table in (standing.clips, same))
        changed = pc.not_equal(old, new)
        if pc.any(changed).as_py():
            clip = standing.clips["clip_id"].filter(changed)[0].as_py()
            what = "audio" if column == "sha256" else column
            raise StoreError(
                f"clip '{clip}' has another {what} than in the standing store; give it another clip_id, or build into another folder"
            )


@contextmanager
def locked(folder: Folder) -> Iterator[None]:
    """Keep other builds out of a local store, and take away what was staged when all went well.

    The lock is the system's, so a killed build leaves none. On remote file systems nothing is locked: what is written
    there appears whole, and two builds of one content write the same bytes.
    """
    if not folder.is_local:
        yield
        folder.remove(STAGING)
        return
    lock = folder.local_path(STAGING) / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            yield
            folder.remove(STAGING)
    except Timeout:
        raise StoreError(f"another build is at work in {folder.url}; wait for it to end") from None


def write_clips(folder: Folder, meta: StoreMeta, chosen: pa.Table, errors: Sequence[Problem]) -> None:
    """Write store.json, clips.parquet and, where clips were rejected, the list of them."""
    own = [name for name in chosen.column_names if name not in CLIPS_SCHEMA.names and name != "path"]
    table = chosen.select([*CLIPS_SCHEMA.names, *own])
    schema = pa.schema([*CLIPS_SCHEMA, *(table.schema.field(name) for name in own)])
    if errors:
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["row", "clip_id", "path", "problem"])
        writer.writerows([problem.row, problem.clip_id, problem.path, problem.message] for problem in errors)
        folder.write(REJECTED_FILE, text.getvalue().encode())
    else:  # the list that an earlier build left speaks of clips that have been mended since
        folder.remove(REJECTED_FILE)
    folder.write(STORE_FILE, (meta.model_dump_json(indent=2) + "\n").encode())
    folder.write(CLIPS_FILE, to_parquet(table.cast(schema)))


def existing_index(folder: Folder, chain: Chain, *, replace: bool) -> Index | None:
    """The index that a condition has by now, if it was built with the same settings.

    With other settings: None if it is to be replaced, else StoreError with the difference.
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
    old = [f"{step.step}: {step.encoder} {step.version} {step.arguments}" for step in index.meta.steps]
    new = [f"{step.step}: {step.encoder} {step.version} {step.arguments}" for step in chain.step_metadata]
    changes = "; ".join(f"stands {before}, asked {after}" for before, after in zip(old, new, strict=False) if before != after)
    raise StoreError(f"condition '{chain.name}' stands with other settings ({changes}); keep those, or build it again with --replace")


def existing_shards(folder: Folder, chain: Chain, numbers: Iterable[int], *, replace: bool) -> set[int]:
    """Which shards are done: told about by the published index or by a part that an earlier build left, and as long as that says.

    What was removed or cut off is not among them, and is built again.
    """
    index = existing_index(folder, chain, replace=replace)
    told = {info.name: info.bytes for info in index.meta.shards} if index else {}
    lying = folder.sizes(chain.name)
    done = set()
    for number in numbers:
        name = shard_name(chain, number)
        if name not in lying:
            continue
        if name not in told:
            part = _read_part(folder, chain, number)
            told |= {info.name: info.bytes for info in part.meta.shards} if part else {}
        if lying[name] == told.get(name):
            done.add(number)
    return done


def _read_part(folder: Folder, chain: Chain, number: int) -> Index | None:
    name = part_name(chain, number)
    try:
        return Index.from_bytes(folder.read(name), f"{folder.url}/{name}")
    except (FileNotFoundError, CorruptError):
        return None


def publish(folder: Folder, chain: Chain, numbers: Sequence[int]) -> None:
    """Make a condition's index of what stands and what was built, write it, and remove shards that it does not name."""
    index = existing_index(folder, chain, replace=True)
    known = {info.name for info in index.meta.shards} if index else set()
    fresh = [number for number in numbers if shard_name(chain, number) not in known]
    if index:
        _check_rebuilt(folder, chain, index)
    parts = []
    for number in fresh:
        part = _read_part(folder, chain, number)
        if part is None:
            raise StoreError(f"{folder.url}/{part_name(chain, number)} has vanished during the build; start it again")
        parts.append(part)
    if parts:
        joined = join([index, *parts] if index else parts)
        folder.write(f"{chain.name}/{INDEX_FILE}", joined.to_bytes())
        known = {info.name for info in joined.meta.shards}
    for name in folder.names(chain.name):
        if SHARD_NAME.fullmatch(name) and name not in known:
            folder.remove(f"{chain.name}/{name}")


def _check_rebuilt(folder: Folder, chain: Chain, index: Index) -> None:
    """A shard that the index names and that had to be built again must be what it was."""
    named = {part_name(chain, shard_number(info.name)).rsplit("/", 1)[-1]: info for info in index.meta.shards}
    for name in folder.names(f"{STAGING}/{chain.name}"):
        part = _read_part(folder, chain, shard_number(named[name].name)) if name in named else None
        if part is not None and part.meta.shards[0] != named[name]:
            raise StoreError(
                f"{folder.url}/{chain.name}/{named[name].name}, built again, has other bytes than before under the same settings: "
                f"its encoder is not reproducible, or was exchanged under the same version; remove {chain.name} and run the build again"
            )
