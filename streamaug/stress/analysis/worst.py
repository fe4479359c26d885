"""The clips whose answer coding changes most: right and sure on the original, wrong and sure coded."""

from collections.abc import Iterator

import numpy as np

from streamaug.store.format import Strict
from streamaug.stress.analysis.answers import Answers
from streamaug.stress.analysis.figure import Score

WORST = 8
"""The most clips to name."""

_ANSWERS = 3


class ChangedClip(Strict):
    """A clip that a codec turns into something else.

    Args:
        clip_id: The clip.
        condition: The coded condition.
        labels: What the clip is.
        label: The class that is lost or found wrongly; of one label per clip, the clip's own.
        original: The greatest scores on the original, as (label, score); of several labels per clip,
            that of `label` comes first.
        coded: The same in the condition.
    """

    clip_id: str
    condition: str
    labels: tuple[str, ...]
    label: str
    original: tuple[tuple[str, Score], ...]
    coded: tuple[tuple[str, Score], ...]


def changed_clips(answers: Answers, most: int = WORST) -> list[ChangedClip]:
    """The clips whose answer changes most, the greatest change first: one for each class and
    condition, each clip once, and no condition more than its share of the list (but twice).

    Of one label per clip, the smaller of two margins counts: that by which the right class leads on
    the original, and that by which a wrong one leads when coded. Of several labels, the change of a
    label's score for the worse counts.

    Args:
        answers: The answers.
        most: The most clips to return.
    """
    found: list[ChangedClip] = []
    clips: set[int] = set()
    share = max(2, -(-most // max(1, len(answers.coded))))
    taken = np.zeros(len(answers.conditions), int)
    for _, condition, clip, label in sorted(_greatest_changes(answers)):
        if len(found) == most:
            break
        if clip in clips or taken[condition] == share:
            continue
        clips.add(clip)
        taken[condition] += 1
        found.append(
            ChangedClip(
                clip_id=str(answers.clip_ids[clip]),
                condition=answers.conditions[condition],
                labels=tuple(answers.labels[number] for number in np.flatnonzero(answers.truth[clip])),
                label=answers.labels[label],
                original=_top(answers, 0, clip, label),
                coded=_top(answers, condition, clip, label),
            )
        )
    return found


def _greatest_changes(answers: Answers) -> Iterator[tuple[float, int, int, int]]:
    """For each class and coded condition the greatest change for the worse: its negative, so that it
    sorts first, and condition, clip and class."""
    if answers.target == "label":
        changes = np.minimum(answers.margins[0], -answers.margins[1:])
        changes = np.where(answers.right[0] & ~answers.right[1:], changes, -np.inf)
    for label in range(len(answers.labels)):
        mine = answers.truth[:, label]
        if answers.target == "label":
            of_class = np.where(mine, changes, -np.inf)
        else:
            of_class = np.where(mine, 1, -1) * (answers.scores[0, :, label] - answers.scores[1:, :, label])
        for condition, clip in enumerate(of_class.argmax(1).tolist(), start=1):
            change = float(of_class[condition - 1, clip])
            if change > 0 or (answers.target == "label" and not np.isneginf(change)):
                yield -change, condition, clip, label


def _top(answers: Answers, condition: int, clip: int, label: int) -> tuple[tuple[str, float], ...]:
    """The greatest scores of a clip; of several labels, that of `label` first."""
    scores = answers.scores[condition, clip]
    if len(scores) == 1:
        return ((answers.labels[1], float(scores[0])),)
    order = np.argsort(-scores, kind="stable").tolist()
    if answers.target == "labels":
        order = [label, *(number for number in order if number != label)]
    return tuple((answers.labels[number], float(scores[number])) for number in order[:_ANSWERS])
