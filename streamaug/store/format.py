"""Names of a store's files and schemas of its tables. shards/README.md describes them in prose."""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Annotated

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from streamaug.codecs.base import Decoding

FORMAT = 2
STORE_FILE = "store.json"
CLIPS_FILE = "clips.parquet"
INDEX_FILE = "index.parquet"
SHARD_NAME = re.compile(r"(?P<settings>[0-9a-f]{8})-(?P<number>[0-9]{6})\.tar")
ROW_GROUP = 64_000
"""Rows per row group of an index."""

MAX_PAYLOAD = 1 << 30
"""Largest bitstream of one clip in bytes; a larger size in an index counts as damage and is not
read."""

CLIPS_SCHEMA = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("split", pa.string()),
        pa.field("group", pa.string()),
        pa.field("shard", pa.int32(), nullable=False),
        pa.field("samples", pa.int64(), nullable=False),
        pa.field("depth", pa.int8(), nullable=False),
        pa.field("sha256", pa.binary(32), nullable=False),
    ]
)
"""Columns that every clips table has, followed by the data set's own. `shard` is the shard's number
in every condition, `samples` the length at the store's rate, `depth` the bits per sample, `sha256`
that of the PCM in `original`."""

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


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoreMeta(_Strict):
    """Content of store.json.

    Args:
        format: Version of the store's format.
        name: Name of the data set.
        labels: Class names, in the order of their numbers.
        rate: Sample rate of all clips in Hz.
        shard_by: Column of the clips table; each shard has clips of one value.
        conditions: The published conditions, `original` first, then by name.
    """

    format: Annotated[int, Field(ge=1)]
    name: str
    labels: tuple[str, ...]
    rate: Annotated[int, Field(ge=1_000, le=768_000)]
    shard_by: str
    conditions: tuple[str, ...]

    def with_conditions(self, names: Iterable[str]) -> "StoreMeta":
        """The same with these published conditions, in their order and once each."""
        return self.model_copy(update={"conditions": tuple(sorted(set(names), key=lambda name: (name != "original", name)))})


class CodingStep(_Strict):
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


class ShardInfo(_Strict):
    """One shard of a condition.

    Args:
        name: File name of the tar.
        bytes: Size of the tar.
        sha256: Hash of the tar, in hex.
    """

    name: Annotated[str, StringConstraints(pattern=rf"^{SHARD_NAME.pattern}$")]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def shard_number(name: str) -> int:
    """The number in a shard's name.

    >>> shard_number("0123abcd-000002.tar")
    2
    """
    match = SHARD_NAME.fullmatch(name)
    assert match is not None, "the schema of the footer accepts no other name"
    return int(match["number"])


class IndexMeta(_Strict):
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
