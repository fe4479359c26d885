"""What can be said of a store without opening a shard: clips table and indexes held against each other, pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.conditions import Condition
from streamaug.store.format import CLIPS_FILE, FORMAT, INDEX_FILE, StoreMeta, settings_hash, shard_number
from streamaug.store.index import Index
from streamaug.verifying.findings import Finding, named

_AGAIN = "build the condition again with 'streamaug build --replace'"


def check_clips(meta: StoreMeta, clips: pa.Table) -> Iterator[Finding]:
    """The clips table by itself."""
    ids = clips["clip_id"].to_pylist()
    if any(before >= after for before, after in pairwise(ids)):
        yield Finding(message=f"{CLIPS_FILE}: clips are out of the order of their ids, or stand in it twice; run the build again")
    if meta.shard_by not in clips.column_names:
        yield Finding(message=f"{CLIPS_FILE}: no column '{meta.shard_by}', by which the store is cut; run the build again")
        return
    values: Mapping[int, set[object]] = defaultdict(set)
    for shard, value in zip(clips["shard"].to_pylist(), clips[meta.shard_by].to_pylist(), strict=True):
        values[shard].add(value)
    for shard in sorted(shard for shard in values if len(values[shard]) > 1):
        mixed = ", ".join(sorted(map(str, values[shard])))
        yield Finding(message=f"{CLIPS_FILE}: shard {shard} mixes values of '{meta.shard_by}' ({mixed}); build the store again")


def check_index(index: Index, clips: pa.Table, rate: int) -> Iterator[Finding]:
    """An index by itself and against the clips table; rate: the store's.

    A condition may hold only some of the clips: only some shards, or, behind an effect that takes only some clips, only
    some of a shard's.
    """
    meta, table = index.meta, index.table
    condition = Condition.parse(meta.condition)
    ids = np.array(table["clip_id"].to_pylist(), object)

    def finding(message: str, remedy: str = _AGAIN) -> Finding:
        return Finding(condition=meta.condition, message=f"{INDEX_FILE} {message}; {remedy}")

    def refuse(wrong: np.ndarray, message: str) -> Iterator[Finding]:
        if wrong.any():
            yield finding(f"{message}: {named(ids[wrong].tolist())}")

    if meta.format != FORMAT:
        yield finding(f"has format {meta.format}, this streamaug reads {FORMAT}")
    told = [step.step for step in meta.steps if step.adapter != "soundfile"]
    if told != [str(step) for step in condition.steps]:
        yield finding(f"tells of the steps {'+'.join(told) or 'of an original'}")
    if meta.settings != settings_hash(meta.steps):
        yield finding(f"has the settings {meta.settings}, but its steps make {settings_hash(meta.steps)}")
    foreign = [info.name for info in meta.shards if not info.name.startswith(meta.settings)]
    if foreign:
        yield finding(f"names a shard of other settings, {foreign[0]}")
    numbers = np.array([shard_number(info.name) for info in meta.shards], np.int64)
    if len(set(numbers.tolist())) < len(numbers):
        yield finding("names a shard twice")

    shard, offset = index.column("shard"), index.column("offset")
    behind = shard[1:] == shard[:-1]
    disordered = np.append(False, behind & ((ids[1:] <= ids[:-1]) | (offset[1:] <= offset[:-1])))[: len(ids)].astype(bool)
    yield from refuse(disordered, "has clips out of their order in the shard")
    yield from refuse(index.column("delay") != index.column("delay")[:1], "tells of more than one delay")
    kbps = index.column("size") * 8 * rate / index.column("samples") / 1000
    yield from refuse(~np.isclose(index.column("kbps"), kbps, rtol=1e-6), "tells of another bitrate than size and length make")
    where = pc.index_in(table["clip_id"], clips["clip_id"])
    known = where.is_valid().to_numpy(zero_copy_only=False)
    yield from refuse(~known, f"has clips that {CLIPS_FILE} has not, as if it were of another build")
    rows = where.drop_null().to_numpy()
    for column, told_here in (("samples", index.column("samples")), ("shard", numbers[shard])):
        wrong = np.zeros(len(ids), bool)
        wrong[known] = clips[column].to_numpy()[rows] != told_here[known]
        yield from refuse(wrong, f"has another {column} than {CLIPS_FILE}, as if it were of another build")
    if all(step.is_codec for step in condition.steps):
        held = np.isin(clips["shard"].to_numpy(), numbers)
        lacking = held & ~pc.is_in(clips["clip_id"], table["clip_id"].combine_chunks()).to_numpy()
        if lacking.any():
            yield finding(f"lacks clips of its shards: {named(clips['clip_id'].filter(pa.array(lacking)).to_pylist())}")
