"""Tell whether a file or a piece of code is still the same: hashes, and versions of packages."""

import hashlib
import inspect
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any


def path_digest(path: Path) -> str:
    """The sha256 of a file, or of all files of a folder with their names, in hex.

    Args:
        path: The file or folder.
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    digest = hashlib.sha256()
    for each in sorted(each for each in path.rglob("*") if each.is_file()):
        digest.update(f"{each.relative_to(path).as_posix()} {path_digest(each)}\n".encode())
    return digest.hexdigest()


def code_text(code: Callable[..., Any]) -> str:
    """Name and version of a class or function: that of its package, or the hash of its source file.

    Args:
        code: A class or function.

    >>> from pydantic import BaseModel
    >>> code_text(BaseModel).startswith("pydantic.main.BaseModel pydantic ")
    True
    """
    name = f"{code.__module__}.{code.__qualname__}"
    package = code.__module__.partition(".")[0]
    try:
        return f"{name} {package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        pass
    try:
        file = inspect.getsourcefile(inspect.unwrap(code))
    except TypeError:  # it is built in
        file = None
    return f"{name} {path_digest(Path(file)) if file and Path(file).is_file() else 'without source'}"
