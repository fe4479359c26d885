"""Describe the files in a listing of any file system."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in a listing.

    Args:
        size: Bytes.
        modified: When it was last written, in seconds since 1970 by the clock of its file system;
            0 if that is not known.
        tag: The server's ETag; empty if it has none.
    """

    size: int
    modified: float
    tag: str = ""


def listed_file(entry: Mapping[str, Any]) -> StoredFile:
    """A file from what fsspec lists, under names that depend on the file system.

    Args:
        entry: One entry of `fs.find(detail=True)`.
    """
    return StoredFile(int(entry["size"]), _modified(entry), str(entry.get("ETag") or entry.get("etag") or ""))


def _modified(entry: Mapping[str, Any]) -> float:
    value = next((entry[key] for key in ("mtime", "LastModified", "last_modified", "updated", "created") if entry.get(key)), 0.0)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    return value.timestamp() if isinstance(value, datetime) else float(value)
