"""Names of a store's files and schemas of its tables. shards/README.md describes them in prose."""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Annotated, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from streamaug.codecs.base import Decoding

FORMAT = 2
STORE_FILE = "store.json"
SNAPSHOTS = "snapshots"
"""Folder of all manifests that were published and not pruned."""

DIGEST = r"[0-9a-f]{16}"
"""The start of a sha256 in the name of a file that never changes."""

CLIPS_NAME = re.compile(rf"clips-{DIGEST}\.parquet")
INDEX_NAME = re.compile(rf"index-{DIGEST}\.parquet")
SHARD_NAME = re.compile(rf"[0-9a-f]{{8}}-{DIGEST}\.tar")
SNAPSHOT_NAME = re.compile(rf"{DIGEST}\.json")
ROW_GROUP = 64_000
"""Rows per row group of an index."""

MAX_PAYLOAD = 1 << 30
"""Largest bitstream of one clip in bytes; a larger size in an index counts as damage and is not
read."""

Target = Literal["label", "labels", "target"]
"""The column of the clips table with what a model learns: one class per clip, several classes, or a
number. A store has one of them, or none."""

TARGET_FIELDS: dict[Target, pa.Field] = {
    "label": pa.field("label", pa.string(), nullable=False),
    "labels": pa.field("labels", pa.list_(pa.string()), nullable=False),
    "target": pa.field("target", pa.float64(), nullable=False),
}

_BEFORE = [pa.field("clip_id", pa.string(), nullable=False)]
_AFTER = [
    pa.field("split", pa.string()),
    pa.field("group", pa.string()),
    pa.field("shard", pa.int32(), nullable=False),
    pa.field("samples", pa.int64(), nullable=False),
    pa.field("depth", pa.int8(), nullable=False),
    pa.field("sha256", pa.binary(32), nullable=False),
]


def clips_schema(target: Target | None) -> pa.Schema:
    """Columns that every clips table of a kind of store has, followed by the data set's own.

    `shard` is the shard's number in every condition, `samples` the length at the store's rate,
    `depth` the bits per sample, `sha256` that of the PCM in `original`.

    Args:
        target: The column with what a model learns; None if there is none.

    >>> clips_schema("label").names[:3], clips_schema(None).names[:2]
    (['clip_id', 'label', 'split'], ['clip_id', 'split'])
    """
    return pa.schema([*_BEFORE, *([] if target is None else [TARGET_FIELDS[target]]), *_AFTER])


INDEX_SCHEMA = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("shard", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("size", pa.int64(), nullable=False),
        pa.field("sha256", pa.binary(32), nullable=False),
        pa.field("delay", pa.int32(), nullable=False),
        pa.field("samples", pa.int64(), nullable=False),
        pa.field("kbps", pa.float32(), nullable=False),
    ]
)
"""`shard` is the shard's position in the footer; `offset` and `size` locate the bitstream in the
tar, in bytes; `delay` is what the codec adds at the start and `samples` the clip's length, both in
samples at the store's rate; `kbps` is measured."""


Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Strict(BaseModel):
    """Data from a file that may be damaged or hostile: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def first_problem(error: ValidationError) -> str:
    """What is wrong with a file, in one line: the first of what pydantic found.

    Args:
        error: From a model.
    """
    first = error.errors(include_url=False)[0]
    key = ".".join(map(str, first["loc"]))
    return f"{key}: {first['msg']}" if key else str(first["msg"])


class CodingStep(Strict):
    """How one step of a chain was carried out.

    Args:
        step: The step as spelt in the condition.
        adapter: What called the encoder (`pyav`, `fdkaac`, `ffmpeg`), or `effect`.
        encoder: The program or effect.
        version: Its version.
        rate: Sample rate of its input in Hz.
        arguments: Its arguments, in its own terms.
    """

    step: str
    adapter: str
    encoder: str
    version: str
    rate: int
    arguments: dict[str, str]


def settings_hash(steps: Iterable[CodingStep]) -> str:
    """Eight hex digits of the hash of steps, encoder versions and arguments; names of shards begin
    with them."""
    text = json.dumps([step.model_dump() for step in steps], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


class ShardInfo(Strict):
    """One shard of a condition.

    Args:
        name: File name of the tar.
        number: The shard's number in the clips table.
        bytes: Size of the tar.
        sha256: Hash of the tar, in hex.
    """

    name: Annotated[str, StringConstraints(pattern=rf"^{SHARD_NAME.pattern}$")]
    number: Annotated[int, Field(ge=0, lt=1 << 31)]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


def shard_name(settings: str, sha256: str) -> str:
    """Name of a shard that was built with some settings: other bytes have another name, so that no
    build ever changes a shard that somebody reads.

    Args:
        settings: `settings_hash` of the condition's steps.
        sha256: Hash of the tar, in hex.

    >>> shard_name("0123abcd", 4 * "0123456789abcdef")
    '0123abcd-0123456789abcdef.tar'
    """
    return f"{settings}-{sha256[:16]}.tar"


class IndexMeta(Strict):
    """The footer of an index.

    Args:
        format: Version of the store's format.
        condition: Name of the condition.
        settings: `settings_hash` of the steps.
        extension: File extension of the bitstreams in the tars.
        decoding: What decodes the bitstreams.
        steps: How each step of the condition was carried out.
        shards: The tars, in the order of the index's rows.
    """

    format: Annotated[int, Field(ge=1)]
    condition: str
    settings: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
    extension: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+$")]
    decoding: Decoding
    steps: tuple[CodingStep, ...]
    shards: tuple[ShardInfo, ...]

    def to_json(self) -> str:
        """The footer as it is written; one channel is not mentioned."""
        return self.model_dump_json(exclude_defaults=True)
