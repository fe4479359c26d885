"""Read and write the Parquet files of a store: the same table gives the same bytes, and altered
pages are noticed."""

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streamaug.errors import CorruptError
from streamaug.store.format import ROW_GROUP


def to_parquet(table: pa.Table) -> bytes:
    """Write a table as a Parquet file with a checksum on every page.

    >>> table = pa.table({"clip_id": ["a"]})
    >>> from_parquet(to_parquet(table), "clips.parquet", "run the build again").equals(table)
    True
    """
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=ROW_GROUP, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def read_here(data: bytes, **settings: Any) -> pa.Table:
    """Read a Parquet file in this thread alone.

    Arrow's threads let go of a file in Python's memory some time later, which aborts a process that
    ends at that moment. (And not `pq.read_table`, which imports pandas: half a second.)

    Args:
        data: The file.
        settings: Arguments of `pq.ParquetFile`.
    """
    return pq.ParquetFile(pa.BufferReader(data), pre_buffer=False, **settings).read(use_threads=False)


def from_parquet(data: bytes, where: str, remedy: str, *, is_verified: bool = False) -> pa.Table:
    """Read a Parquet file that may be damaged or hostile.

    Args:
        data: The file.
        where: Names the file in the error.
        remedy: What to do about it, for the error.
        is_verified: Whether the file has the hash that it must have. Default: each page is compared
            with its checksum.

    Raises:
        CorruptError: The file is not readable, or a page does not match its checksum.
    """
    try:
        table = read_here(data, page_checksum_verification=not is_verified)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CorruptError(f"{where}: not readable: {error}; {remedy}") from error
    return table
