"""The store's format: names of its files and the schemas of its tables. shards/README.md says it in prose."""

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
"""Rows a row group of an index."""

MAX_PAYLOAD = 1 << 30
"""Bytes that one clip's bitstream may have; a larger size in an index is taken for damage, not read."""

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
"""Columns that every clips table has, ahead of the data set's own: `shard` is the shard's number in every condition,
`samples` counts samples at the store's rate, `depth` is bits a sample, `sha256` that of the PCM as `original` holds it."""

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
"""`shard` counts the shards in the footer; `offset` and `size` give the bitstream's bytes in the tar; `delay` is the
delay and `samples` the length, both in samples at the store's rate; `kbps` is measured."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StoreMeta(_Strict):
    """What store.json holds.

    labels: in the order of their class numbers. rate: samples a second. shard_by: no shard mixes two values of this column.
    """

    format: Annotated[int, Field(ge=1)]
    name: str
    labels: tuple[str, ...]
    rate: Annotated[int, Field(ge=1_000, le=768_000)]
    shard_by: str


class CodingStep(_Strict):
    """How one step of a chain was carried out.

    step: as spelt in the condition. adapter: what called the encoder (`pyav`, `fdkaac`, `ffmpeg`), or `effect`.
    rate: samples a second the encoder was fed with. arguments: in the encoder's own terms.
    """

    step: str
    adapter: str
    encoder: str
    version: str
    rate: int
    arguments: dict[str, str]


def settings_hash(steps: Iterable[CodingStep]) -> str:
    """8 characters of the hash of chain, encoder versions and arguments: the start of the shards' names."""
    told = json.dumps([step.model_dump() for step in steps], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:8]


class ShardInfo(_Strict):
    name: Annotated[str, StringConstraints(pattern=rf"^{SHARD_NAME.pattern}$")]
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def shard_number(name: str) -> int:
    """The number in a shard's name.

    >>> shard_number("0123abcd-000002.tar")
    2
    """
    match = SHARD_NAME.fullmatch(name)
    assert match is not None, "the schema of the footer lets no other name pass"
    return int(match["number"])


class IndexMeta(_Strict):
    """The footer of an index.

    settings: 8 characters of the hash of chain, encoder versions and arguments. extension: of the bitstreams' members.
    decoding: what decodes them.
    """

    format: Annotated[int, Field(ge=1)]
    condition: str
    settings: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]
    extension: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+$")]
    decoding: Decoding
    steps: tuple[CodingStep, ...]
    shards: tuple[ShardInfo, ...]
