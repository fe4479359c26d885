"""Verify a store: compare its files with each other and, on request, decode every clip.

Without decoding, it compares store.json with the manifest that was published; the clips table and
the indexes with their hashes and with each other; each shard's size, sha256, headers, order and
end, and each clip's bitstream and JSON, with the index; and it reports files that no snapshot
names, and snapshots that the current one does not lead back to. If folders cannot be listed, it
checks what store.json names.

With decoding, it also checks for every clip that it decodes to its length; that an original's
samples have the sha256 of the clips table; and that a coded clip is sample-aligned with what was
coded. What was coded is the original or, after effects, the condition that ends with the last of
them (`pitch` for `pitch+mp3_64`). If that is not in the store, or has nothing below 3 kHz to align
by, only the length is checked.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from streamaug.conditions import Condition
from streamaug.errors import CorruptError
from streamaug.executors import pool, results
from streamaug.progress import Progress, Silent
from streamaug.store.index import Index
from streamaug.store.store import Store
from streamaug.verifying.findings import Finding
from streamaug.verifying.verify_files import check_files, listed_files
from streamaug.verifying.verify_shard import ShardReport, VerifyTask, reference_of, verify_shards
from streamaug.verifying.verify_tables import check_clips, check_index


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of verifying.

    Args:
        indexes: Readable indexes of the conditions that were checked, by name.
        findings: All problems, in the order of conditions and shards.
    """

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
    """Compare a store's files with each other; the head of this file lists the checks.

    Args:
        store: The store. Its tables are read again, since they may have changed since it was
            opened.
        conditions: Conditions to check. Default: all. With `decode`, the conditions that they must
            be aligned with are checked, too.
        decode: Also decode every clip.
        workers: Number of processes. Default: one per core.
        executor: Runs the work instead of processes on this machine.
        progress: Shows progress. Default: none.

    Raises:
        StoreError: The store does not have one of the conditions.
        CorruptError: The clips table is not readable. All other problems are in the report.
        FetchError: A remote store could not be read.
    """
    progress = progress or Silent()
    store, files = listed_files(store)
    findings: list[Finding] = []
    clips, is_changed = store.clips_as_they_are()
    if is_changed:
        findings.append(
            Finding(message=f"{store.manifest.clips.file} was changed after it was published; copy it again, or rebuild the store")
        )
    findings += check_clips(store.manifest, clips)
    if files is None:
        progress.say(f"{store.url} does not list its folders: files that nothing names are not looked for")
    names = _conditions(store, conditions, decode=decode)
    findings += () if files is None else check_files(store, files)
    indexes: dict[str, Index] = {}
    for name in names:
        try:
            indexes[name] = store.index(name)
        except CorruptError as error:
            findings.append(Finding(condition=name, message=str(error)))
            continue
        findings += check_index(indexes[name], clips, store.manifest)
    tasks = list(_tasks(store, clips, indexes, columns=("split", "group") if is_changed else (), decode=decode))
    progress.begin("verifying shards", sum(len(task.shards) for task in tasks))
    reports: list[ShardReport] = []
    with pool(executor, workers) as workforce:
        for _, verified in results(workforce, [(verify_shards, (task,)) for task in tasks]):
            reports += verified
            progress.advance(len(verified))
    findings += _shard_findings(reports, indexes)
    order = {name: number for number, name in enumerate(names)}
    findings.sort(key=lambda finding: (order.get(finding.condition or "", -1), finding.shard or ""))
    return Report(indexes=indexes, findings=tuple(findings))


def _conditions(store: Store, requested: Sequence[Condition] | None, *, decode: bool) -> list[str]:
    """Conditions to check, `original` first: the requested ones, for decoding also those they must
    be aligned with; or all."""
    if requested is None:
        return list(store.conditions)
    names = set(map(str, requested))
    if decode:
        names |= {str(reference_of(condition)) for condition in requested} & set(store.conditions)
    return sorted(names, key=lambda name: (name != "original", name))


def _tasks(store: Store, clips: pa.Table, indexes: Mapping[str, Index], *, columns: tuple[str, ...], decode: bool) -> Iterator[VerifyTask]:
    """One task per shard number: the conditions' shards of that number contain the same clips."""
    shards: dict[int, list[Index]] = defaultdict(list)
    # Short chains first, since a condition comes after the one that it must be aligned with.
    for index in sorted(indexes.values(), key=lambda index: (len(Condition.parse(index.meta.condition).steps), index.meta.condition)):
        for position, info in enumerate(index.meta.shards):
            shards[info.number].append(index.shard(position))
    numbers = clips["shard"].to_numpy()
    for number in sorted(shards):
        own = clips.take(pa.array(np.flatnonzero(numbers == number)))
        yield VerifyTask(
            folder=store.folder, manifest=store.manifest, clips=own, shards=tuple(shards[number]), columns=columns, decode=decode
        )


def _shard_findings(reports: Sequence[ShardReport], indexes: Mapping[str, Index]) -> Iterator[Finding]:
    """All findings in shards; for a shard that has the bytes of another one, only that."""
    owners = {info.sha256: (name, info.name) for name, index in indexes.items() for info in index.meta.shards}
    for report in reports:
        owner = owners.get(report.wrong_sha256) if report.wrong_sha256 else None
        if owner:
            message = f"holds the bytes of {'/'.join(owner)}, as if the files were swapped; give each its own name"
            yield Finding(condition=report.condition, shard=report.shard, message=message)
        else:
            yield from report.findings
