"""Compare the clips table and the indexes of a store with each other, without opening a shard."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.conditions import Condition
from streamaug.store.format import FORMAT, settings_hash
from streamaug.store.index import Index
from streamaug.store.manifest import Manifest
from streamaug.verifying.findings import Finding, named

_REBUILD = "rebuild the condition with 'streamaug build --replace'"


def check_clips(manifest: Manifest, clips: pa.Table) -> Iterator[Finding]:
    """Check the clips table by itself.

    Args:
        manifest: Manifest of the snapshot.
        clips: The clips table.
    """
    ids = clips["clip_id"].to_pylist()
    if any(before >= after for before, after in pairwise(ids)):
        yield Finding(message="clips table: clips are not in the order of their ids, or appear twice; rebuild the store")
    if manifest.shard_by not in clips.column_names:
        yield Finding(message=f"clips table: no column '{manifest.shard_by}', which the store is sharded by; rebuild the store")
        return
    values: Mapping[int, set[object]] = defaultdict(set)
    for shard, value in zip(clips["shard"].to_pylist(), clips[manifest.shard_by].to_pylist(), strict=True):
        values[shard].add(value)
    for shard in sorted(shard for shard in values if len(values[shard]) > 1):
        mixed = ", ".join(sorted(map(str, values[shard])))
        yield Finding(message=f"clips table: shard {shard} mixes values of '{manifest.shard_by}' ({mixed}); rebuild the store")


def check_index(index: Index, clips: pa.Table, manifest: Manifest) -> Iterator[Finding]:
    """Check an index by itself and against the clips table.

    A condition may contain only some of the clips: only some shards or, after an effect that
    applies only to some clips, only some clips of a shard.

    Args:
        index: The index.
        clips: The clips table.
        manifest: Manifest of the snapshot.
    """
    meta, table = index.meta, index.table
    condition = Condition.parse(meta.condition)
    ids = np.array(table["clip_id"].to_pylist(), object)

    def finding(message: str, remedy: str = _REBUILD) -> Finding:
        return Finding(condition=meta.condition, message=f"its index {message}; {remedy}")

    def refuse(wrong: np.ndarray, message: str) -> Iterator[Finding]:
        if wrong.any():
            yield finding(f"{message}: {named(ids[wrong].tolist())}")

    if meta.format != FORMAT:
        yield finding(f"has format {meta.format}, but this version reads format {FORMAT}")
    if meta.decoding.channels != manifest.channels:
        yield finding(f"has clips of {meta.decoding.channels} channels, but the store of {manifest.channels}")
    steps = [step.step for step in meta.steps if step.adapter != "soundfile"]
    if steps != [str(step) for step in condition.steps]:
        yield finding(f"has the steps {'+'.join(steps) or 'of an original'}")
    if meta.settings != settings_hash(meta.steps):
        yield finding(f"has the settings {meta.settings}, but its steps give {settings_hash(meta.steps)}")
    unrelated = [info.name for info in meta.shards if not info.name.startswith(meta.settings)]
    if unrelated:
        yield finding(f"names a shard with other settings, {unrelated[0]}")
    numbers = np.array([info.number for info in meta.shards], np.int64)
    if len(set(numbers.tolist())) < len(numbers):
        yield finding("names a shard twice")

    shard, offset = index.column("shard"), index.column("offset")
    same_shard = shard[1:] == shard[:-1]
    disordered = np.append(False, same_shard & ((ids[1:] <= ids[:-1]) | (offset[1:] <= offset[:-1])))[: len(ids)].astype(bool)
    yield from refuse(disordered, "has clips that are not in the order of their shard")
    yield from refuse(index.column("delay") != index.column("delay")[:1], "has more than one delay")
    kbps = index.column("size") * 8 * manifest.rate / index.column("samples") / 1000
    yield from refuse(~np.isclose(index.column("kbps"), kbps, rtol=1e-6), "has a bitrate that does not follow from size and length")
    matches = pc.index_in(table["clip_id"], clips["clip_id"])
    known = matches.is_valid().to_numpy(zero_copy_only=False)
    yield from refuse(~known, "has clips that are not in the clips table, as if it came from another build")
    rows = matches.drop_null().to_numpy()
    for column, values in (("samples", index.column("samples")), ("shard", numbers[shard])):
        wrong = np.zeros(len(ids), bool)
        wrong[known] = clips[column].to_numpy()[rows] != values[known]
        yield from refuse(wrong, f"and the clips table differ in {column}, as if it came from another build")
    if all(step.is_codec for step in condition.steps):
        in_shards = np.isin(clips["shard"].to_numpy(), numbers)
        lacking = in_shards & ~pc.is_in(clips["clip_id"], table["clip_id"].combine_chunks()).to_numpy()
        if lacking.any():
            yield finding(f"lacks clips of its shards: {named(clips['clip_id'].filter(pa.array(lacking)).to_pylist())}")
