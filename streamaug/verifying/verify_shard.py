"""Compare every byte of the shards of one number, the same clips in several conditions, with the
indexes."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from streamaug.codecs import alignment, pcm
from streamaug.conditions import Condition
from streamaug.errors import CorruptError, FetchError
from streamaug.store.folder import Folder
from streamaug.store.format import STORE_FILE, ShardInfo
from streamaug.store.index import Index
from streamaug.store.location import Location
from streamaug.store.manifest import Manifest
from streamaug.store.targets import class_numbers, target_columns
from streamaug.store.tars import Member, members
from streamaug.verifying.findings import Finding, named

_NEAR, _FEW = 3, 0.1
"""Up to so many samples are an error of the measurement, if it makes it in at most that share of a
shard's clips: AMR at 4.75 kbps seems to be one to three samples early in one spoken digit of a hundred."""

_CHUNK = 8 << 20
"""Bytes per read; a worker keeps no more of a shard in memory than this and one clip."""


@dataclass(frozen=True, kw_only=True)
class VerifyTask:
    """The shards of one number.

    Args:
        folder: The store's folder.
        manifest: Manifest of the snapshot.
        clips: The rows of the clips table that belong into these shards.
        shards: For each condition the index of its shard alone, `original` first.
        columns: Further columns of the clips table that the clips' JSON must agree with; a build
            may change them later, so only if the table is not the published one.
        decode: Whether to decode every clip.
    """

    folder: Folder
    manifest: Manifest
    clips: pa.Table
    shards: tuple[Index, ...]
    columns: tuple[str, ...]
    decode: bool


@dataclass(frozen=True, kw_only=True)
class ShardReport:
    """The result of checking one shard.

    Args:
        condition: The condition.
        shard: File name of the shard.
        findings: Its problems.
        wrong_sha256: Hash of the file, in hex, if it differs from the index; else None.
    """

    condition: str
    shard: str
    findings: tuple[Finding, ...]
    wrong_sha256: str | None = None


def verify_shards(task: VerifyTask) -> list[ShardReport]:
    """Read each shard of a task once; runs in a worker.

    Raises FetchError if a remote store cannot be read.
    """
    clips = {clip["clip_id"]: clip for clip in task.clips.to_pylist()}
    listener = _Listener(task, clips) if task.decode else None
    return [_ShardCheck(task, index, clips, listener).run() for index in task.shards]


def reference_of(condition: Condition) -> Condition:
    """The condition that another must be aligned with: the input of its codecs, so all steps up to
    the last effect.

    >>> [str(reference_of(Condition.parse(name))) for name in ("sbc_64+aac_64", "pitch+mp3_64", "pitch")]
    ['original', 'pitch', 'pitch']
    """
    steps = condition.steps
    while steps and steps[-1].is_codec:
        steps = steps[:-1]
    return Condition(steps=steps)


class _Listener:
    """Decodes clips, and remembers those that others must be aligned with."""

    def __init__(self, task: VerifyTask, clips: Mapping[str, Mapping[str, Any]]) -> None:
        self._rate = task.manifest.rate
        self._clips = clips
        self._references = {str(reference_of(Condition.parse(index.meta.condition))) for index in task.shards}
        self._excerpts: dict[tuple[str, str], np.ndarray] = {}
        self._measured: dict[str, list[tuple[str, int]]] = defaultdict(list)
        self._tolerances = {
            index.meta.condition: sum(alignment.tolerance(step.encoder, task.manifest.channels, self._rate) for step in index.meta.steps)
            for index in task.shards
        }
        self._likeness = {index.meta.condition: alignment.likeness_of(step.encoder for step in index.meta.steps) for index in task.shards}

    def problems(self, condition: str, location: Location, payload: bytes) -> Iterator[str]:
        """What is wrong with the sound of a clip: its length, for an original its samples; its
        alignment is measured."""
        clip_id = location.clip_id
        try:
            signal = location.decode(payload, self._rate).samples
        except CorruptError as error:
            yield str(error)
            return
        if not np.isfinite(signal).all():
            yield "decodes to samples that are not finite"
            return
        clip = self._clips.get(clip_id)
        if condition == "original" and clip and pcm.digest(pcm.to_pcm(signal, clip["depth"])) != clip["sha256"]:
            yield "decodes to samples that do not match their sha256 in the clips table"
        if condition in self._references:
            self._excerpts[condition, clip_id] = alignment.excerpt(signal).copy()
        reference = self._excerpts.get((str(reference_of(Condition.parse(condition))), clip_id))
        if reference is not None:
            shift = alignment.shift(signal, reference, self._rate, self._likeness[condition])
            if shift is not None and abs(shift) <= self._tolerances[condition]:
                shift = 0
            if shift is not None:
                self._measured[condition].append((clip_id, shift))

    def misaligned(self, condition: str) -> Iterator[tuple[str, str]]:
        """The clips of a shard that are not aligned with what was coded, each with a message."""
        measured = self._measured[condition]
        are_near_few = sum(0 < abs(shift) <= _NEAR for _, shift in measured) <= _FEW * len(measured)
        for clip_id, shift in measured:
            if abs(shift) > (_NEAR if are_near_few else 0):
                late = "late" if shift > 0 else "early"
                yield clip_id, f"decodes to a signal that is {abs(shift)} samples {late} against what was coded"


class _HashingReader:
    """A file that is read from start to end in large pieces, and hashed on the way."""

    def __init__(self, folder: Folder, name: str, size: int) -> None:
        self._folder, self._name, self._size = folder, name, size
        self._position = 0
        self._buffer = memoryview(b"")
        self._hash = hashlib.sha256()

    def read(self, count: int) -> bytes:
        """The next bytes: the requested number or, at the end, the rest."""
        parts = []
        while count and (len(self._buffer) or self._position < self._size):
            if not len(self._buffer):
                stop = min(self._position + _CHUNK, self._size)
                data = self._folder.read_range(self._name, self._position, stop)
                self._hash.update(data)
                self._buffer, self._position = memoryview(data), stop
            part, self._buffer = self._buffer[:count], self._buffer[count:]
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def hexdigest(self) -> str:
        """sha256 of the whole file; what was not read yet is read now."""
        while self.read(_CHUNK):
            pass
        return self._hash.hexdigest()


class _ShardCheck:
    """The check of one shard. `index` is that of the shard alone."""

    def __init__(self, task: VerifyTask, index: Index, clips: Mapping[str, Mapping[str, Any]], listener: _Listener | None) -> None:
        self._task, self._index, self._clips, self._listener = task, index, clips, listener
        self._condition = index.meta.condition
        self._findings: list[Finding] = []
        self._misnumbered: list[str] = []
        self._numbers = {label: number for number, label in enumerate(task.manifest.labels)}

    @property
    def _info(self) -> ShardInfo:
        return self._index.meta.shards[0]

    def _note(self, message: str, clip: str | None = None) -> None:
        self._findings.append(Finding(condition=self._condition, shard=self._info.name, clip=clip, message=message))

    def run(self) -> ShardReport:
        """Read the shard and compare it with its index."""
        folder, info = self._task.folder, self._info
        name = f"{self._condition}/{info.name}"
        sha256 = info.sha256
        try:
            size = folder.size(name)
            if size != info.bytes:
                self._note(f"has {size} bytes where the index says {info.bytes}")
            reader = _HashingReader(folder, name, size)
            self._check_members(members(reader.read, size))
            for clip_id, message in self._listener.misaligned(self._condition) if self._listener else ():
                self._note(message, clip_id)
            sha256 = reader.hexdigest()
        except FileNotFoundError:
            self._note("is missing; run the build again to rebuild it, or copy it again")
        except FetchError as error:
            if not folder.is_local:
                raise
            self._note(str(error))
        if self._misnumbered:
            self._note(f"other class numbers than the labels in {STORE_FILE} give: {named(self._misnumbered)}")
        if sha256 != info.sha256 and not self._findings:
            self._note("does not match its sha256 in the index; the difference is outside bitstreams and headers")
        return ShardReport(
            condition=self._condition,
            shard=info.name,
            findings=tuple(self._findings),
            wrong_sha256=sha256 if sha256 != info.sha256 else None,
        )

    def _check_members(self, found: Iterator[Member]) -> None:
        """Members must be the index's clips in its order, each followed by its JSON; the check ends
        at the first other member."""
        locations = self._index.locations()
        checked = 0

        def unchecked() -> str:
            return named([location.clip_id for location in locations[checked:]])

        try:
            for location in locations:
                payload, description = next(found, None), next(found, None)
                if payload is None or description is None:
                    self._note(f"ends before {unchecked()}")
                    return
                if not self._is_expected(location, payload, description):
                    return
                self._check_clip(location, payload, description)
                checked += 1
            extra = next(found, None)
            if extra is not None:
                self._note(f"holds '{extra.name}' at byte {extra.offset}, which the index does not name")
        except CorruptError as error:
            lost = f"; lost: {unchecked()}" if checked < len(locations) else ""
            self._note(f"{error}{lost}")

    def _is_expected(self, location: Location, payload: Member, description: Member) -> bool:
        clip_id = location.clip_id
        for member, name in ((payload, f"{clip_id}.{self._index.meta.extension}"), (description, f"{clip_id}.json")):
            if member.name != name:
                self._note(f"holds '{member.name}' at byte {member.offset} where the index has '{name}'", clip_id)
                return False
        if (payload.offset, len(payload.data)) != (location.offset, location.size):
            self._note(
                f"has {len(payload.data)} bytes at byte {payload.offset}, but the index says {location.size} at byte {location.offset}",
                clip_id,
            )
            return False
        return True

    def _check_clip(self, location: Location, payload: Member, description: Member) -> None:
        if not location.matches(payload.data):
            self._note("its bitstream does not match its sha256 in the index", location.clip_id)
            return
        for message in self._json_problems(location, description.data):
            self._note(message, location.clip_id)
        if self._listener:
            for message in self._listener.problems(self._condition, location, payload.data):
                self._note(message, location.clip_id)

    def _json_problems(self, location: Location, data: bytes) -> Iterator[str]:
        try:
            fields = json.loads(data)
        except (ValueError, RecursionError) as error:
            yield f"its JSON is not readable: {error}"
            return
        if not isinstance(fields, dict):
            yield "its JSON is not an object"
            return
        for key, expected in self._expected_json(location).items():
            if key in ("class_number", "class_numbers") and fields.get(key) != expected:
                self._misnumbered.append(location.clip_id)
            elif fields.get(key) != expected:
                yield f"its JSON says {key} {json.dumps(fields.get(key))}, but index and clips table say {json.dumps(expected)}"

    def _expected_json(self, location: Location) -> dict[str, Any]:
        """What a clip's JSON must say, with the types that JSON has.

        The data set's own columns may have changed since.
        """
        meta, rate = self._index.meta, self._task.manifest.rate
        condition = Condition.parse(meta.condition)
        expected = {
            "clip_id": location.clip_id,
            "condition": meta.condition,
            "generations": condition.generations,
            "steps": [step.model_dump() for step in meta.steps],
            "requested_kbps": condition.steps[-1].kbps if condition.steps and condition.steps[-1].is_codec else None,
            "kbps": round(location.size * 8 * rate / location.samples / 1000, 3),
            "rate": rate,
            "samples": location.samples,
            "delay": location.delay,
            "sha256": location.sha256.hex(),
        }
        clip = self._clips.get(location.clip_id)
        if clip is not None:
            shard_by = self._task.manifest.shard_by
            own = (*target_columns(self._task.manifest.target), shard_by, *self._task.columns)
            expected |= {name: clip[name] for name in own if clip.get(name) is not None}
            expected |= {**class_numbers(clip, self._numbers), "source_sha256": clip["sha256"].hex()}
        normal: dict[str, Any] = json.loads(json.dumps(expected, default=str))
        return normal
