"""What a run learns of each clip, one class or several: its targets, loss and probabilities."""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from streamaug.store import Store
from streamaug.store.catalogue import StoreLike
from train.errors import RunError


class Task(Protocol):
    """Maps from a batch and a model's outputs, logits of shape (..., classes)."""

    def targets(self, batch: Mapping[str, Any], classes: int) -> Tensor:
        """What the rows of a batch shall give, in [0, 1], of shape (rows, classes)."""

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean loss, in nats."""

    def divergence(self, logits: Tensor) -> Tensor:
        """How far the views of a clip disagree, in nats; logits of shape (views, rows, classes)."""

    def probabilities(self, logits: Tensor) -> Tensor:
        """Probability of each class."""


class OneLabel(Task):
    """One class per clip: softmax and cross-entropy."""

    def targets(self, batch: Mapping[str, Any], classes: int) -> Tensor:
        return F.one_hot(batch["label"], classes)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(logits, targets)

    def divergence(self, logits: Tensor) -> Tensor:
        return divergence(logits)

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(-1)


class SeveralLabels(Task):
    """Any number of classes per clip: a sigmoid and binary cross-entropy for each."""

    def targets(self, batch: Mapping[str, Any], classes: int) -> Tensor:  # noqa: ARG002  # the Protocol's signature
        targets: Tensor = batch["labels"]
        return targets

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, targets)

    def divergence(self, logits: Tensor) -> Tensor:
        # A sigmoid is a softmax of the logit and 0: the class is there, or it is not.
        return divergence(torch.stack([logits, torch.zeros_like(logits)], -1))

    def probabilities(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()


def divergence(logits: Tensor) -> Tensor:
    """Mean Kullback-Leibler divergence of each view's classes from the views' mean (Jensen-Shannon,
    in nats).

    Args:
        logits: Of shape (views, ..., classes).

    >>> round(divergence(torch.tensor([[[99.0, 0.0]], [[0.0, 99.0]]])).item(), 4)  # complete disagreement: ln 2
    0.6931
    """
    logs = logits.log_softmax(-1)
    mean = logs.exp().mean(0)
    return (logs.exp() * (logs - mean.log())).sum(-1).mean()


def task_of(store: StoreLike) -> Task:
    """The task of a store's kind.

    Args:
        store: The opened store.

    Raises:
        RunError: Its clips have no labels.
    """
    match store.manifest.target:
        case "label":
            return OneLabel()
        case "labels":
            return SeveralLabels()
        case "target":
            raise RunError(
                f"{store.url} has numbers as targets, but the models of train/ are classifiers; train on batch['target'] of a Stream, "
                "with a model and a loss of your own"
            )
        case None:
            raise RunError(f"{store.url} has no labels to train a classifier on; build it from a table with a column label or labels")


def check_one_label(store: Store) -> None:
    """Raise RunError if the paper's experiments do not apply, since clips do not have one label each."""
    if store.manifest.target != "label":
        raise RunError(f"{store.url}: the paper's experiments need one label per clip; use 'python -m train.run' for clips with several")
