"""Accuracies by condition as a chart, with intervals and what guessing gives."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from streamaug.condition_names import split_store
from streamaug.pages.charts import Series, by_condition
from streamaug.stress.bootstrap import ENDS, resampled_means
from train.predictions import by_clip
from train.results import chance_of


def accuracy_series(predictions: pa.Table, row: str, conditions: Sequence[str], name: str) -> Series:
    """Accuracies of an experiment row in percent, with 95 % intervals of a bootstrap over groups of
    clips.

    Args:
        predictions: The predictions.
        row: The experiment row.
        conditions: The conditions, in the order to draw.
        name: What to call the row.
    """
    ends = np.empty((2, len(conditions)))
    values = np.empty(len(conditions))
    stores = np.array([split_store(condition)[0] for condition in conditions])
    for store in np.unique(stores):  # whose conditions were evaluated on the same clips
        own = np.flatnonzero(stores == store).tolist()
        found = [by_clip(predictions, row, conditions[number]) for number in own]
        right = np.stack([shares for _, _, shares in found], 1)
        values[own] = right.mean(0)
        ends[:, own] = np.percentile(resampled_means(right, found[0][1]), ENDS, axis=0)
    low, high = (100 * ends).tolist()
    return Series(name=name, values=(100 * values).tolist(), low=low, high=high)


def accuracy_chart(predictions: pa.Table, conditions: Sequence[str], series: Sequence[Series]) -> bytes:
    """PNG of accuracies by condition, with what guessing gives.

    Args:
        predictions: The predictions.
        conditions: The conditions, in the order to draw.
        series: From `accuracy_series`.
    """
    label = f"accuracy in %, {counted(predictions)}; 95 % intervals"
    return by_condition(conditions, series, label=label, chance=100 * chance_of(predictions), limits=(0, 100))


def counted(predictions: pa.Table) -> str:
    """How many clips in how many groups were evaluated, for people."""
    clips, groups = (len(predictions[column].unique()) for column in ("clip_id", "group"))
    return f"{clips} clips in {groups} groups" if groups < clips else f"{clips} clips"
