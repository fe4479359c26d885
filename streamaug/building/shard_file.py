"""Write a tar of bitstreams, and the rows that index it."""

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from typing_extensions import Buffer

from streamaug.store.format import INDEX_SCHEMA, IndexMeta, ShardInfo, shard_name
from streamaug.store.index import Index
from streamaug.store.tars import BLOCK


class ShardFile:
    """A shard while it is written; `close` it before its name or index is read.

    Args:
        meta: Footer of the condition's index; its shards do not matter.
        number: Number of the shard.
        path: Local file to write.
    """

    def __init__(self, meta: IndexMeta, number: int, path: Path) -> None:
        self._meta, self._number = meta, number
        self._file = _HashingFile(path)
        # ustar has one header block per member and no field that depends on the machine.
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.USTAR_FORMAT, encoding="utf-8")  # noqa: SIM115  # `close` closes it
        self._rows: list[Mapping[str, Any]] = []

    def add(self, row: Mapping[str, Any], payload: bytes, description: bytes) -> None:
        """Append a clip; clips must come in the order of their ids.

        Args:
            row: The clip's row of the index; its shard and offset do not matter.
            payload: The bitstream.
            description: The clip's JSON.
        """
        self._rows.append({**row, "shard": 0, "offset": self._tar.offset + BLOCK})
        self._add_member(f"{row['clip_id']}.{self._meta.extension}", payload)
        self._add_member(f"{row['clip_id']}.json", description)

    def close(self) -> None:
        """Write what ends a tar, and close the file."""
        self._tar.close()
        self._file.close()

    @property
    def name(self) -> str:
        """Name of the closed tar."""
        return shard_name(self._meta.settings, self._file.hash.hexdigest())

    def index(self) -> Index:
        """The clips that were added, as an index of one shard."""
        shard = ShardInfo(name=self.name, number=self._number, bytes=self._file.written, sha256=self._file.hash.hexdigest())
        return Index(meta=self._meta.model_copy(update={"shards": (shard,)}), table=pa.Table.from_pylist(list(self._rows), INDEX_SCHEMA))

    def _add_member(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        self._tar.addfile(info, io.BytesIO(data))


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
