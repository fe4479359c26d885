"""What a model is once it is open: something that answers a batch, and its identity."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from streamaug.stress.settings import ModelIdentity


@dataclass(frozen=True, kw_only=True)
class OpenedModel:
    """A model that is ready to answer.

    Args:
        identity: Which model it is.
        answer: From a batch, float32 (n, ...) on `device`, to what the model gives.
        device: Where batches must be.
        computes_on: Kind of the device that the model computes on, such as `cuda`.
        class_names: What the model itself calls its classes, in its order; None if it does not say.
        versions: Of the libraries that compute, by name.
    """

    identity: ModelIdentity
    answer: Callable[[Tensor], Any]
    device: torch.device
    computes_on: str
    class_names: tuple[str, ...] | None = None
    versions: Mapping[str, str] = field(default_factory=lambda: {"torch": str(torch.__version__)})


def class_names_of(model: Any) -> tuple[str, ...] | None:
    """What a model calls its classes: its attribute `labels`, or `config.id2label` of a Hugging Face
    model that has been given names.

    Args:
        model: The model.

    >>> from types import SimpleNamespace
    >>> class_names_of(SimpleNamespace(labels=["cat", "dog"]))
    ('cat', 'dog')
    >>> class_names_of(SimpleNamespace(config=SimpleNamespace(id2label={1: "dog", 0: "cat"})))
    ('cat', 'dog')
    >>> class_names_of(SimpleNamespace(config=SimpleNamespace(id2label={0: "LABEL_0", 1: "LABEL_1"})))
    """
    labels = getattr(model, "labels", None)
    if isinstance(labels, Sequence) and not isinstance(labels, str) and labels and all(isinstance(label, str) for label in labels):
        return tuple(labels)
    by_number = getattr(getattr(model, "config", None), "id2label", None)
    if not isinstance(by_number, Mapping) or not by_number:
        return None
    names = tuple(str(by_number[number]) for number in sorted(by_number))
    return None if names == tuple(f"LABEL_{number}" for number in range(len(names))) else names
