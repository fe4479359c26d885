"""Compute average precisions from predictions of several labels per clip, and write them as tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.stress.analysis.metrics import precisions as average_precisions
from train.predictions import in_order
from train.results import paper_order


@dataclass(frozen=True, kw_only=True)
class Precisions:
    """Average precision of every label in every condition.

    Args:
        labels: The store's labels.
        conditions: The evaluated conditions.
        values: Of shape (labels, conditions); NaN where no clip of the condition has the label, as
            with several stores.
        shares: Share of the clips that have each label, of the same shape: what guessing gives.
    """

    labels: tuple[str, ...]
    conditions: tuple[str, ...]
    values: np.ndarray
    shares: np.ndarray

    @property
    def means(self) -> np.ndarray:
        """Mean average precision (mAP, each label counts the same) of each condition."""
        means: np.ndarray = np.nanmean(self.values, 0)
        return means


def precisions(predictions: pa.Table, labels: Sequence[str]) -> Precisions:
    """Average precisions of one run.

    Args:
        predictions: Of this run alone (`train.predictions.LABELS_SCHEMA`).
        labels: The store's labels.
    """
    conditions = paper_order(in_order(predictions, "condition"))
    values, shares = np.full((2, len(labels), len(conditions)), np.nan)
    for number, condition in enumerate(conditions):
        chosen = predictions.filter(pc.equal(predictions["condition"], condition))
        scores = np.array(chosen["probabilities"].to_pylist())
        truth = np.array([[label in own for label in labels] for own in chosen["labels"].to_pylist()])
        shares[:, number] = truth.mean(0)
        values[:, number] = average_precisions(scores, truth, np.ones((1, len(truth))))[0]
    return Precisions(labels=tuple(labels), conditions=tuple(conditions), values=values, shares=shares)
