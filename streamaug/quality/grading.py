"""Grade the clips of one shard, in one worker: decode each clip and its original, and compare them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from threadpoolctl import threadpool_limits

from streamaug.codecs import Decoding, decode, decode_pyav
from streamaug.errors import CorruptError, StoreError
from streamaug.quality.pcm import at_48_khz
from streamaug.quality.peaq import peaq
from streamaug.quality.peaq.ear import RATE
from streamaug.quality.table import table_of
from streamaug.store import Index
from streamaug.store.folder import Folder


@dataclass(frozen=True, kw_only=True)
class Bitstream:
    """Where a clip's bytes are in a store and how they are decoded: the fields of its index row."""

    file: str
    decoding: Decoding
    offset: int
    size: int
    sha256: bytes
    delay: int
    samples: int


def bitstreams(index: Index, rows: Sequence[int] | np.ndarray) -> list[Bitstream]:
    """Rows of an index, as a worker needs them."""
    columns = {
        name: index.table[name].take(pa.array(rows)).to_pylist() for name in ("shard", "offset", "size", "sha256", "delay", "samples")
    }
    meta = index.meta
    return [
        Bitstream(
            file=f"{meta.condition}/{meta.shards[shard].name}",
            decoding=meta.decoding,
            offset=offset,
            size=size,
            sha256=sha256,
            delay=delay,
            samples=samples,
        )
        for shard, offset, size, sha256, delay, samples in zip(*columns.values(), strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class Task:
    """Clips to grade.

    Args:
        folder: Folder of the store.
        rate: Sample rate of the store in Hz.
        clip_ids: Names of the clips.
        references: The originals, in the same order.
        tests: The coded clips, in the same order.
    """

    folder: Folder
    rate: int
    clip_ids: tuple[str, ...]
    references: tuple[Bitstream, ...]
    tests: tuple[Bitstream, ...]


def grade(task: Task) -> pa.Table:
    """Grade a task's clips on one core.

    Args:
        task: Clips to grade.

    Returns:
        A table of QUALITY_SCHEMA.

    Raises:
        CorruptError: A bitstream does not match its index, or cannot be decoded.
        StoreError: A shard no longer exists.
        FetchError: The store cannot be reached.
    """
    with threadpool_limits(1):
        graded = []
        for clip_id, reference, test in zip(task.clip_ids, task.references, task.tests, strict=True):
            graded.append(peaq(_signal(task, clip_id, reference), _signal(task, clip_id, test), RATE))
    return table_of(task.clip_ids, graded)


def _signal(task: Task, clip_id: str, bitstream: Bitstream) -> np.ndarray:
    """A decoded clip in PEAQ's format."""
    source = f"{task.folder.url}/{bitstream.file}: clip '{clip_id}'"
    try:
        payload = task.folder.read_range(bitstream.file, bitstream.offset, bitstream.offset + bitstream.size)
    except FileNotFoundError:
        raise StoreError(
            f"{source}: the shard no longer exists, because the condition was rebuilt or removed; run the command again"
        ) from None
    if hashlib.sha256(payload).digest() != bitstream.sha256:
        raise CorruptError(f"{source}: the bitstream does not match its sha256 in the index; run 'streamaug verify {task.folder.url}'")
    try:
        # The same decoder on every machine; it does not need torch, which each worker would have to
        # load.
        signal = decode(
            payload, decoding=bitstream.decoding, rate=task.rate, delay=bitstream.delay, samples=bitstream.samples, decoder=decode_pyav
        )
    except CorruptError as error:
        raise CorruptError(f"{source}: {error}") from error
    return at_48_khz(signal, task.rate)
