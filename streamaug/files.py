"""Name local files, write them whole or not at all, and explain why a disk takes nothing more."""

import errno
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from streamaug.errors import FetchError

PARTIAL = ".partial"
"""How names of files end that are being written; their names begin with a dot."""

_DISK_ERRORS = {
    errno.ENOSPC: ("the disk is full", "free some space on it"),
    errno.EDQUOT: ("the disk quota is used up", "free some space, or ask for a greater quota"),
    errno.EROFS: ("the file system is read-only", "mount it for writing, or choose another folder"),
    errno.EACCES: ("no permission", "change the owner or the rights of the folder, or choose another one"),
    errno.EPERM: ("no permission", "change the owner or the rights of the folder, or choose another one"),
    errno.EIO: ("the disk failed to read or write", "check the disk"),
    errno.EFBIG: (
        "the file is larger than the file system or the limit of this process allows",
        "choose another folder, or raise the limit",
    ),
    errno.ENOTDIR: ("a part of the path is a file, not a folder", "choose another folder"),
    errno.EMFILE: ("this process has too many open files", "raise the limit with 'ulimit -n'"),
}
"""What is wrong with a disk, and what to do, by the operating system's code."""


def absolute_path(path: str | os.PathLike[str]) -> Path:
    """The path that a user means: `~` is the home folder, and a relative one begins in the current
    working directory.

    Args:
        path: As the user wrote it.

    >>> absolute_path("/data/../store")
    PosixPath('/data/../store')
    """
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111  # Path.expanduser fails on a file called "~name"


def disk_error(error: OSError, path: str) -> FetchError | None:
    """The error to raise instead of one of the operating system, or None for one that is not about
    a disk.

    Args:
        error: The operating system's error.
        path: Names the file where `error` does not.

    >>> print(disk_error(OSError(errno.EROFS, "Read-only file system"), "/data/store"))
    /data/store: the file system is read-only; mount it for writing, or choose another folder, and run the command again
    """
    known = _DISK_ERRORS.get(error.errno or 0)
    if known is None:
        return None
    path = os.fsdecode(error.filename) if error.filename else path
    reason, remedy = known
    if error.errno == errno.ENOSPC and not _has_inodes(Path(path)):
        reason, remedy = "the disk is full: it has no inode left for another file", "remove some files from it"
    return FetchError(f"{path}: {reason}; {remedy}, and run the command again")


def disk_remedy(error: BaseException) -> str:
    """What to do about an error of the operating system; empty for one that is not about a disk."""
    known = _DISK_ERRORS.get(error.errno or 0) if isinstance(error, OSError) else None
    return known[1] if known else ""


def _has_inodes(path: Path) -> bool:
    """Whether the file system of a path can hold another file; true if it does not say."""
    for folder in (path, *path.parents):
        try:
            status = os.statvfs(folder)
        except OSError:
            continue
        return status.f_favail > 0 or status.f_files == 0
    return True


@contextmanager
def disk_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Explain errors of a disk that occur in the `with` block.

    Args:
        path: What is written, for errors that do not name a file.

    Raises:
        FetchError: The disk is full or read-only, or takes no files from this user; names the file
            and what to do.
    """
    try:
        yield
    except OSError as error:
        explained = disk_error(error, os.fspath(path))
        if explained is None:
            raise
        raise explained from error


@contextmanager
def staged_file(path: Path | Callable[[], Path], *, directory: Path | None = None) -> Iterator[Path]:
    """A temporary path to write to, renamed to `path` when the `with` block ends without an error.

    A reader finds the old file or the whole new one, after a crash too. Several processes may write
    the same file: each has a temporary file of its own, and the last one to end wins.

    Args:
        path: Local path; its folder must exist when the block ends. A function is called then, for
            a name that depends on the content; it needs a `directory`.
        directory: Folder for the temporary file, on the same file system. Default: the folder of
            `path`.

    Raises:
        OSError: The disk is full, read-only or gone; the old file stays.
    """
    if directory is None:
        assert isinstance(path, Path), "a name that is not known yet has no folder"
        directory = path.parent
    partial = directory / f".{uuid.uuid4().hex}{PARTIAL}"
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.replace(path if isinstance(path, Path) else path())
    finally:
        partial.unlink(missing_ok=True)


def write_whole(path: Path, data: bytes | str) -> None:
    """Write a file so that a reader finds the old one or the whole new one, after a crash too.

    Args:
        path: Local path; its folder must exist.
        data: Content; text is written as UTF-8.

    Raises:
        OSError: The disk is full, read-only or gone; the old file stays.
    """
    with staged_file(path) as partial:
        partial.write_bytes(data.encode() if isinstance(data, str) else data)
