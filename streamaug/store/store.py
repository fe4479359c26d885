"""Opening a store: what it holds, read once and checked."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from streamaug.conditions import Condition
from streamaug.errors import ConditionError, CorruptError, StoreError
from streamaug.store.folder import Folder
from streamaug.store.format import CLIPS_FILE, CLIPS_SCHEMA, FORMAT, INDEX_FILE, STORE_FILE, StoreMeta
from streamaug.store.index import Index
from streamaug.store.parquet import from_parquet


@dataclass(frozen=True)
class Store:
    """The shards of one data set on any fsspec URL, opened for reading."""

    folder: Folder
    meta: StoreMeta

    @classmethod
    def open(cls, url: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None) -> "Store":
        """Open the store at a path or URL. Raises StoreError where there is none, FetchError where it cannot be reached."""
        folder = Folder.at(url, storage_options)
        return cls(folder, read_meta(folder))

    @property
    def url(self) -> str:
        return self.folder.url

    @cached_property
    def clips(self) -> pa.Table:
        """A row a clip, ordered by clip_id: CLIPS_SCHEMA and the data set's own columns."""
        return read_clips(self.folder, self.meta)

    @cached_property
    def conditions(self) -> tuple[str, ...]:
        """Conditions that are published here, `original` first, then by name."""
        found = []
        for name in self.folder.names():
            try:
                Condition.parse(name)
            except ConditionError:
                continue
            if self.folder.exists(f"{name}/{INDEX_FILE}"):
                found.append(name)
        return tuple(sorted(found, key=lambda name: (name != "original", name)))

    def index(self, condition: str) -> Index:
        """The index of a condition. Raises StoreError where the store has none, CorruptError where it is damaged."""
        name = str(Condition.parse(condition))
        try:
            data = self.folder.read(f"{name}/{INDEX_FILE}")
        except FileNotFoundError:
            near = get_close_matches(name, self.conditions, 1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise StoreError(
                f"store {self.url} has no condition '{name}'; {hint}it holds {', '.join(self.conditions) or 'none'}; "
                f"add it with 'streamaug build CLIPS.csv {self.url} --conditions {name}'"
            ) from None
        index = Index.from_bytes(data, f"{self.url}/{name}/{INDEX_FILE}")
        if index.meta.condition != name:
            raise CorruptError(
                f"{self.url}/{name}/{INDEX_FILE}: the index of another condition, '{index.meta.condition}'; build it again with --replace"
            )
        return index


def read_meta(folder: Folder) -> StoreMeta:
    """Read and check store.json. Raises StoreError."""
    try:
        data = folder.read(STORE_FILE)
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(
            f"{folder.url} is no store: it has no {STORE_FILE}; make one with 'streamaug build CLIPS.csv {folder.url}'"
        ) from None
    try:
        meta = StoreMeta.model_validate_json(data)
    except ValidationError as error:
        raise StoreError(f"{folder.url}/{STORE_FILE}: {error}") from error
    if meta.format != FORMAT:
        raise StoreError(
            f"{folder.url}: store format {meta.format}, this streamaug reads {FORMAT}; use the streamaug that built it, or build it again"
        )
    return meta


def read_clips(folder: Folder, meta: StoreMeta) -> pa.Table:
    """Read and check clips.parquet. Raises StoreError."""
    where = f"{folder.url}/{CLIPS_FILE}"
    try:
        data = folder.read(CLIPS_FILE)
    except FileNotFoundError:
        raise StoreError(f"{where} is missing; run the build again") from None
    table = from_parquet(data, where, "run the build again")
    for field in CLIPS_SCHEMA:
        if field.name not in table.column_names or table.schema.field(field.name).type != field.type:
            raise CorruptError(f"{where}: no column '{field.name}' of type {field.type}; run the build again")
    foreign = set(table["label"].unique().to_pylist()) - set(meta.labels)
    if foreign:
        raise CorruptError(f"{where}: label '{min(foreign)}' is not among the labels of {STORE_FILE}; run the build again")
    return table
