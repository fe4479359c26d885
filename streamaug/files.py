"""Name local files, and write them whole or not at all."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL = ".partial"
"""How names of files end that are being written; their names begin with a dot."""


def absolute_path(path: str | os.PathLike[str]) -> Path:
    """The path that a user means: `~` is the home folder, and a relative one begins in the current
    working directory.

    Args:
        path: As the user wrote it.

    >>> absolute_path("/data/../store")
    PosixPath('/data/../store')
    """
    return Path(os.path.expanduser(path)).absolute()  # noqa: PTH111  # Path.expanduser fails on a file called "~name"


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
