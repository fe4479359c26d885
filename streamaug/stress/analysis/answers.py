"""What a model answered, as arrays: checked, and in the order in which a card shows conditions."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streamaug.condition_names import split_link
from streamaug.conditions import Condition
from streamaug.errors import ConditionError, CorruptError
from streamaug.stress.analysis.breaking import encoder_of
from streamaug.stress.analysis.metrics import Metric, detection_scores, metric_for, replicates, threshold_at_equal_error
from streamaug.stress.predictions import Predictions

_REMEDY = "run 'streamaug stress' again in another folder"


def card_order(condition: str) -> tuple[int, str, float, str]:
    """Sorts conditions: `original`, codecs by name, encoder and bitrate, then chains and effects; what
    loses packets on a link after what does not.

    >>> sorted(["pitch+aac_8", "mp3_8@shine", "mp3_64", "mp3_128", "aac_32", "original"], key=card_order)
    ['original', 'aac_32', 'mp3_64', 'mp3_128', 'mp3_8@shine', 'pitch+aac_8']
    >>> sorted(["sbc_64", "sbc_32~wifi@1", "sbc_32"], key=card_order)
    ['sbc_32', 'sbc_32~wifi@1', 'sbc_64']
    """
    steps = Condition.parse(condition).steps
    if encoder := split_link(encoder_of(condition))[0]:
        return 1, encoder, steps[0].kbps, condition
    return 2 if steps else 0, "", 0.0, condition


@dataclass(frozen=True, kw_only=True)
class Answers:
    """A model's scores for the same clips in several conditions.

    Args:
        target: `label` or `labels`: one class per clip, or any number.
        labels: Names of the classes. Of two classes of which a single score is for one, that one
            comes second.
        conditions: The conditions in the order of a card, `original` first.
        clip_ids: Ascending, (clips,).
        groups: What clips have in common, (clips,).
        truth: Which clips have which class, bool of shape (clips, classes).
        scores: Of shape (conditions, clips, columns); one column per class, or a single one.
    """

    target: str
    labels: tuple[str, ...]
    conditions: tuple[str, ...]
    clip_ids: np.ndarray
    groups: np.ndarray
    truth: np.ndarray
    scores: np.ndarray

    @cached_property
    def metric(self) -> Metric:
        """What the model is judged by."""
        return metric_for(self.target, self.scores.shape[2])

    @cached_property
    def values(self) -> np.ndarray:
        """The metric of each condition, (conditions,)."""
        return np.array([self.metric.value(each, self.truth) for each in self.scores])

    @cached_property
    def draws(self) -> np.ndarray:
        """The metric of each condition for draws of groups: (draws, conditions)."""
        return replicates(self.metric, self.scores, self.truth, self.groups)

    @cached_property
    def group_count(self) -> int:
        return len(np.unique(self.groups))

    @cached_property
    def chance(self) -> float:
        """What guessing gives: always the most frequent class; of several labels, the mean share of
        clips that have one; of two classes, half of the answers wrong."""
        if self.metric.name == "EER":
            return 0.5
        shares = self.truth.mean(0)
        return float(shares.max() if self.target == "label" else shares[shares > 0].mean())

    @cached_property
    def threshold(self) -> float:
        """The score from which a clip counts as the second class: that of the equal error rate on
        the original, so that a codec which shifts all scores shows."""
        return threshold_at_equal_error(detection_scores(self.scores[0]), self.truth[:, 1])

    @cached_property
    def margins(self) -> np.ndarray:
        """How sure the model is of the right class, of one label per clip: its score less the
        greatest other one, or of a single score its distance from the threshold. (conditions, clips)
        """
        number = self.truth.argmax(1)
        if self.scores.shape[2] == 1:
            distance = self.scores[:, :, 0].astype(np.float64) - self.threshold
            return np.where(number == 1, distance, -distance)
        own = self.scores[:, np.arange(len(number)), number].astype(np.float64)
        margins: np.ndarray = own - np.where(self.truth, -np.inf, self.scores).max(2)
        return margins

    @cached_property
    def answered(self) -> np.ndarray:
        """The class that the model answers, of one label per clip: (conditions, clips)."""
        if self.scores.shape[2] == 1:
            return (self.scores[:, :, 0] >= self.threshold).astype(np.int64)
        answered: np.ndarray = self.scores.argmax(2)
        return answered

    @cached_property
    def right(self) -> np.ndarray:
        """Whether the answer is right, of one label per clip: bool of shape (conditions, clips)."""
        right: np.ndarray = self.answered == self.truth.argmax(1)
        return right

    @cached_property
    def coded(self) -> np.ndarray:
        """Numbers of the conditions that are not the original."""
        return np.arange(1, len(self.conditions))

    @cached_property
    def answers_digest(self) -> str:
        """sha256 of the class with the greatest score for each clip in each condition, in hex; of a
        single score, of the class on whose side of the threshold it is. Last bits, in which machines
        differ, do not change it."""
        numbers = self.answered if self.scores.shape[2] == 1 else self.scores.argmax(2)
        answered = {name: np.take(self.labels, each).tolist() for name, each in zip(self.conditions, numbers, strict=True)}
        content = [self.clip_ids.tolist(), answered]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @cached_property
    def clips_digest(self) -> str:
        """sha256 of the clips with their groups and classes, in hex; the order of the classes does not
        change it."""
        classes = [sorted(self.labels[number] for number in np.flatnonzero(each)) for each in self.truth]
        content = [self.target, sorted(self.labels), self.clip_ids.tolist(), self.groups.tolist(), classes]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def answers_of(predictions: Predictions, labels: Sequence[str], where: str) -> Answers:
    """Check predictions and turn them into arrays.

    Args:
        predictions: Of one model.
        labels: The labels of the store.
        where: Names the predictions in errors.

    Raises:
        CorruptError: They contradict themselves or the labels, or cover other clips in one condition
            than in another, or there are none on the original.
    """
    table = predictions.table
    target = "labels" if "labels" in table.column_names else "label"
    names, columns = tuple(labels), predictions.columns
    if columns != names:
        if target != "label" or len(names) != 2 or len(columns) != 1 or columns[0] not in names:
            raise CorruptError(f"{where}: the scores are for {', '.join(columns)}, but the labels are {', '.join(names)}; {_REMEDY}")
        names = (names[0] if columns[0] == names[1] else names[1], columns[0])
    try:
        conditions = sorted(predictions.conditions, key=card_order)
    except ConditionError as error:
        raise CorruptError(f"{where}: {error}; {_REMEDY}") from error
    if conditions[0] != "original":
        raise CorruptError(f"{where}: there are no predictions on 'original', with which all others are compared; add it to the conditions")
    order = np.array(pc.sort_indices(table, [("condition", "ascending"), ("clip_id", "ascending")]))
    table = table.take(order)
    parts = {name: table.filter(pc.equal(table["condition"], name)) for name in conditions}
    first = parts["original"]
    for name, part in parts.items():
        for column in ("clip_id", "group", target):
            if part[column].combine_chunks() != first[column].combine_chunks():
                raise CorruptError(
                    f"{where}: '{name}' has {len(part)} clips, 'original' has {len(first)}, and their column '{column}' is not the same; a "
                    f"card compares the same clips in all conditions, so leave '{name}' out, or build it for all clips"
                )
    if len(pc.unique(first["clip_id"])) != len(first):
        raise CorruptError(f"{where}: a clip appears twice in 'original'; {_REMEDY}")
    scores = np.stack([_flat(part["scores"]).to_numpy().reshape(len(part), len(columns)) for part in parts.values()])
    if not np.isfinite(scores).all():
        condition, clip = np.argwhere(~np.isfinite(scores))[0][:2]
        clip_id = first["clip_id"][int(clip)].as_py()
        raise CorruptError(f"{where}: clip '{clip_id}' in '{conditions[condition]}' has a score that is not a number; check the model")
    return Answers(
        target=target,
        labels=names,
        conditions=tuple(conditions),
        clip_ids=np.array(first["clip_id"].to_pylist()),
        groups=np.array(first["group"].to_pylist()),
        truth=_truth(first[target], names, where),
        scores=scores,
    )


def _flat(lists: pa.ChunkedArray) -> pa.Array:
    return pc.list_flatten(lists.combine_chunks())


def _truth(column: pa.ChunkedArray, names: Sequence[str], where: str) -> np.ndarray:
    """Which clips have which class: bool of shape (clips, classes)."""
    is_single = pa.types.is_string(column.type)
    rows = np.arange(len(column)) if is_single else pc.list_parent_indices(column.combine_chunks()).to_numpy()
    numbers = pc.index_in(column if is_single else _flat(column), pa.array(names))
    if numbers.null_count:
        raise CorruptError(f"{where}: a clip has a label that the store does not have; {_REMEDY}")
    truth = np.zeros((len(column), len(names)), bool)
    truth[rows, numbers.to_numpy()] = True
    return truth
