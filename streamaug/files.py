"""Write a local file whole or not at all."""

import os
import uuid
from pathlib import Path


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader finds the old one or the whole new one, after a crash too.

    Args:
        path: Local path; its folder must exist.
        data: Content; text is written as UTF-8.

    Raises:
        OSError: The disk is full, read-only or gone; the old file stays.
    """
    partial = path.with_name(f".{path.name}-{uuid.uuid4().hex}.partial")
    try:
        with partial.open("xb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
