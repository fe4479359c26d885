"""Models that are imported: `package.module:name` is a module, a class or function that makes one,
or any other callable on a batch."""

import inspect
from typing import Any

import torch
from torch import nn

from streamaug.errors import ModelError
from streamaug.references import import_reference
from streamaug.stress.models.base import OpenedModel, class_names_of
from streamaug.stress.models.identity import object_digest
from streamaug.stress.settings import ModelIdentity


def open_imported(reference: str, device: torch.device) -> OpenedModel:
    """Import a model.

    What can be called without arguments makes the model: it is called once, with PyTorch's
    generators seeded, so that weights that nobody loads are the same in every process. Anything else
    is the model.

    Args:
        reference: `package.module:name`.
        device: Where a module is moved to, and where batches come.

    Raises:
        ModelError: It cannot be imported or made, or is not a model.
    """
    model = import_reference(reference, ModelError)
    if isinstance(model, type) or (not isinstance(model, nn.Module) and callable(model) and _takes_nothing(model)):
        torch.manual_seed(0)
        try:
            model = model()
        except Exception as error:  # of a user's own code: whatever it raises
            raise ModelError(f"'{reference}' does not make a model: {type(error).__name__}: {error}") from error
    if not callable(model):
        raise ModelError(f"'{reference}' is {_kind(model)}; name a torch.nn.Module, a function on a batch, or what makes one of them")
    return opened(model, device, ModelIdentity(name=reference, kind="imported", sha256=object_digest(model)))


def opened(model: Any, device: torch.device, identity: ModelIdentity) -> OpenedModel:
    """A model in PyTorch, in evaluation mode.

    Args:
        model: A module, or another callable on a batch.
        device: Where a module is moved to, and where batches come.
        identity: Which model it is.
    """
    if isinstance(model, nn.Module):
        model = model.eval().to(device)
    return OpenedModel(identity=identity, answer=model, device=device, computes_on=device.type, class_names=class_names_of(model))


def _takes_nothing(function: Any) -> bool:
    """Whether a function can be called without arguments."""
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):  # it needs some, or is built in
        return False
    return True


def _kind(value: Any) -> str:
    return "None" if value is None else f"of type {type(value).__name__}"
