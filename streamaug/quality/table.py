"""Read and write a condition's grades: `<condition>/quality.parquet` and its like, bound to the
bitstreams that were measured.

Each measure has a file of its own in the condition's folder, and so has each link: two programs that
grade the same condition by two measures do not write the same file. The files begin with the same
columns, so that a query over `*/quality*.parquet` has all grades of a store in one table.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streamaug.condition_names import split_link
from streamaug.errors import CorruptError, StoreError
from streamaug.links import Link, find_link, open_links
from streamaug.quality.measures import MEASURES, Measure
from streamaug.store import Index, Store
from streamaug.store.folder import Folder
from streamaug.store.parquet import read_here

FORMAT = 2
FOOTER = b"streamaug-quality"


def quality_file(condition: str, measure: str = "peaq") -> str:
    """The path of a table of grades in its store.

    Args:
        condition: Name of the condition.
        measure: Name of the measure.

    >>> quality_file("mp3_64"), quality_file("opus-voip_24~loss10", "pesq-wb")
    ('mp3_64/quality.parquet', 'opus-voip_24/quality-pesq-wb~loss10.parquet')
    """
    stored, link = split_link(condition)
    return f"{stored}/quality{'' if measure == 'peaq' else f'-{measure}'}{f'~{link}' if link else ''}.parquet"


class QualityMeta(BaseModel):
    """The footer of a quality table.

    Args:
        format: Version of the table's format.
        condition: The condition.
        measured: Digest of the condition's index.
        reference: Digest of the original's index.
        link: Digest of the link that lost packets. Default: none did.
        measure: Name of the measure. Default: that of format 1, PEAQ.
        method: What it computes.
        software: Versions of the decoder and of the libraries.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Annotated[int, Field(ge=1, le=FORMAT)] = FORMAT
    condition: str
    measured: str
    reference: str
    link: str = ""
    measure: str = "peaq"  # the only one of format 1
    method: str
    software: str

    @property
    def key(self) -> str:
        """16 characters that change with the condition, the original, the link or the method."""
        parts = (self.format, self.condition, self.measured, self.reference, self.link, self.measure, self.method)
        return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Grades of a condition's clips. table: of the measure's schema, in the order of the index."""

    meta: QualityMeta
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def measure(self) -> Measure:
        """What graded the clips."""
        return MEASURES[self.meta.measure]

    def column(self, name: str) -> np.ndarray:
        """A numeric column as an array of shape (clips,)."""
        values: np.ndarray = self.table[name].to_numpy()
        return values

    def to_bytes(self) -> bytes:
        """The Parquet file; the same grades give the same bytes."""
        sink = io.BytesIO()
        footer = {FOOTER: self.meta.model_dump_json().encode()}
        pq.write_table(self.table.cast(self.measure.schema).replace_schema_metadata(footer), sink, compression="zstd")
        return sink.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, source: str, key: str) -> "Quality | None":
        """Read and check a table; None if its key is another one.

        Args:
            data: The Parquet file.
            source: Names it in errors.
            key: That of what was measured.

        Raises:
            CorruptError: It is not a table of grades.
        """
        try:
            table = read_here(data)
            meta = QualityMeta.model_validate_json((table.schema.metadata or {})[FOOTER])
            if meta.key != key:
                return None
            return cls(meta=meta, table=table.replace_schema_metadata(None).cast(MEASURES[meta.measure].schema))
        except (pa.ArrowException, KeyError, ValueError, OSError, ValidationError) as error:
            raise CorruptError(f"{source}: not readable as a table of grades: {error}; remove it and measure again") from error


def table_of(measure: Measure, clip_ids: Sequence[str], graded: Sequence[Mapping[str, Any]]) -> pa.Table:
    """A table of graded clips.

    Args:
        measure: What graded them.
        clip_ids: The clips.
        graded: For each the columns that `Measure.compare` gives.
    """
    rows = [{"clip_id": clip_id, "measure": measure.name, **columns} for clip_id, columns in zip(clip_ids, graded, strict=True)]
    return pa.Table.from_pylist(rows, measure.schema)


def read_current(folder: Folder, name: str, meta: QualityMeta) -> Quality | None:
    """A table of grades, or None if it does not exist or is of other bitstreams. Raises
    CorruptError, FetchError.
    """
    try:
        data = folder.read(name)
    except FileNotFoundError:
        return None
    return Quality.from_bytes(data, f"{folder.url}/{name}", meta.key)


def meta_of(
    condition: str, measured: Index, original: Index, measure: Measure, link: Link | None = None, software: str = ""
) -> QualityMeta:
    """The footer for grades of a condition.

    Args:
        condition: Name of the condition, with its link.
        measured: Index of the stored condition.
        original: Index of the originals.
        measure: What grades.
        link: What loses packets. Default: nothing.
        software: Versions of what decodes and grades.
    """
    return QualityMeta(
        condition=condition,
        measured=measured.digest,
        reference=original.digest,
        link="" if link is None else link.digest,
        measure=measure.name,
        method=measure.method,
        software=software,
    )


def find_quality(store: Store, condition: str, measure: str = "peaq", *, links: Mapping[str, Any] | None = None) -> Quality | None:
    """The grades of a condition; None if it was not measured, or was rebuilt since.

    Args:
        store: The opened store.
        condition: The condition.
        measure: Name of the measure.
        links: The links that the condition may name, as a recipe has them. Default: presets alone.

    Raises:
        LinkError: The condition's link is not defined.
        CorruptError: The grades are damaged.
        FetchError: They could not be read.
    """
    stored, name = split_link(condition)
    link = find_link(name, open_links(links)) if name else None
    meta = meta_of(condition, store.index(stored), store.index("original"), MEASURES[measure], link)
    return read_current(store.folder, quality_file(condition, measure), meta)


def load_quality(store: Store, condition: str, measure: str = "peaq", *, links: Mapping[str, Any] | None = None) -> Quality:
    """The grades of a condition.

    Args:
        store: The opened store.
        condition: The condition.
        measure: Name of the measure.
        links: The links that the condition may name, as a recipe has them. Default: presets alone.

    Raises:
        LinkError: The condition's link is not defined.
        StoreError: The condition was not measured, or was rebuilt since.
    """
    quality = find_quality(store, condition, measure, links=links)
    if quality is None:
        option = "" if measure == "peaq" else f" --measure {measure}"
        raise StoreError(
            f"{store.url}: no grades of '{condition}' as it is now; run 'streamaug quality {store.url} --conditions {condition}{option}'"
        )
    return quality
