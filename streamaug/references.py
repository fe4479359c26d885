"""Import what a user names as `package.module:name`."""

import importlib
import re
import sys
from pathlib import Path
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
        StreamaugError: Of that kind: there is no such module or name, or the module cannot be
            imported.

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
    for name in path.split("."):
        if not hasattr(value, name):
            public = [each for each in vars(value) if not each.startswith("_")] if hasattr(value, "__dict__") else []
            raise error(f"'{text}': there is no '{name}'. {nearest(name, public)}")
        value = getattr(value, name)
    return value
