"""The work of one worker: one shard of clips, coded under several conditions, written, and told about.

A shard counts as done when its part stands: a small Parquet file with the index rows, written after the tar. Parts
are what a build that was killed goes on from; the last step of a build joins them into the index and removes them.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from typing_extensions import Buffer

from streamaug.building.chains import Chain, EncodedClip, check_versions, encode_clip
from streamaug.building.sources import load
from streamaug.codecs import alignment, pcm
from streamaug.effects import LoadClip
from streamaug.errors import ClipsError, EncoderError
from streamaug.store.folder import STAGING, Folder
from streamaug.store.format import FORMAT, INDEX_SCHEMA, IndexMeta, ShardInfo
from streamaug.store.index import Index

_BLOCK = tarfile.BLOCKSIZE
_ALIGNMENT_CLIPS = 3


@dataclass(frozen=True, kw_only=True)
class Recording:
    """What a worker needs of a clip. clip: its row of the clips table; sha256: of the PCM that the check of the sources saw."""

    clip: Mapping[str, Any]
    path: str
    sha256: bytes

    @property
    def clip_id(self) -> str:
        return str(self.clip["clip_id"])


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """One shard of clips under the conditions that still lack it.

    rate, samples: as `sources.load` takes them. paths: of other clips, by id, that effects may listen to.
    """

    folder: Folder
    number: int
    rate: int
    samples: int
    recordings: tuple[Recording, ...]
    chains: tuple[Chain, ...]
    paths: Mapping[str, str]


def shard_name(chain: Chain, number: int) -> str:
    return f"{chain.settings}-{number:06d}.tar"


def part_name(chain: Chain, number: int) -> str:
    return f"{STAGING}/{chain.name}/{chain.settings}-{number:06d}.parquet"


def build_shard(task: ShardTask) -> int:
    """Code, write and publish a shard's tars and their parts; returns how many there are.

    Raises ClipsError where a source has changed since it was checked, EncoderError (also where this machine has other
    encoders than the one that began the build), FetchError.
    """
    for chain in task.chains:
        check_versions(chain)
    load_original = _loader(task)
    with ExitStack() as stack:
        tars = []
        for chain in task.chains:
            name = shard_name(chain, task.number)
            tars.append(_Tar(chain, name, stack.enter_context(task.folder.staged(f"{chain.name}/{name}"))))
        for recording in sorted(task.recordings, key=lambda recording: recording.clip_id):
            try:
                signal = load(recording.path, task.rate, task.samples).pcm
            except ClipsError as error:
                raise ClipsError(f"clip '{recording.clip_id}' ({recording.path}): {error}") from error
            if pcm.digest(signal) != recording.sha256:
                raise ClipsError(f"clip '{recording.clip_id}' ({recording.path}) has changed since the build began; start the build again")
            holding = [tar for tar in tars if tar.chain.holds(recording.clip)]
            for tar, coded in zip(holding, encode_clip([tar.chain for tar in holding], signal, recording.clip, load_original), strict=True):
                tar.add(recording, coded, task.rate)
        for tar in tars:
            tar.close()
    for tar in tars:
        task.folder.write(part_name(tar.chain, task.number), tar.part().to_bytes())
    return len(tars)


def _loader(task: ShardTask) -> LoadClip:
    @lru_cache(maxsize=64)
    def load_original(clip_id: str) -> np.ndarray:
        return pcm.to_float(load(task.paths[clip_id], task.rate, task.samples).pcm)

    return load_original


class _Tar:
    """A shard of one condition while it is written."""

    def __init__(self, chain: Chain, name: str, path: Path) -> None:
        self.chain = chain
        self._name = name
        self._file = _Hashing(path)
        # ustar has one header block a member and no field that depends on the machine.
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT, encoding="utf-8")  # noqa: SIM115  closed by close()
        self._rows: list[dict[str, Any]] = []
        self._doubts: list[str] = []
        self._aligned = False

    def add(self, recording: Recording, coded: EncodedClip, rate: int) -> None:
        self._check_alignment(recording, coded, rate)
        chain, payload, samples = self.chain, coded.payload, len(coded.source)
        kbps, sha256 = len(payload) * 8 * rate / samples / 1000, hashlib.sha256(payload)
        row = {
            "clip_id": recording.clip_id,
            "shard": 0,
            "offset": self._tar.offset + _BLOCK,
            "size": len(payload),
            "sha256": sha256.digest(),
            "delay": chain.delay,
            "samples": samples,
            "kbps": kbps,
        }
        told = {
            **{key: value for key, value in recording.clip.items() if value is not None},
            "condition": chain.name,
            "generations": chain.condition.generations,
            "steps": [record.model_dump() for record in chain.step_metadata],
            "asked_kbps": chain.last.step.kbps if chain.last else None,
            "kbps": round(kbps, 3),
            "rate": rate,
            "samples": samples,
            "delay": chain.delay,
            "source_sha256": recording.sha256.hex(),
            "sha256": sha256.hexdigest(),
        }
        self._member(f"{recording.clip_id}.{chain.extension}", payload)
        self._member(f"{recording.clip_id}.json", json.dumps(told, sort_keys=True, ensure_ascii=False, default=str).encode())
        self._rows.append(row)

    def _member(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))

    def _check_alignment(self, recording: Recording, coded: EncodedClip, rate: int) -> None:
        """Hold one clip of the shard against what it was coded from; a clip that leaves doubt passes the question on."""
        if self._aligned or self.chain.last is None:
            return
        decoded = self.chain.last.decode(coded.payload, len(coded.source))
        shift = alignment.shift(decoded, coded.source, rate)
        if shift is None:
            return
        if shift == 0:
            self._aligned = True
            return
        self._doubts.append(f"'{recording.clip_id}' by {shift} samples")
        if len(self._doubts) == _ALIGNMENT_CLIPS:
            encoder = self.chain.last.encoder.name
            raise EncoderError(
                f"condition '{self.chain.name}': decoded clips do not lie on their originals: {', '.join(self._doubts)}; "
                f"{encoder} has another delay than on the calibration signal ({self.chain.delay}); choose another encoder in the settings"
            )

    def close(self) -> None:
        self._tar.close()
        self._file.close()

    def part(self) -> Index:
        """The shard's rows as an index of one shard."""
        chain = self.chain
        info = ShardInfo(name=self._name, bytes=self._file.written, sha256=self._file.hash.hexdigest())
        meta = IndexMeta(
            format=FORMAT,
            condition=chain.name,
            settings=chain.settings,
            extension=chain.extension,
            decoding=chain.decoding,
            steps=chain.step_metadata,
            shards=(info,),
        )
        return Index(meta=meta, table=pa.Table.from_pylist(self._rows, INDEX_SCHEMA))


class _Hashing(io.BufferedWriter):
    """A file that hashes and counts what is written to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "wb"))
        self.hash = hashlib.sha256()
        self.written = 0

    def write(self, data: Buffer, /) -> int:
        self.hash.update(data)
        self.written += memoryview(data).nbytes
        return super().write(data)


def join(parts: Sequence[Index]) -> Index:
    """One index of several, their shards one after the other. All must be of the same condition and settings."""
    tables, first = [], 0
    for part in parts:
        column = part.table.schema.get_field_index("shard")
        tables.append(part.table.set_column(column, INDEX_SCHEMA.field("shard"), pa.array(part.column("shard") + np.int32(first))))
        first += len(part.meta.shards)
    shards = tuple(info for part in parts for info in part.meta.shards)
    return Index(meta=parts[0].meta.model_copy(update={"shards": shards}), table=pa.concat_tables(tables))
