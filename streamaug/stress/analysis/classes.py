"""Which classes suffer from coding, and what the model takes them for."""

import numpy as np

from streamaug.store.format import Strict
from streamaug.stress.analysis.answers import Answers
from streamaug.stress.analysis.figure import Figure
from streamaug.stress.analysis.metrics import precisions

CONFUSIONS = 10
"""The most confusions to name."""


class ClassResult(Strict):
    """How one class fares.

    Args:
        label: Its name.
        clips: Clips that have it.
        original: Of one label per clip, the share of its clips that are answered right; of several,
            its average precision.
        coded: The same, averaged over the coded conditions.
        worst: The same in the worst coded condition.
        worst_condition: That condition.
    """

    label: str
    clips: int
    original: Figure
    coded: Figure
    worst: Figure
    worst_condition: str

    @property
    def loss(self) -> float:
        """What coding costs."""
        return self.original - self.coded


class Confusion(Strict):
    """A class that is taken for another one when it is coded.

    Args:
        label: The class.
        answer: What the model answers instead.
        original: How often it does so on the original, as a share of the clips of the class.
        coded: The same, averaged over the coded conditions.
        worst: The same in the coded condition where it is most frequent.
        worst_condition: That condition.
    """

    label: str
    answer: str
    original: Figure
    coded: Figure
    worst: Figure
    worst_condition: str


def class_results(answers: Answers) -> list[ClassResult]:
    """How each class that has clips fares, the one that loses most first.

    Args:
        answers: The answers, in `original` and at least one coded condition.
    """
    if answers.target == "labels":
        everything = np.ones((1, len(answers.truth)))
        values = np.stack([precisions(each, answers.truth, everything)[0] for each in answers.scores])
    else:
        values = np.stack([np.diag(shares) for shares in answer_shares(answers)])
    found = []
    for number, label in enumerate(answers.labels):
        clips = int(answers.truth[:, number].sum())
        if not clips:
            continue
        worst = int(answers.coded[values[answers.coded, number].argmin()])
        found.append(
            ClassResult(
                label=label,
                clips=clips,
                original=float(values[0, number]),
                coded=float(values[answers.coded, number].mean()),
                worst=float(values[worst, number]),
                worst_condition=answers.conditions[worst],
            )
        )
    return sorted(found, key=lambda result: (-round(result.loss, 9), result.label))


def answer_shares(answers: Answers) -> np.ndarray:
    """How often each class is answered as which: shares of the class's clips, of shape (conditions,
    classes, answers); 0 for a class without clips."""
    classes, truth = len(answers.labels), answers.truth.argmax(1)
    counts = np.stack([np.bincount(truth * classes + each, minlength=classes * classes) for each in answers.answered])
    counts = counts.reshape(-1, classes, classes)
    shares: np.ndarray = counts / np.maximum(counts.sum(2, keepdims=True), 1)
    return shares


def confusions(answers: Answers) -> list[Confusion]:
    """The wrong answers that coding makes more frequent, the greatest increase first.

    Args:
        answers: The answers, of one label per clip.
    """
    shares = answer_shares(answers)
    coded = shares[answers.coded]
    increase = coded.mean(0) - shares[0]
    np.fill_diagonal(increase, 0)
    order = np.argsort(-increase.round(9), axis=None, kind="stable")[:CONFUSIONS]
    found = []
    for label, answer in zip(*np.unravel_index(order, increase.shape), strict=True):
        if increase[label, answer] > 0:
            worst = int(coded[:, label, answer].argmax())
            found.append(
                Confusion(
                    label=answers.labels[label],
                    answer=answers.labels[answer],
                    original=float(shares[0, label, answer]),
                    coded=float(coded[:, label, answer].mean()),
                    worst=float(coded[worst, label, answer]),
                    worst_condition=answers.conditions[answers.coded[worst]],
                )
            )
    return found
