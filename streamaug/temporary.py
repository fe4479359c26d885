"""Make temporary folders, and remove those of processes that were killed.

A temporary folder holds a lock file that stays locked while the folder is in use. The lock is the
operating system's, which frees it however the process ends: a folder whose lock is free is a
leftover.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from streamaug.errors import FetchError
from streamaug.files import disk_errors

_PREFIX = "streamaug-"
_LOCK = ".streamaug-lock"

_UNLOCKED_S = 3_600
"""Age in seconds from which on a folder without a lock file is a leftover: a process may be about to
make the file."""

_CONTENT = {"staged"}
"""What a leftover without a lock file may contain; anything else in a folder of such a name belongs
to the user."""


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder in this machine's temporary folder (TMPDIR), removed when the `with` block ends.

    Raises:
        FetchError: The disk is full or cannot be written.
    """
    parent = _parent()
    with disk_errors(parent):
        folder, lock = _new_folder(parent)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()


def sweep() -> None:
    """Remove what killed processes of this user left in the temporary folder.

    What cannot be removed stays: it takes nothing but space.
    """
    try:
        entries = [entry for entry in os.scandir(_parent()) if entry.name.startswith(_PREFIX)]
    except (OSError, FetchError):
        return
    for entry in entries:
        try:
            if entry.is_dir(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == os.getuid():
                _remove_if_unused(Path(entry.path))
        except OSError:
            continue


def _parent() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise FetchError(f"no temporary folder can be written: {error}; set TMPDIR to one that can") from error


def _new_folder(parent: Path) -> tuple[Path, FileLock]:
    """A folder whose lock this process holds; another one if a sweep took the lock first."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        lock = FileLock(folder / _LOCK)
        try:
            lock.acquire(timeout=0)
        except (Timeout, FileNotFoundError):
            continue
        if (folder / _LOCK).exists():
            return folder, lock
        lock.release()


def _remove_if_unused(folder: Path) -> None:
    lock = folder / _LOCK
    if not lock.exists():
        if time.time() - folder.stat().st_mtime > _UNLOCKED_S and {path.name for path in folder.iterdir()} <= _CONTENT:
            shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        with FileLock(lock, timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
    except Timeout:  # in use
        return
