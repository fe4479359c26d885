"""Read and write the Parquet files of a store: the same table gives the same bytes, and altered
pages are noticed."""

import io

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


def from_parquet(data: bytes, where: str, remedy: str) -> pa.Table:
    """Read a Parquet file that may be damaged or hostile.

    Args:
        data: The file.
        where: Names the file in the error.
        remedy: What to do about it, for the error.

    Raises:
        CorruptError: The file is not readable, or a page does not match its checksum.
    """
    try:
        # Not read_table, which imports pandas: half a second. In this thread: Arrow's threads let go
        # of `data` some time later, and at the end of the process that aborts it.
        table = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True).read(use_threads=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CorruptError(f"{where}: not readable: {error}; {remedy}") from error
    return table
