"""Publish clips and conditions atomically: a condition is visible once store.json names it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa
from filelock import FileLock, Timeout

from streamaug.building.chains import Chain
from streamaug.building.existing import existing_index, read_part
from streamaug.building.problems import Problem
from streamaug.building.shard import part_name, shard_name
from streamaug.building.spreadsheet import safe_csv
from streamaug.errors import StoreError
from streamaug.store.folder import STAGING, Folder
from streamaug.store.format import CLIPS_FILE, CLIPS_SCHEMA, INDEX_FILE, INDEX_SCHEMA, SHARD_NAME, STORE_FILE, StoreMeta, shard_number
from streamaug.store.index import Index
from streamaug.store.parquet import to_parquet
from streamaug.store.store import read_meta

REJECTED_FILE = "rejected.csv"


@contextmanager
def locked(folder: Folder) -> Iterator[None]:
    """Keep other builds out of a local store, and remove the staging folder if all goes well.

    The lock is the operating system's, so a killed build leaves none. Remote stores are not locked:
    files appear there whole, and two builds of the same content write the same bytes.

    Raises:
        StoreError: Another build is running in the store.
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
        raise StoreError(f"another build is running in {folder.url}; run this one when it has ended") from None


def write_clips(folder: Folder, meta: StoreMeta, clips: pa.Table, errors: Sequence[Problem]) -> None:
    """Write store.json, clips.parquet and, if there are errors, rejected.csv.

    Args:
        folder: The store.
        meta: Content of store.json. Its conditions are read again, since another build may have
            published some.
        clips: Clips to store, with all columns of CLIPS_SCHEMA.
        errors: Problems of the clips that are left out.
    """
    own = [name for name in clips.column_names if name not in CLIPS_SCHEMA.names and name != "path"]
    table = clips.select([*CLIPS_SCHEMA.names, *own])
    schema = pa.schema([*CLIPS_SCHEMA, *(table.schema.field(name) for name in own)])
    if errors:
        rows = ([problem.row, problem.clip_id, problem.path, problem.message] for problem in errors)
        folder.write(REJECTED_FILE, safe_csv(["row", "clip_id", "path", "problem"], rows))
    else:  # an earlier build may have listed clips that have been fixed since
        folder.remove(REJECTED_FILE)
    _write_meta(folder, meta.with_conditions(_complete_conditions(folder)))
    folder.write(CLIPS_FILE, to_parquet(table.cast(schema)))


def publish(folder: Folder, chain: Chain, numbers: Sequence[int]) -> None:
    """Write a condition's index, name the condition in store.json, then remove shards that the
    index does not name.

    In this order a build that is killed leaves no name without an index.

    Args:
        folder: The store.
        chain: The condition.
        numbers: All shards of the condition, in order.

    Raises:
        StoreError: A part has vanished, or a shard that was built again has other bytes than
            before.
    """
    index = existing_index(folder, chain, replace=True)
    published = {shard.name for shard in index.meta.shards} if index else set()
    if index:
        _check_rebuilt(folder, chain, index)
    parts = []
    for number in numbers:
        if shard_name(chain, number) in published:
            continue
        part = read_part(folder, chain, number)
        if part is None:
            raise StoreError(f"{folder.url}/{part_name(chain, number)} was removed during the build; run the build again")
        parts.append(part)
    if parts:
        index = concat_indexes([index, *parts] if index else parts)
        folder.write(f"{chain.name}/{INDEX_FILE}", index.to_bytes())
        published = {shard.name for shard in index.meta.shards}
    if index:
        meta = read_meta(folder)  # again, since another build may have published a condition
        if chain.name not in meta.conditions:
            _write_meta(folder, meta.with_conditions([*meta.conditions, chain.name]))
    for name in folder.names(chain.name):
        if SHARD_NAME.fullmatch(name) and name not in published:
            folder.remove(f"{chain.name}/{name}")


def _complete_conditions(folder: Folder) -> list[str]:
    """The conditions that store.json names, without those whose folder somebody has removed."""
    if not folder.exists(STORE_FILE):
        return []
    return [name for name in read_meta(folder).conditions if folder.exists(f"{name}/{INDEX_FILE}")]


def _write_meta(folder: Folder, meta: StoreMeta) -> None:
    folder.write(STORE_FILE, (meta.model_dump_json(indent=2) + "\n").encode())


def _check_rebuilt(folder: Folder, chain: Chain, index: Index) -> None:
    """Check that a shard that the index names and that had to be built again has the same bytes."""
    by_part = {part_name(chain, shard_number(shard.name)).rsplit("/", 1)[-1]: shard for shard in index.meta.shards}
    for name in folder.names(f"{STAGING}/{chain.name}"):
        part = read_part(folder, chain, shard_number(by_part[name].name)) if name in by_part else None
        if part is not None and part.meta.shards[0] != by_part[name]:
            raise StoreError(
                f"{folder.url}/{chain.name}/{by_part[name].name} was built again with the same settings, but has other bytes than before: "
                "its encoder is not reproducible, or was replaced by another of the same version; "
                f"remove the folder '{chain.name}' and run the build again"
            )


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
