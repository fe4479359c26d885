"""The manifest of a snapshot: what a store consists of, in one small file.

`store.json` is the manifest of the current snapshot. Every file that a manifest names has the
digest of its content in its name and never changes, so that a reader who holds a manifest sees the
same store until its files are pruned.
"""

import hashlib
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, StringConstraints, ValidationError, field_validator, model_validator

from streamaug.conditions import Condition
from streamaug.errors import CorruptError, StoreError
from streamaug.store.folder import Folder
from streamaug.store.format import (
    CLIPS_NAME,
    DIGEST,
    FORMAT,
    INDEX_NAME,
    SNAPSHOT_NAME,
    SNAPSHOTS,
    STORE_FILE,
    Sha256,
    Strict,
    Target,
    first_problem,
)

_CHANGES = ("name", "target", "labels", "rate", "channels", "samples", "shard_by", "clips", "conditions")
"""What a build can change; a manifest with the same of all these is the same snapshot."""


class ClipsFile(Strict):
    """The clips table of a snapshot.

    Args:
        file: Its name in the store's folder.
        sha256: Hash of the file, in hex.
        clips: Number of its rows.
    """

    file: Annotated[str, StringConstraints(pattern=rf"^{CLIPS_NAME.pattern}$")]
    sha256: Sha256
    clips: Annotated[int, Field(ge=1)]


class IndexFile(Strict):
    """The index of a condition in a snapshot.

    Args:
        file: Its name in the condition's folder.
        sha256: Hash of the file, in hex.
        clips: Number of its rows.
        settings: `settings_hash` of the condition's steps.
    """

    file: Annotated[str, StringConstraints(pattern=rf"^{INDEX_NAME.pattern}$")]
    sha256: Sha256
    clips: Annotated[int, Field(ge=0)]
    settings: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]


class Manifest(Strict):
    """Content of store.json.

    Args:
        format: Version of the store's format.
        name: Name of the data set.
        target: Column of the clips table with what a model learns: `label`, one class per clip;
            `labels`, several; `target`, a number; None, nothing.
        labels: Class names, in the order of their numbers; empty if clips have no classes.
        rate: Sample rate of all clips in Hz.
        channels: Channels of all clips.
        samples: Length that all clips were cut or padded to, at that rate; None: each has its own.
        shard_by: Column of the clips table; each shard has clips of one value.
        clips: The clips table.
        conditions: The index of each condition, `original` first, then by name.
        created: When the snapshot was published, in UTC.
        build: A random name of the build that published it, so that no two manifests are the same.
        parent: The snapshot before; None for the first one.
    """

    format: Annotated[int, Field(ge=1)] = FORMAT
    name: str
    target: Target | None = "label"
    labels: tuple[str, ...]
    rate: Annotated[int, Field(ge=1_000, le=768_000)]
    channels: Annotated[int, Field(ge=1, le=2)] = 1
    samples: Annotated[int, Field(ge=1)] | None = None
    shard_by: str
    clips: ClipsFile
    conditions: dict[str, IndexFile]
    created: datetime = Field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    build: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")] = Field(default_factory=lambda: uuid.uuid4().hex[:12])
    parent: Annotated[str, StringConstraints(pattern=rf"^{DIGEST}$")] | None = None

    @field_validator("labels")
    @classmethod
    def _once_each(cls, labels: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(labels)) < len(labels):
            raise ValueError("a label appears twice, so that its class has two numbers")
        return labels

    @model_validator(mode="after")
    def _labels_of_classes(self) -> Self:
        if self.labels and self.target not in ("label", "labels"):
            raise ValueError("there are labels, but no column of the clips table for them")
        return self

    @field_validator("conditions")
    @classmethod
    def _in_order(cls, conditions: Mapping[str, IndexFile]) -> dict[str, IndexFile]:
        if not conditions:
            raise ValueError("there is no condition")
        for name in conditions:
            if str(Condition.parse(name).stored) != name:
                raise ValueError(f"'{name}' is not the name of a condition")
        return {name: conditions[name] for name in sorted(conditions, key=lambda name: (name != "original", name))}

    def to_bytes(self) -> bytes:
        """The file: JSON, the same bytes for the same manifest."""
        return (self.model_dump_json(indent=2) + "\n").encode()

    @cached_property
    def snapshot(self) -> str:
        """Names the snapshot: 16 hex digits of the manifest's sha256."""
        return hashlib.sha256(self.to_bytes()).hexdigest()[:16]

    def changed(self, **fields: Any) -> "Manifest":
        """The manifest of the next snapshot, or this one if nothing changes.

        Args:
            fields: What is to have another value.
        """
        values = {name: getattr(self, name) for name in _CHANGES} | fields
        new = Manifest(**values, parent=self.snapshot)
        return self if self.same_content(new) else new

    def same_content(self, other: "Manifest") -> bool:
        """Whether another snapshot has the same clips, labels and conditions."""
        return not self.differences(other)

    def differences(self, other: "Manifest") -> list[str]:
        """Names of the fields whose content is not the same in another manifest."""
        return [name for name in _CHANGES if getattr(self, name) != getattr(other, name)]


class _AnyFormat(BaseModel):
    """What store.json has in every format."""

    format: int


def snapshot_path(snapshot: str) -> str:
    """Path of a snapshot's manifest in its store."""
    return f"{SNAPSHOTS}/{snapshot}.json"


def read_manifest(folder: Folder, snapshot: str | None = None) -> Manifest:
    """Read and check the manifest of a snapshot.

    Args:
        folder: The store.
        snapshot: Name of the snapshot. Default: the current one.

    Raises:
        StoreError: The folder is not a store, is one of another format, or does not have the
            snapshot.
        CorruptError: The manifest of an earlier snapshot was changed.
        FetchError: The file could not be read.
    """
    if snapshot is None:
        try:
            return parse_manifest(folder.read(STORE_FILE), f"{folder.url}/{STORE_FILE}")
        except (FileNotFoundError, NotADirectoryError):
            raise StoreError(
                f"{folder.url} is not a store: it has no {STORE_FILE}; create one with 'streamaug build CLIPS.csv {folder.url}'"
            ) from None
    path = snapshot_path(snapshot)
    if not SNAPSHOT_NAME.fullmatch(f"{snapshot}.json"):
        raise StoreError(f"'{snapshot}' is not the name of a snapshot, which has 16 hex digits; 'streamaug log {folder.url}' lists them")
    try:
        manifest = parse_manifest(folder.read(path), f"{folder.url}/{path}")
    except FileNotFoundError:
        raise StoreError(
            f"{folder.url} has no snapshot '{snapshot}' any more: it was pruned, or is of another store; "
            f"'streamaug log {folder.url}' lists those that it has"
        ) from None
    if manifest.snapshot != snapshot:
        raise CorruptError(f"{folder.url}/{path}: was changed after it was published; copy the file again")
    return manifest


def parse_manifest(data: bytes, where: str) -> Manifest:
    """A manifest from a file that may be damaged or hostile.

    Args:
        data: The file.
        where: Names the file in errors.

    Raises:
        StoreError: The file is not a manifest, or of another format.
    """
    try:
        version = _AnyFormat.model_validate_json(data).format
        if version != FORMAT:
            remedy = "upgrade streamaug" if version > FORMAT else "rebuild the store"
            raise StoreError(f"{where}: format {version}, but this version reads format {FORMAT}; {remedy}")
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise StoreError(f"{where}: {first_problem(error)}; copy the file again, or rebuild the store") from error
    for key in ("created", "build"):  # made anew for a manifest without them, which then had another name at each opening
        if key not in manifest.model_fields_set:
            raise StoreError(f"{where}: {key}: Field required; copy the file again, or rebuild the store")
    return manifest


def content_name(kind: str, data: bytes) -> tuple[str, str]:
    """Name and sha256 of an immutable table.

    Args:
        kind: `clips` or `index`.
        data: The Parquet file.

    >>> content_name("index", b"")[0]
    'index-e3b0c44298fc1c14.parquet'
    """
    sha256 = hashlib.sha256(data).hexdigest()
    return f"{kind}-{sha256[:16]}.parquet", sha256
