"""Open a store: what it contains, each file read once and checked."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ValidationError

from streamaug.codecs import Audio
from streamaug.conditions import Condition
from streamaug.errors import CorruptError, StoreError
from streamaug.hints import guessed
from streamaug.splits import Split
from streamaug.store.folder import Folder
from streamaug.store.format import CLIPS_FILE, CLIPS_SCHEMA, FORMAT, INDEX_FILE, STORE_FILE, StoreMeta
from streamaug.store.index import Index
from streamaug.store.location import Location, read_clip
from streamaug.store.parquet import from_parquet

if TYPE_CHECKING:
    from streamaug.store.dataset import ClipDataset

_GUESSED_FROM = 20_000
"""Clips up to which a misspelt clip_id is compared with all others, which takes 50 us per clip."""


class _AnyFormat(BaseModel):
    """What store.json has in every format."""

    format: int


@dataclass(frozen=True)
class Store:
    """The shards of one data set at any path or fsspec URL, opened for reading.

    store.json is read when the store is opened, the clips table and each index at their first use;
    all are then remembered: what a build changes later appears after `reopen()` only. A store can
    be pickled, and takes along what it has read.

    Args:
        folder: The store's folder.
        meta: Content of store.json.
    """

    folder: Folder
    meta: StoreMeta

    @classmethod
    def open(cls, url: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None) -> "Store":
        """Open the store at a path or URL.

        Args:
            url: Path or fsspec URL of the store.
            storage_options: Arguments of the fsspec file system, such as credentials.

        Raises:
            StoreError: There is no store, or its format is another one.
            FetchError: It could not be read.
        """
        folder = Folder.at(url, storage_options)
        return cls(folder, read_meta(folder))

    def reopen(self) -> "Store":
        """The same store as it is now, with nothing remembered. Raises StoreError, FetchError."""
        return Store(self.folder, read_meta(self.folder))

    @property
    def url(self) -> str:
        """The store's URL or path."""
        return self.folder.url

    @cached_property
    def clips(self) -> pa.Table:
        """One row per clip, ordered by clip_id: CLIPS_SCHEMA and the data set's own columns.

        Raises:
            StoreError: The table does not exist.
            CorruptError: It is damaged.
        """
        return read_clips(self.folder, self.meta)

    @property
    def conditions(self) -> tuple[str, ...]:
        """The published conditions, `original` first, then by name: store.json names them, and
        nothing is listed."""
        return self.meta.conditions

    @cached_property
    def _indexes(self) -> dict[str, Index]:
        return {}

    def index(self, condition: str) -> Index:
        """The index of a condition, read at the first call.

        Args:
            condition: Name of the condition.

        Raises:
            ConditionError: The name cannot be a condition's.
            StoreError: The store does not have the condition.
            CorruptError: The index is damaged.
            FetchError: It could not be read.
        """
        name = str(Condition.parse(condition))
        if name not in self.conditions:
            # Not left to the server, since some answer "access denied" for a file that does not
            # exist.
            raise StoreError(f"no condition '{name}' in store {self.url}. {self._condition_hint(name)}")
        if name not in self._indexes:
            # Two threads may both read it; they get the same object.
            self._indexes.setdefault(name, self._read_index(name))
        return self._indexes[name]

    def _read_index(self, name: str) -> Index:
        where = f"{self.url}/{name}/{INDEX_FILE}"
        try:
            data = self.folder.read(f"{name}/{INDEX_FILE}")
        except FileNotFoundError:
            raise CorruptError(
                f"{where} is missing, though {STORE_FILE} names the condition; copy it again, or build the condition again"
            ) from None
        index = Index.from_bytes(data, where)
        if index.meta.condition != name:
            raise CorruptError(f"{where}: is the index of another condition, '{index.meta.condition}'; rebuild it with --replace")
        return index

    def _condition_hint(self, name: str) -> str:
        if guess := guessed(name, self.conditions):
            return guess
        present = ", ".join(self.conditions) or "no condition"
        return f"It has {present}; add it with 'streamaug build CLIPS.csv {self.url} --conditions {name}'"

    def location(self, condition: str, clip_id: str) -> Location:
        """Where the bitstream of a clip in a condition is.

        Args:
            condition: Name of the condition.
            clip_id: The clip.

        Raises:
            StoreError: The store does not have the condition, or the condition does not have the
                clip.
            CorruptError: The index is damaged.
            FetchError: The index could not be read.
        """
        index = self.index(condition)
        location = index.location(clip_id)
        if location is None:
            raise self._clip_error(index, clip_id)
        return location

    def _clip_error(self, index: Index, clip_id: str) -> StoreError:
        message = f"no clip '{clip_id}' in condition '{index.meta.condition}' of store {self.url}"
        ids = self.clips["clip_id"].to_pylist()
        if clip_id in ids:
            return StoreError(f"{message}, which has {len(index)} of the store's {len(ids)} clips; choose another clip or condition")
        guess = guessed(clip_id, ids) if len(ids) <= _GUESSED_FROM else ""
        return StoreError(f"{message}. {guess or f'The column clip_id of {CLIPS_FILE} lists the clips'}")

    def read(self, condition: str, clip_id: str) -> Audio:
        """The sound of a clip in a condition: sample-aligned with its original, at the store's
        rate.

        Args:
            condition: Name of the condition, such as `mp3_64`.
            clip_id: The clip.

        Returns:
            float32 samples of shape (samples,), nominally in [-1, 1], and their rate in Hz.

        Raises:
            StoreError: The store does not have the condition, or the condition does not have the
                clip.
            CorruptError: The bytes do not match the index, or cannot be decoded.
            FetchError: The bytes could not be read.
        """
        return read_clip(self.folder, self.location(condition, clip_id), self.meta.rate)

    def dataset(self, condition: str, split: str | None = None, *, features: Any = "waveform") -> "ClipDataset":
        """The clips of a split in one condition as a map-style `torch.utils.data.Dataset`, for
        programs that index.

        `Stream` is faster, resumes exactly and mixes conditions; this is for what needs a clip by
        its number, such as samplers, notebooks and other libraries. It needs torch.

        Args:
            condition: Name of the condition, such as `mp3_64`.
            split: `train`, or a choice on any column such as `fold=1,2`. Default: all clips of the
                condition.
            features: What to compute of each clip, as for `Stream`. Default: `waveform`.

        Returns:
            Dictionaries with the features, `label`, `clip_id` and `condition`, in the order of the
            clips table.

        Raises:
            StoreError: The store does not have the condition, or the condition has no clip of the
                split.
            FeatureError: A feature is unknown, or does not fit the clips.
            CorruptError: The index is damaged.
            FetchError: It could not be read.
        """
        from streamaug.store.dataset import ClipDataset  # which imports torch

        index = self.index(condition)
        clips = self.clips if split is None else self.clips.take(pa.array(Split.parse(split).rows(self.clips)))
        clips = clips.filter(pc.is_in(clips["clip_id"], index.table["clip_id"].combine_chunks()))
        return ClipDataset(folder=self.folder, meta=self.meta, index=index, clips=clips, features=features)


def read_meta(folder: Folder) -> StoreMeta:
    """Read and check store.json.

    Raises:
        StoreError: The folder is not a store, or one of another format.
        FetchError: The file could not be read.
    """
    try:
        data = folder.read(STORE_FILE)
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(
            f"{folder.url} is not a store: it has no {STORE_FILE}; create one with 'streamaug build CLIPS.csv {folder.url}'"
        ) from None
    where = f"{folder.url}/{STORE_FILE}"
    try:
        version = _AnyFormat.model_validate_json(data).format
        if version != FORMAT:
            remedy = "upgrade streamaug" if version > FORMAT else "rebuild the store"
            raise StoreError(f"{where}: format {version}, but this version reads format {FORMAT}; {remedy}")
        return StoreMeta.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise StoreError(f"{where}: {f'{key}: ' if key else ''}{first['msg']}; copy the file again, or rebuild the store") from error


def read_clips(folder: Folder, meta: StoreMeta) -> pa.Table:
    """Read and check clips.parquet.

    Raises:
        StoreError: The file does not exist.
        CorruptError: It is damaged, or does not fit store.json.
        FetchError: It could not be read.
    """
    where = f"{folder.url}/{CLIPS_FILE}"
    try:
        data = folder.read(CLIPS_FILE)
    except FileNotFoundError:
        raise StoreError(f"{where} is missing; run the build again") from None
    table = from_parquet(data, where, "run the build again")
    for field in CLIPS_SCHEMA:
        if field.name not in table.column_names or table.schema.field(field.name).type != field.type:
            raise CorruptError(f"{where}: no column '{field.name}' of type {field.type}; run the build again")
    unknown = set(table["label"].unique().to_pylist()) - set(meta.labels)
    if unknown:
        raise CorruptError(f"{where}: label '{min(unknown)}' is not one of the labels in {STORE_FILE}; run the build again")
    return table
