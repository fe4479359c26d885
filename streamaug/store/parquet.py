"""Parquet files of a store: the same table gives the same bytes, and altered pages are noticed."""

import io

import pyarrow as pa
import pyarrow.parquet as pq

from streamaug.errors import CorruptError
from streamaug.store.format import ROW_GROUP


def to_parquet(table: pa.Table) -> bytes:
    """A file with a checksum on every page.

    >>> table = pa.table({"clip_id": ["a"]})
    >>> from_parquet(to_parquet(table), "here", "build it again").equals(table)
    True
    """
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=ROW_GROUP, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def from_parquet(data: bytes, where: str, remedy: str) -> pa.Table:
    """Read a file that may be damaged or hostile; `where` and `remedy` are for the error. Raises CorruptError."""
    try:
        # Not read_table, which imports pandas: half a second.
        table = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True).read()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CorruptError(f"{where}: not readable: {error}; {remedy}") from error
    return table
