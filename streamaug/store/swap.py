"""Replace a small file only if nobody else has replaced it in the meantime.

On a local disk a lock of the operating system guards the comparison, on S3 the server compares
(`If-Match`, `If-None-Match`). Other file systems have neither in common: there a lease, a small
object that expires, keeps other writers out.
"""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock

from streamaug.errors import StoreError
from streamaug.store.folder import Folder
from streamaug.store.format import SNAPSHOTS

_LOCK = f"{SNAPSHOTS}/lock"
_LEASE = f"{SNAPSHOTS}/lease.json"
_LEASE_S = 60.0
"""Seconds after which a lease of a process that was killed no longer counts."""

_SETTLE_S = 1.0
"""Seconds between writing a lease and believing in it, for a rival that wrote at the same time."""


def replace_if(folder: Folder, name: str, old: bytes | None, new: bytes) -> bool:
    """Write a file if its content is still what it was.

    Args:
        folder: The folder.
        name: The file.
        old: The content that is to be replaced; None if there must be no file.
        new: The new content.

    Returns:
        False if the file has another content by now; it is left alone then.

    Raises:
        FetchError: The file could not be read or written.
        StoreError: Another process holds the lease for too long.
    """
    if folder.is_s3:
        return _replace_on_s3(folder, name, old, new)
    with _locked(folder) if folder.is_local else _leased(folder):
        if _content(folder, name) != old:
            return False
        folder.write(name, new)
        return True


def _content(folder: Folder, name: str) -> bytes | None:
    try:
        return folder.read(name)
    except FileNotFoundError:
        return None


@contextmanager
def _locked(folder: Folder) -> Iterator[None]:
    """Hold the lock of a local folder, waiting for it; a killed process leaves none."""
    path = folder.local_path(_LOCK)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The file stays: a lock on a file that was removed would keep nobody out.
    with FileLock(path):
        yield


def _replace_on_s3(folder: Folder, name: str, old: bytes | None, new: bytes) -> bool:
    # The tag first: if the object changes after that, the server refuses the tag.
    tag = folder.tag(name) if old is not None else None
    if _content(folder, name) != old:
        return False
    return folder.write_if(name, new, tag) or _content(folder, name) == new  # the answer to a first try may have been lost


@contextmanager
def _leased(folder: Folder) -> Iterator[None]:
    """Hold the lease of a remote folder, waiting until it is free or has expired."""
    owner = uuid.uuid4().hex
    deadline = time.monotonic() + 2 * _LEASE_S
    while True:
        if not _is_held(_content(folder, _LEASE)):
            folder.write(_LEASE, json.dumps({"owner": owner, "expires": time.time() + _LEASE_S}).encode())
            time.sleep(_SETTLE_S)
            if f'"{owner}"'.encode() in (_content(folder, _LEASE) or b""):
                break
        if time.monotonic() > deadline:
            raise StoreError(f"{folder.url}/{_LEASE}: another process has held the lease for {2 * _LEASE_S:g} s; run this again later")
        time.sleep(_SETTLE_S)
    try:
        yield
    finally:
        if f'"{owner}"'.encode() in (_content(folder, _LEASE) or b""):  # else it has expired and is another's
            folder.remove(_LEASE)


def _is_held(lease: bytes | None) -> bool:
    try:
        return lease is not None and float(json.loads(lease)["expires"]) > time.time()
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return False
