"""Open a model, whatever it is: one file per kind."""

import os
from dataclasses import replace

import torch

from streamaug.errors import ModelError
from streamaug.files import absolute_path
from streamaug.references import is_reference
from streamaug.streaming.device import open_device
from streamaug.stress.models.base import OpenedModel
from streamaug.stress.models.checkpoint import open_checkpoint
from streamaug.stress.models.exported import open_exported
from streamaug.stress.models.imported import open_imported
from streamaug.stress.models.onnx import open_onnx
from streamaug.stress.models.torchscript import open_torchscript

TORCHSCRIPT = (".pt", ".ts", ".pth", ".torchscript")
"""Endings of the names of TorchScript files."""

FORMS = (
    "package.module:name, a file of torch.export (.pt2), a TorchScript file (.pt, .ts), an ONNX file (.onnx), or any other file with "
    "--class package.module:name"
)
"""What `open_model` takes, for help texts and errors."""

__all__ = ["FORMS", "OpenedModel", "open_model"]


def open_model(model: str, *, opener: str | None = None, device: str | None = None, name: str | None = None) -> OpenedModel:
    """Open a model as a user names it.

    Args:
        model: `package.module:name`, or the path of a file.
        opener: `package.module:name` of what opens the file: a LightningModule's class, or a function
            that takes the path.
        device: Such as `cuda:1`. Default: a CUDA device if there is one, of several ranks on one
            machine each its own; else the processor.
        name: What its card calls it. Default: `model`, of a file without its folder.

    Raises:
        ModelError: It is none of these, cannot be opened, or is not a model.
        StreamaugError: This machine does not have the device.
        MissingPackageError: A package that opens it is not installed.
    """
    opened = _open(model, opener, device)
    return opened if name is None else replace(opened, identity=opened.identity.model_copy(update={"name": name}))


def _open(model: str, opener: str | None, device: str | None) -> OpenedModel:
    computing = open_device(device) or torch.device("cpu") if device else _default_device()
    if opener is None and is_reference(model):
        return open_imported(model, computing)
    path = absolute_path(model)
    if not path.exists():
        raise ModelError(f"no model '{model}': there is no such file; write {FORMS}")
    if opener is not None:
        return open_checkpoint(path, opener, computing)
    if path.suffix == ".onnx":
        return open_onnx(path, computing if device else None)
    if path.suffix == ".pt2":
        return open_exported(path, computing)
    if path.suffix in TORCHSCRIPT:
        return open_torchscript(path, computing)
    hint = "add --class package.module:Class, its LightningModule" if path.suffix == ".ckpt" else f"write {FORMS}"
    raise ModelError(f"{model}: a file that ends in '{path.suffix}' does not say what opens it; {hint}")


def _default_device() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)) % torch.cuda.device_count())
