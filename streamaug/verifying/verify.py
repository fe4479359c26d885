"""Verifying a store: every file in it held against every other, and on request every clip listened to.

Without decoding: clips table and indexes against each other; each shard's bytes, sha256, headers, order and end; each
clip's bitstream and JSON against the index; shards that no index names.

With decoding also, for every clip: that it decodes to its length; that an original's samples are those whose sha256 the
clips table keeps; that a coded clip lies on what was coded, to the sample. What was coded is the original, behind
effects the condition that ends with the last of them (`pitch` for `pitch+mp3_64`). Where that is not in the store, or
has nothing below 3 kHz to go by, there is nothing to lie on, and the length alone is checked.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from streamaug.conditions import Condition
from streamaug.errors import ConditionError, CorruptError, StoreError
from streamaug.executors import pool, results
from streamaug.progress import Progress, Silent
from streamaug.store.format import INDEX_FILE, SHARD_NAME, shard_number
from streamaug.store.index import Index
from streamaug.store.store import Store
from streamaug.verifying.findings import Finding
from streamaug.verifying.verify_shard import Piece, Verified, VerifyTask, reference_of, verify_shards
from streamaug.verifying.verify_tables import check_clips, check_index


@dataclass(frozen=True, kw_only=True)
class Report:
    """What verifying found. indexes: of the conditions looked at; findings: in the order of conditions and shards."""

    indexes: Mapping[str, Index]
    findings: tuple[Finding, ...]


def verify(
    store: Store,
    conditions: Sequence[Condition] | None = None,
    *,
    decode: bool = False,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Report:
    """Hold a store's files against each other; what is checked stands at the head of this file.

    conditions: to look at, default all; to listen, those that they must lie on are looked at, too. decode: listen to every clip.
    workers: processes, default one a core.

    Raises StoreError where the store has no such condition, FetchError where a remote store cannot be reached, CorruptError
    where the clips table itself is unreadable. Everything else that is wrong is in the report.
    """
    progress = progress or Silent()
    findings = list(check_clips(store.meta, store.clips))
    names = _conditions(store, conditions, decode=decode)
    indexes: dict[str, Index] = {}
    for name in names:
        there = store.folder.names(name)
        if INDEX_FILE not in there and any(map(SHARD_NAME.fullmatch, there)):
            message = f"shards without {INDEX_FILE}: a build that was stopped, or is under way; run it again"
            findings.append(Finding(condition=name, message=message))
            continue
        try:
            indexes[name] = store.index(name)
        except CorruptError as error:
            findings.append(Finding(condition=name, message=str(error)))
            continue
        findings += check_index(indexes[name], store.clips, store.meta.rate)
        known = {info.name for info in indexes[name].meta.shards}
        for left in there:
            if SHARD_NAME.fullmatch(left) and left not in known:
                message = "no index names it: left by a build that was stopped, or of another build; run the build again, which removes it"
                findings.append(Finding(condition=name, shard=left, message=message))
    tasks = list(_tasks(store, indexes, decode=decode))
    progress.begin("verifying shards", sum(len(task.pieces) for task in tasks))
    verified: list[Verified] = []
    with pool(executor, workers) as workforce:
        for _, done in results(workforce, [(verify_shards, (task,)) for task in tasks]):
            verified += done
            progress.advance(len(done))
    findings += _explained(verified, indexes)
    order = {name: place for place, name in enumerate(names)}
    findings.sort(key=lambda finding: (order.get(finding.condition or "", -1), finding.shard or ""))
    return Report(indexes=indexes, findings=tuple(findings))


def _conditions(store: Store, asked: Sequence[Condition] | None, *, decode: bool) -> list[str]:
    """Conditions to look at, `original` first: those asked for and, for listening, those that they must lie on; or all."""
    there = set()
    for name in store.folder.names():
        try:
            Condition.parse(name)
        except ConditionError:
            continue
        if any(known == INDEX_FILE or SHARD_NAME.fullmatch(known) for known in store.folder.names(name)):
            there.add(name)
    if not there and asked is None:
        raise StoreError(f"{store.url} holds no condition; build some with 'streamaug build CLIPS.csv {store.url}'")
    wanted = there if asked is None else set(map(str, asked))
    if asked is not None and decode:
        wanted |= {str(reference_of(condition)) for condition in asked} & there
    return sorted(wanted, key=lambda name: (name != "original", name))


def _tasks(store: Store, indexes: Mapping[str, Index], *, decode: bool) -> Iterator[VerifyTask]:
    """One task a shard number: the conditions' shards of that number hold the same clips."""
    pieces: dict[int, list[Piece]] = defaultdict(list)
    # Short chains first: what others must lie on comes before them.
    for index in sorted(indexes.values(), key=lambda index: (len(Condition.parse(index.meta.condition).steps), index.meta.condition)):
        bare = index.meta.model_copy(update={"shards": ()})
        starts = np.searchsorted(index.column("shard"), np.arange(len(index.meta.shards) + 1))
        for place, info in enumerate(index.meta.shards):
            # Taken, not sliced: a slice would carry the whole table to the worker.
            rows = index.table.take(pa.array(np.arange(starts[place], starts[place + 1])))
            pieces[shard_number(info.name)].append(Piece(meta=bare, info=info, rows=rows))
    by_number = store.clips["shard"].to_numpy()
    for number in sorted(pieces):
        clips = store.clips.take(pa.array(np.flatnonzero(by_number == number)))
        yield VerifyTask(folder=store.folder, meta=store.meta, clips=clips, pieces=tuple(pieces[number]), decode=decode)


def _explained(verified: Sequence[Verified], indexes: Mapping[str, Index]) -> Iterator[Finding]:
    """All findings in shards; where a shard holds just the bytes of another one, that alone."""
    owners = {info.sha256: (name, info.name) for name, index in indexes.items() for info in index.meta.shards}
    for shard in verified:
        owner = owners.get(shard.sha256) if shard.sha256 else None
        if owner:
            message = f"holds the bytes of {'/'.join(owner)}, as if the files were swapped; give each its own name"
            yield Finding(condition=shard.condition, shard=shard.shard, message=message)
        else:
            yield from shard.findings
