"""Files that code of the user opens: Lightning checkpoints with their class, and any other file or
folder with a function."""

import inspect
import pickle
from pathlib import Path
from typing import Any

import torch

from streamaug.code_digests import code_text, path_digest
from streamaug.errors import ModelError
from streamaug.references import import_reference
from streamaug.stress.models.base import OpenedModel
from streamaug.stress.models.imported import opened
from streamaug.stress.settings import ModelIdentity


def open_checkpoint(path: Path, reference: str, device: torch.device) -> OpenedModel:
    """Open a file by what a user names.

    Args:
        path: The file or folder.
        reference: `package.module:name` of a LightningModule's class, whose checkpoint is loaded with
            `weights_only=True`; or of a callable that takes the path and gives the model.
        device: Where the model is moved to.

    Raises:
        ModelError: It cannot be imported, does not open the file, or gives no model.
    """
    opener = import_reference(reference, ModelError)
    is_lightning = isinstance(opener, type) and hasattr(opener, "load_from_checkpoint")
    model = _load_lightning(opener, path, reference) if is_lightning else _call(opener, path, reference)
    if not callable(model):
        raise ModelError(
            f"'{reference}' gives a {type(model).__name__} for {path}; it must give a torch.nn.Module, or a function on a batch"
        )
    identity = ModelIdentity(
        name=path.name, kind="lightning" if is_lightning else "file", sha256=path_digest(path), opened_by=_opener_text(reference, opener)
    )
    return opened(model, device, identity)


def _load_lightning(kind: Any, path: Path, reference: str) -> Any:
    if "weights_only" not in inspect.signature(kind.load_from_checkpoint).parameters:
        raise ModelError(f"{path}: this Lightning cannot load weights without running what else the file holds; upgrade it to 2.6")
    try:
        return kind.load_from_checkpoint(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: holds more than weights and plain values, and loading that could run any code: {str(error).splitlines()[0]}; save "
            "hyperparameters as plain values, or name a function of yours that opens the file with --class package.module:function"
        ) from error
    except Exception as error:  # of Lightning and of the user's class: whatever they raise
        raise ModelError(
            f"{path}: '{reference}' cannot load it: {type(error).__name__}: {error}; name the class that it was saved from, which calls "
            "self.save_hyperparameters() if it takes arguments"
        ) from error


def _call(opener: Any, path: Path, reference: str) -> Any:
    if not callable(opener) or not hasattr(opener, "__qualname__"):  # a card names the code that opened the file
        raise ModelError(
            f"'{reference}' is a {type(opener).__name__}; name a LightningModule, or a function that takes a path and is written with 'def'"
        )
    torch.manual_seed(0)
    try:
        return opener(path)
    except Exception as error:  # of a user's own code: whatever it raises
        raise ModelError(f"'{reference}' cannot open {path}: {type(error).__name__}: {error}") from error


def _opener_text(reference: str, opener: Any) -> str:
    """The reference, and the version or hash of its code."""
    return f"{reference} ({code_text(opener).rpartition(' ')[2][:16]})"
