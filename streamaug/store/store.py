"""Open a snapshot of a store: what it contains, each file read once and checked."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from streamaug.codecs.base import Audio
from streamaug.condition_names import split_link
from streamaug.conditions import Condition
from streamaug.errors import CorruptError, StoreError
from streamaug.hints import guessed
from streamaug.links import evaluation_key, find_link, lost_packets, open_links
from streamaug.splits import Split
from streamaug.store.alignment import Alignments
from streamaug.store.clips_table import check_columns, check_gaps
from streamaug.store.folder import Folder
from streamaug.store.index import Index
from streamaug.store.location import Location, read_clip, read_lossy
from streamaug.store.locations import BitstreamLocations
from streamaug.store.manifest import Manifest, read_manifest
from streamaug.store.parquet import from_parquet
from streamaug.store.targets import check_targets

if TYPE_CHECKING:
    from streamaug.store.dataset import ClipDataset

_GUESSED_FROM = 20_000
"""Clips up to which a misspelt clip_id is compared with all others, which takes 50 us per clip."""


@dataclass(frozen=True)
class Store:
    """One snapshot of a data set's shards at any path or fsspec URL, opened for reading.

    The manifest is read when the store is opened, the clips table and each index at their first
    use. Of an index that only plans and streams use, a few bytes per clip are kept. A build that
    ends later publishes another snapshot and leaves the files of this one alone, so that a store
    shows the same as long as it is open; `reopen()` gives the newest. A store can be pickled, and
    takes along what it has read.

    Args:
        folder: The store's folder.
        manifest: What the snapshot consists of.
    """

    folder: Folder
    manifest: Manifest

    @classmethod
    def open(cls, url: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None, *, snapshot: str | None = None) -> "Store":
        """Open the store at a path or URL.

        Args:
            url: Path or fsspec URL of the store.
            storage_options: Arguments of the fsspec file system, such as credentials.
            snapshot: Name of an earlier snapshot, as `streamaug log` lists them. Default: the
                current one.

        Raises:
            StoreError: There is no store or no such snapshot, or its format is another one.
            FetchError: It could not be read.
        """
        folder = Folder.at(url, storage_options)
        return cls(folder, read_manifest(folder, snapshot))

    def reopen(self, snapshot: str | None = None) -> "Store":
        """The same store as it is now, with nothing remembered.

        Args:
            snapshot: Name of an earlier snapshot. Default: the current one.

        Raises:
            StoreError: There is no such snapshot any more.
            FetchError: It could not be read.
        """
        return Store(self.folder, read_manifest(self.folder, snapshot))

    def unread(self) -> "Store":
        """The same snapshot with nothing read yet, which is small to pickle."""
        return Store(self.folder, self.manifest)

    @property
    def snapshot(self) -> str:
        """Name of the opened snapshot, 16 hex digits."""
        return self.manifest.snapshot

    @property
    def url(self) -> str:
        """The store's URL or path."""
        return self.folder.url

    @cached_property
    def clips(self) -> pa.Table:
        """One row per clip, ordered by clip_id: the columns of `clips_schema` and the data set's own.

        Raises:
            CorruptError: It is damaged or missing.
            FetchError: It could not be read.
        """
        return read_clips(self.folder, self.manifest)

    def clips_as_they_are(self) -> tuple[pa.Table, bool]:
        """The clips table even if its hash is not the published one, and whether it is not.

        Raises:
            CorruptError: The table is missing or not readable.
            FetchError: It could not be read.
        """
        try:
            return self.clips, False
        except CorruptError as error:
            where = f"{self.url}/{self.manifest.clips.file}"
            try:
                table = from_parquet(self.folder.read(self.manifest.clips.file), where, "copy the file again")
            except FileNotFoundError:
                raise error from None
            _check_table(table, self.manifest, where)
            return table, True

    @property
    def conditions(self) -> tuple[str, ...]:
        """The published conditions, `original` first, then by name: the manifest names them, and
        nothing is listed."""
        return tuple(self.manifest.conditions)

    @cached_property
    def _indexes(self) -> dict[str, Index]:
        return {}

    @cached_property
    def _locations(self) -> dict[str, BitstreamLocations]:
        return {}

    @cached_property
    def _alignments(self) -> Alignments:
        return Alignments(self.clips)

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
        name = self._known(condition)
        if name not in self._indexes:
            # Two threads may both read it; they get the same object.
            self._indexes.setdefault(name, self._read_index(name))
        return self._indexes[name]

    def locations(self, condition: str) -> BitstreamLocations:
        """Where the bitstreams of all clips in a condition are, in the order of the clips table;
        read at the first call.

        Args:
            condition: Name of the condition; perhaps with a link, which these locations then have.

        Raises:
            ConditionError: The name cannot be a condition's.
            StoreError: The store does not have the condition.
            LinkError: The condition's packets cannot be lost.
            CorruptError: The index or the clips table is damaged.
            FetchError: One of them could not be read.
        """
        stored, link = split_link(condition)
        if link:
            return self._with_link(stored, Condition.parse(condition).link)
        name = self._known(condition)
        if name not in self._locations:
            index = self._indexes.get(name)
            if index is None:
                index = self._read_index(name, self._alignments.distinct)
            self._locations.setdefault(name, BitstreamLocations.of(index, self._alignments.rows(index)))
        return self._locations[name]

    def _with_link(self, condition: str, link: str) -> BitstreamLocations:
        from streamaug.codecs.lossy import lossy_opener  # which loads FFmpeg's libraries

        locations = self.locations(condition)
        lossy_opener(locations.meta.decoding, locations.encoder)  # refuses what takes no link
        return replace(locations, link=link)

    def _known(self, condition: str) -> str:
        """The name of a condition of this store."""
        name = str(Condition.parse(condition))
        if name not in self.conditions:
            # Not left to the server, since some answer "access denied" for a file that does not
            # exist.
            raise StoreError(f"no condition '{name}' in store {self.url}. {self._condition_hint(name)}")
        return name

    def _read_index(self, name: str, distinct: Iterable[pa.ChunkedArray] = ()) -> Index:
        entry = self.manifest.conditions[name]
        path = f"{name}/{entry.file}"
        table = _read_table(self.folder, path, entry.sha256)
        index = Index.from_table(table, f"{self.url}/{path}", distinct)
        if index.meta.condition != name:
            raise CorruptError(f"{self.url}/{path}: is the index of another condition, '{index.meta.condition}'; rebuild it with --replace")
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
        return StoreError(f"{message}. {guess or f'The column clip_id of {self.manifest.clips.file} lists the clips'}")

    def read(self, condition: str, clip_id: str, *, links: Mapping[str, Any] | None = None) -> Audio:
        """The sound of a clip in a condition: sample-aligned with its original, at the store's
        rate.

        Args:
            condition: Name of the condition, such as `mp3_64`. On a link, such as
                `opus-voip_24~wifi@1`, the clip loses the packets that it loses in every evaluation.
            clip_id: The clip.
            links: The links that the condition may name, as a recipe has them: `{"loss10": {"loss": 0.1}}`.
                Default: presets alone.

        Returns:
            float32 samples of shape (samples,), of two channels (2, samples), nominally in [-1, 1], and
            their rate in Hz.

        Raises:
            StoreError: The store does not have the condition, or the condition does not have the
                clip.
            LinkError: The link is not defined, or the condition's packets cannot be lost.
            CorruptError: The bytes do not match the index, or cannot be decoded.
            FetchError: The bytes could not be read.
        """
        stored, name = split_link(condition)
        location, rate = self.location(stored, clip_id), self.manifest.rate
        if not name:
            return read_clip(self.folder, location, rate)
        link, encoder = find_link(Condition.parse(condition).link, open_links(links)), self.locations(condition).encoder
        return read_lossy(self.folder, location, rate, encoder, partial(lost_packets, link, evaluation_key(condition, clip_id)))

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
            Dictionaries with the features, `label`, `labels` or `target` if the store has it,
            `clip_id` and `condition`, in the order of the clips table.

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
        return ClipDataset(folder=self.folder, manifest=self.manifest, index=index, clips=clips, features=features)


def read_clips(folder: Folder, manifest: Manifest) -> pa.Table:
    """Read and check the clips table of a snapshot.

    Args:
        folder: The store.
        manifest: The snapshot's manifest.

    Raises:
        CorruptError: The table is damaged or missing, or does not fit the manifest.
        FetchError: It could not be read.
    """
    entry = manifest.clips
    where = f"{folder.url}/{entry.file}"
    table = _read_table(folder, entry.file, entry.sha256)
    _check_table(table, manifest, where)
    return table


def _check_table(table: pa.Table, manifest: Manifest, where: str) -> None:
    check_columns(table.schema, manifest.target, where)
    check_gaps(table, manifest.target, where)
    check_targets(table, manifest, where)


def _read_table(folder: Folder, path: str, sha256: str) -> pa.Table:
    """A table whose file must have the hash that the manifest gives."""
    where = f"{folder.url}/{path}"
    try:
        data = folder.read(path)
    except FileNotFoundError:
        raise CorruptError(f"{where} is missing, though the manifest names it; copy it again, or rebuild it with --replace") from None
    if hashlib.sha256(data).hexdigest() != sha256:
        raise CorruptError(
            f"{where}: does not match its sha256 in the manifest: it was changed or damaged; copy it again, or rebuild it with --replace"
        )
    return from_parquet(data, where, "copy it again, or rebuild it with --replace", is_verified=True)
