"""Write the tar of one shard and condition, and the rows that index it."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from typing_extensions import Buffer

from streamaug.building.chains import Chain, EncodedClip
from streamaug.building.sources import Recording
from streamaug.codecs import alignment
from streamaug.errors import CorruptError, EncoderError
from streamaug.store.format import FORMAT, INDEX_SCHEMA, IndexMeta, ShardInfo
from streamaug.store.index import Index
from streamaug.store.tars import BLOCK

_MISALIGNED_CLIPS = 3
"""Clips of a shard that must be misaligned before the encoder is refused: the alignment of a single
clip, of noise or silence say, can be measured wrongly."""


class TarWriter:
    """A shard of one condition while it is written; `close` it before `index` is read.

    Args:
        chain: The condition.
        name: Name of the shard.
        path: Local file to write.
    """

    def __init__(self, chain: Chain, name: str, path: Path) -> None:
        self.chain = chain
        self._name = name
        self._file = _HashingFile(path)
        # ustar has one header block per member and no field that depends on the machine.
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT, encoding="utf-8")  # noqa: SIM115  closed by close()
        self._rows: list[dict[str, Any]] = []
        self._misaligned: list[str] = []
        self._is_aligned = False

    def add(self, recording: Recording, encoded: EncodedClip) -> None:
        """Append a clip's bitstream and its JSON.

        Args:
            recording: The clip.
            encoded: The clip in this shard's condition.

        Raises:
            EncoderError: The bitstream cannot be decoded, or decoded clips of this shard are not
                aligned with their originals.
        """
        self._check_alignment(recording, encoded)
        chain, payload, samples = self.chain, encoded.payload, len(encoded.source)
        kbps, sha256 = len(payload) * 8 * chain.rate / samples / 1000, hashlib.sha256(payload)
        self._rows.append(
            {
                "clip_id": recording.clip_id,
                "shard": 0,
                "offset": self._tar.offset + BLOCK,
                "size": len(payload),
                "sha256": sha256.digest(),
                "delay": chain.delay,
                "samples": samples,
                "kbps": kbps,
            }
        )
        metadata = {
            **{key: value for key, value in recording.clip.items() if value is not None},
            "condition": chain.name,
            "generations": chain.condition.generations,
            "steps": [step.model_dump() for step in chain.step_metadata],
            "asked_kbps": chain.last.step.kbps if chain.last else None,
            "kbps": round(kbps, 3),
            "rate": chain.rate,
            "samples": samples,
            "delay": chain.delay,
            "source_sha256": recording.sha256.hex(),
            "sha256": sha256.hexdigest(),
        }
        self._add_member(f"{recording.clip_id}.{chain.extension}", payload)
        self._add_member(f"{recording.clip_id}.json", json.dumps(metadata, sort_keys=True, ensure_ascii=False, default=str).encode())

    def close(self) -> None:
        """Write what ends a tar, and close the file."""
        self._tar.close()
        self._file.close()

    def index(self) -> Index:
        """The clips that were added, as an index of one shard."""
        chain = self.chain
        shard = ShardInfo(name=self._name, bytes=self._file.written, sha256=self._file.hash.hexdigest())
        meta = IndexMeta(
            format=FORMAT,
            condition=chain.name,
            settings=chain.settings,
            extension=chain.extension,
            decoding=chain.decoding,
            steps=chain.step_metadata,
            shards=(shard,),
        )
        return Index(meta=meta, table=pa.Table.from_pylist(self._rows, INDEX_SCHEMA))

    def _add_member(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))

    def _check_alignment(self, recording: Recording, encoded: EncodedClip) -> None:
        """Compare clips with what they were encoded from, until one of the shard is aligned."""
        chain = self.chain
        if self._is_aligned or chain.last is None:
            return
        try:
            decoded = chain.last.decode(encoded.payload, len(encoded.source))
        except CorruptError as error:
            raise EncoderError(
                f"condition '{chain.name}', clip '{recording.clip_id}': {chain.last.encoder.name} makes what cannot be decoded: {error}; "
                "leave the clip or the condition out, or choose another encoder in the settings"
            ) from error
        shift = alignment.shift(decoded, encoded.source, chain.rate)
        if shift is None:  # too quiet or too plain to tell
            return
        if shift == 0:
            self._is_aligned = True
            return
        self._misaligned.append(f"'{recording.clip_id}' by {shift} samples")
        if len(self._misaligned) == _MISALIGNED_CLIPS:
            raise EncoderError(
                f"condition '{chain.name}': decoded clips are not aligned with their originals: {', '.join(self._misaligned)}; "
                f"{chain.last.encoder.name} has another delay than on the calibration signal ({chain.delay} samples); "
                "choose another encoder in the settings"
            )


class _HashingFile(io.BufferedWriter):
    """A file that hashes and counts the bytes written to it."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path, "wb"))
        self.hash = hashlib.sha256()
        self.written = 0

    def write(self, data: Buffer, /) -> int:
        self.hash.update(data)
        self.written += memoryview(data).nbytes
        return super().write(data)
