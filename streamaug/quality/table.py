"""Read and write a condition's grades: `<condition>/quality.parquet`, bound to the bitstreams that
were measured.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streamaug.errors import CorruptError, StoreError
from streamaug.quality.peaq import VARIABLES, Peaq
from streamaug.store import Index, Store
from streamaug.store.folder import Folder
from streamaug.store.parquet import read_here

QUALITY_FILE = "quality.parquet"
FORMAT = 1
_FOOTER = b"streamaug-quality"

QUALITY_SCHEMA = pa.schema(
    [
        pa.field("clip_id", pa.string(), nullable=False),
        *(pa.field(name, pa.float64(), nullable=False) for name in ("odg", "di", *VARIABLES)),
        pa.field("frames", pa.int32(), nullable=False),
        pa.field("bandwidth_frames", pa.int32(), nullable=False),
    ]
)
"""One row per clip; the columns are the fields of `Peaq`. A clip without a grade has NaN in `odg`.
"""


class QualityMeta(BaseModel):
    """The footer of a quality table.

    Args:
        format: Version of the table's format.
        condition: The condition.
        measured: Digest of the condition's index.
        reference: Digest of the original's index.
        method: How the clips were graded.
        software: Versions of the decoder and of the libraries.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Annotated[int, Field(ge=1, le=FORMAT)] = FORMAT
    condition: str
    measured: str
    reference: str
    method: str = "PEAQ Basic (ITU-R BS.1387-1), 48 kHz, 16 bit"
    software: str

    @property
    def key(self) -> str:
        """16 characters that change with the condition, the original or the method."""
        return hashlib.sha256(f"{self.format}\n{self.measured}\n{self.reference}\n{self.method}".encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Grades of a condition's clips. table: QUALITY_SCHEMA, in the order of the index."""

    meta: QualityMeta
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> np.ndarray:
        """A numeric column as an array of shape (clips,)."""
        values: np.ndarray = self.table[name].to_numpy()
        return values

    def to_bytes(self) -> bytes:
        """The Parquet file; the same grades give the same bytes."""
        sink = io.BytesIO()
        footer = {_FOOTER: self.meta.model_dump_json().encode()}
        pq.write_table(self.table.cast(QUALITY_SCHEMA).replace_schema_metadata(footer), sink, compression="zstd")
        return sink.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, source: str) -> "Quality":
        """Read and check a table; `source` names it in errors. Raises CorruptError."""
        try:
            table = read_here(data)
            meta = QualityMeta.model_validate_json((table.schema.metadata or {})[_FOOTER])
            return cls(meta=meta, table=table.replace_schema_metadata(None).cast(QUALITY_SCHEMA))
        except (pa.ArrowException, KeyError, ValueError, OSError, ValidationError) as error:
            raise CorruptError(f"{source}: not readable as a table of grades: {error}; remove it and measure again") from error


def table_of(clip_ids: Sequence[str], graded: Sequence[Peaq]) -> pa.Table:
    """A table (QUALITY_SCHEMA) of graded clips."""
    rows = [
        {"clip_id": clip_id, "odg": peaq.odg, "di": peaq.di, **peaq.movs, "frames": peaq.frames, "bandwidth_frames": peaq.bandwidth_frames}
        for clip_id, peaq in zip(clip_ids, graded, strict=True)
    ]
    return pa.Table.from_pylist(rows, QUALITY_SCHEMA)


def read_current(folder: Folder, name: str, meta: QualityMeta) -> Quality | None:
    """A table of grades, or None if it does not exist or is of other bitstreams. Raises
    CorruptError, FetchError.
    """
    try:
        data = folder.read(name)
    except FileNotFoundError:
        return None
    quality = Quality.from_bytes(data, f"{folder.url}/{name}")
    return quality if quality.meta.key == meta.key else None


def meta_of(measured: Index, original: Index, software: str) -> QualityMeta:
    """The footer for grades of a condition. measured: its index. original: the index of the
    originals.
    """
    return QualityMeta(condition=measured.meta.condition, measured=measured.digest, reference=original.digest, software=software)


def find_quality(store: Store, condition: str) -> Quality | None:
    """The grades of a condition; None if it was not measured, or was rebuilt since.

    Args:
        store: The opened store.
        condition: The condition.

    Raises:
        CorruptError: The grades are damaged.
        FetchError: They could not be read.
    """
    meta = meta_of(store.index(condition), store.index("original"), software="")
    return read_current(store.folder, f"{condition}/{QUALITY_FILE}", meta)


def load_quality(store: Store, condition: str) -> Quality:
    """The grades of a condition.

    Args:
        store: The opened store.
        condition: The condition.

    Raises:
        StoreError: The condition was not measured, or was rebuilt since.
    """
    quality = find_quality(store, condition)
    if quality is None:
        raise StoreError(
            f"{store.url}: no grades of '{condition}' as it is now; run 'streamaug quality {store.url} --conditions {condition}'"
        )
    return quality
