"""Accuracy against perceived quality: do the clips that sound bad get the wrong answers?"""

from collections.abc import Mapping

import numpy as np

from streamaug.store.format import Strict
from streamaug.stress.analysis.answers import Answers
from streamaug.stress.analysis.figure import Figure

GRADES = ("imperceptible", "perceptible, not annoying", "slightly annoying", "annoying", "very annoying")
"""The five grades of ITU-R BS.1116, from an ODG of 0 down to -4; each is what is within half a
grade of its number."""


class ConditionGrade(Strict):
    """A condition's mean grade.

    Args:
        condition: The condition.
        odg: Mean ODG of the clips with a grade: 0 no difference, -4 very annoying.
        clips: Clips with a grade.
    """

    condition: str
    odg: Figure
    clips: int


class GradeBin(Strict):
    """The coded clips of one grade, of all conditions together.

    Args:
        grade: One of `GRADES`.
        answers: Coded clips of that grade; a clip counts once in each condition.
        original: Share of them that the model answers right on the original.
        coded: Share that it answers right when coded.
    """

    grade: str
    answers: int
    original: Figure
    coded: Figure


def condition_grades(answers: Answers, odg: Mapping[str, np.ndarray]) -> list[ConditionGrade]:
    """The mean grade of each graded condition.

    Args:
        answers: The answers.
        odg: For each graded condition the ODG of each clip, NaN for one without a grade, (clips,).
    """
    found = []
    for condition in answers.conditions[1:]:
        if condition in odg and np.isfinite(odg[condition]).any():
            known = odg[condition][np.isfinite(odg[condition])]
            found.append(ConditionGrade(condition=condition, odg=float(known.mean()), clips=len(known)))
    return found


def grade_bins(answers: Answers, odg: Mapping[str, np.ndarray]) -> list[GradeBin]:
    """How the answers depend on the grade of each clip; grades that no clip has are left out.

    Args:
        answers: The answers, of one label per clip.
        odg: As for `condition_grades`.
    """
    graded = [number for number in answers.coded if answers.conditions[number] in odg]
    if not graded:
        return []
    values = np.stack([odg[answers.conditions[number]] for number in graded])
    grade = np.where(np.isfinite(values), np.clip(np.floor(0.5 - values), 0, 4), -1)
    before, after = np.broadcast_to(answers.right[0], grade.shape), answers.right[graded]
    return [
        GradeBin(grade=name, answers=int(mine.sum()), original=float(before[mine].mean()), coded=float(after[mine].mean()))
        for number, name in enumerate(GRADES)
        if (mine := grade == number).any()
    ]
