"""Import what a user names as `package.module:name`."""

import filecmp
import importlib
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from streamaug.errors import StreamaugError
from streamaug.hints import nearest

_REFERENCE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_reference(text: str) -> bool:
    """Whether a text has the form `package.module:name`.

    >>> is_reference("models:ast"), is_reference("timm.models:resnet18.small"), is_reference("model.onnx"), is_reference("C:/model")
    (True, True, False, False)
    """
    return _REFERENCE.fullmatch(text) is not None


def import_reference(text: str, error: type[StreamaugError], folder: Path | None = None) -> Any:
    """The object that a reference names. Modules of the working directory are found, too, as with
    `python -m`.

    Args:
        text: Such as `package.module:name`, or `package.module:Class.method`.
        error: Kind of error to raise.
        folder: Another folder whose modules are found. Default: none.

    Raises:
        StreamaugError: Of that kind: there is no such module or name, the module cannot be imported,
            or it is not the one of the folder.

    >>> import_reference("os.path:basename", StreamaugError)("/a/b")
    'b'
    """
    module_name, _, path = text.partition(":")
    for each in (str(Path.cwd()), *([str(folder)] if folder else [])):
        if each not in sys.path:
            sys.path.insert(0, each)
    try:
        value = importlib.import_module(module_name)
    except ModuleNotFoundError as missing:
        if missing.name is None or not f"{module_name}.".startswith(f"{missing.name}."):
            raise error(f"'{text}': {module_name} needs the module '{missing.name}', which is not installed; install it") from missing
        raise error(
            f"'{text}': there is no module '{missing.name}'; run the command in the folder that has it, or install its package"
        ) from missing
    except Exception as failed:  # of a user's own code: whatever it raises while it is imported
        raise error(f"'{text}': {module_name} cannot be imported: {type(failed).__name__}: {failed}") from failed
    if folder is not None and (own := _module_file(module_name, folder)) and not _is_from(value, own):
        taken = getattr(value, "__file__", None) or "a built-in module"
        raise error(f"'{text}': the name {module_name} is taken by {taken}, so that {own} cannot be imported besides; rename one of them")
    for name in path.split("."):
        if not hasattr(value, name):
            public = [each for each in vars(value) if not each.startswith("_")] if hasattr(value, "__dict__") else []
            raise error(f"'{text}': there is no '{name}'. {nearest(name, public)}")
        value = getattr(value, name)
    return value


def _module_file(name: str, folder: Path) -> Path | None:
    """The file of a module in a folder; None if the folder does not have it."""
    path = folder.joinpath(*name.split("."))
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _is_from(module: ModuleType, file: Path) -> bool:
    """Whether a module is from a file, or from an equal one, such as where its package is installed."""
    found = getattr(module, "__file__", None)
    return found is not None and Path(found).is_file() and filecmp.cmp(found, file, shallow=False)
