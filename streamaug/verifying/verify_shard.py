"""Opening the shards of one number, the same clips under several conditions, and holding every byte against the indexes."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from streamaug.codecs import alignment, decode, decode_pyav, pcm
from streamaug.conditions import Condition
from streamaug.errors import CorruptError, FetchError
from streamaug.store.folder import Folder
from streamaug.store.format import IndexMeta, ShardInfo, StoreMeta
from streamaug.store.tars import Member, members
from streamaug.verifying.findings import Finding, named

_CHUNK = 8 << 20
"""Bytes of one read; a worker holds no more of a shard than this and one clip."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A shard of one condition. meta: the index's footer, its shards left out; rows: those of the index that lie in the shard."""

    meta: IndexMeta
    info: ShardInfo
    rows: pa.Table


@dataclass(frozen=True, kw_only=True)
class VerifyTask:
    """Shards of one number. clips: the rows of the clips table that belong in them; pieces: `original` first."""

    folder: Folder
    meta: StoreMeta
    clips: pa.Table
    pieces: tuple[Piece, ...]
    decode: bool


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What came out for one shard. sha256: of what lies there, where that is something else than the index says."""

    condition: str
    shard: str
    findings: tuple[Finding, ...]
    sha256: str | None = None


def verify_shards(task: VerifyTask) -> list[Verified]:
    """Read every shard of a task once; runs in a worker. Raises FetchError where a remote store cannot be reached."""
    clips = {clip["clip_id"]: clip for clip in task.clips.to_pylist()}
    listening = _Listening(task, clips) if task.decode else None
    return [_Shard(task, piece, clips, listening).verify() for piece in task.pieces]


def reference_of(condition: Condition) -> Condition:
    """The condition on whose samples another's must lie: what its codecs were fed with, so all up to the last effect.

    >>> [str(reference_of(Condition.parse(name))) for name in ("sbc_64+aac_64", "pitch+mp3_64", "pitch")]
    ['original', 'pitch', 'pitch']
    """
    steps = condition.steps
    while steps and steps[-1].is_codec:
        steps = steps[:-1]
    return Condition(steps=steps)


class _Listening:
    """Decodes clips; keeps those that others must lie on."""

    def __init__(self, task: VerifyTask, clips: Mapping[str, Mapping[str, Any]]) -> None:
        self._rate = task.meta.rate
        self._clips = clips
        self._wanted = {str(reference_of(Condition.parse(piece.meta.condition))) for piece in task.pieces}
        self._kept: dict[tuple[str, str], np.ndarray] = {}

    def check(self, piece: Piece, row: Mapping[str, Any], payload: bytes) -> Iterator[str]:
        """What is wrong with the sound of a clip: its length, its place on what was coded, for an original its samples."""
        name, clip_id = piece.meta.condition, row["clip_id"]
        try:
            signal = decode(
                payload, decoding=piece.meta.decoding, rate=self._rate, delay=row["delay"], samples=row["samples"], decoder=decode_pyav
            )
        except CorruptError as error:
            yield str(error)
            return
        if not np.isfinite(signal).all():
            yield "decodes to samples that are not finite"
            return
        clip = self._clips.get(clip_id)
        if name == "original" and clip and pcm.digest(pcm.to_pcm(signal, clip["depth"])) != clip["sha256"]:
            yield "decodes to other samples than the clips table's sha256 tells of"
        if name in self._wanted:
            self._kept[name, clip_id] = alignment.excerpt(signal).copy()
        reference = self._kept.get((str(reference_of(Condition.parse(name))), clip_id))
        if reference is not None:
            shift = alignment.shift(signal, reference, self._rate)
            if shift:
                yield f"decodes to a signal that lies {abs(shift)} samples {'late' if shift > 0 else 'early'} on what was coded"


class _Reading:
    """A file read from start to end in large pieces, hashed on the way."""

    def __init__(self, folder: Folder, name: str, size: int) -> None:
        self._folder, self._name, self._size = folder, name, size
        self._position = 0
        self._buffer = memoryview(b"")
        self.hash = hashlib.sha256()

    def read(self, count: int) -> bytes:
        """The next bytes, as many as asked or as there are."""
        parts = []
        while count and (len(self._buffer) or self._position < self._size):
            if not len(self._buffer):
                stop = min(self._position + _CHUNK, self._size)
                data = self._folder.read_range(self._name, self._position, stop)
                self.hash.update(data)
                self._buffer, self._position = memoryview(data), stop
            part, self._buffer = self._buffer[:count], self._buffer[count:]
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def digest(self) -> str:
        """sha256 of the whole file; what was not yet asked for is read."""
        while self.read(_CHUNK):
            pass
        return self.hash.hexdigest()


class _Shard:
    """One shard under examination."""

    def __init__(self, task: VerifyTask, piece: Piece, clips: Mapping[str, Mapping[str, Any]], listening: _Listening | None) -> None:
        self._task, self._piece, self._clips, self._listening = task, piece, clips, listening
        self._findings: list[Finding] = []

    def _note(self, message: str, clip: str | None = None) -> None:
        self._findings.append(Finding(condition=self._piece.meta.condition, shard=self._piece.info.name, clip=clip, message=message))

    def verify(self) -> Verified:
        folder, info = self._task.folder, self._piece.info
        name = f"{self._piece.meta.condition}/{info.name}"
        sha256 = info.sha256
        try:
            size = folder.size(name)
            if size != info.bytes:
                self._note(f"has {size} bytes where the index says {info.bytes}")
            reading = _Reading(folder, name, size)
            self._check_members(members(reading.read, size))
            sha256 = reading.digest()
        except FileNotFoundError:
            self._note("is missing; run the build again, which makes what is missing, or copy it anew")
        except FetchError as error:
            if not folder.is_local:
                raise
            self._note(str(error))
        if sha256 != info.sha256 and not self._findings:
            self._note("has other bytes than the index's sha256 tells of, outside bitstreams and headers")
        return Verified(
            condition=self._piece.meta.condition,
            shard=info.name,
            findings=tuple(self._findings),
            sha256=sha256 if sha256 != info.sha256 else None,
        )

    def _check_members(self, found: Iterator[Member]) -> None:
        """Members must be the index's clips in its order, each followed by its JSON; from the first that is not, nothing fits."""
        rows = self._piece.rows.to_pylist()
        done = 0
        try:
            for row in rows:
                payload, told = next(found, None), next(found, None)
                if payload is None or told is None:
                    self._note(f"ends before {named([row['clip_id'] for row in rows[done:]])}")
                    return
                if not self._is_expected(row, payload, told):
                    return
                self._check_clip(row, payload, told)
                done += 1
            left = next(found, None)
            if left is not None:
                self._note(f"holds '{left.name}' at byte {left.offset}, which the index does not name")
        except CorruptError as error:
            lost = f"; lost: {named([row['clip_id'] for row in rows[done:]])}" if done < len(rows) else ""
            self._note(f"{error}{lost}")

    def _is_expected(self, row: Mapping[str, Any], payload: Member, told: Member) -> bool:
        clip_id = row["clip_id"]
        for member, name in ((payload, f"{clip_id}.{self._piece.meta.extension}"), (told, f"{clip_id}.json")):
            if member.name != name:
                self._note(f"holds '{member.name}' at byte {member.offset} where the index has '{name}'", clip_id)
                return False
        if (payload.offset, len(payload.data)) != (row["offset"], row["size"]):
            self._note(
                f"has {len(payload.data)} bytes from byte {payload.offset} on, the index says {row['size']} from byte {row['offset']} on",
                clip_id,
            )
            return False
        return True

    def _check_clip(self, row: Mapping[str, Any], payload: Member, told: Member) -> None:
        clip_id = row["clip_id"]
        if hashlib.sha256(payload.data).digest() != row["sha256"]:
            self._note("its bitstream has other bytes than the index's sha256 tells of", clip_id)
            return
        for message in self._json_problems(row, told.data):
            self._note(message, clip_id)
        if self._listening:
            for message in self._listening.check(self._piece, row, payload.data):
                self._note(message, clip_id)

    def _json_problems(self, row: Mapping[str, Any], data: bytes) -> Iterator[str]:
        try:
            told = json.loads(data)
        except (ValueError, RecursionError) as error:
            yield f"its JSON is unreadable: {error}"
            return
        if not isinstance(told, dict):
            yield "its JSON is no object"
            return
        for key, expected in self._expected_json(row).items():
            if told.get(key) != expected:
                yield f"its JSON says {key} {json.dumps(told.get(key))}, index and clips table say {json.dumps(expected)}"

    def _expected_json(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """What a clip's JSON must say, as JSON gives it back. A data set's own columns may have changed since it was written."""
        meta, rate = self._piece.meta, self._task.meta.rate
        condition = Condition.parse(meta.condition)
        expected = {
            "clip_id": row["clip_id"],
            "condition": meta.condition,
            "generations": condition.generations,
            "steps": [step.model_dump() for step in meta.steps],
            "asked_kbps": condition.steps[-1].kbps if condition.steps and condition.steps[-1].is_codec else None,
            "kbps": round(row["size"] * 8 * rate / row["samples"] / 1000, 3),
            "rate": rate,
            "samples": row["samples"],
            "delay": row["delay"],
            "sha256": row["sha256"].hex(),
        }
        clip = self._clips.get(row["clip_id"])
        if clip is not None:
            shard_by = self._task.meta.shard_by
            expected |= {"label": clip["label"], shard_by: clip[shard_by], "source_sha256": clip["sha256"].hex()}
        normal: dict[str, Any] = json.loads(json.dumps(expected, default=str))
        return normal
