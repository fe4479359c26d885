"""Which column of a model's scores speaks for which label of a store."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamaug.errors import ModelError
from streamaug.hints import nearest
from streamaug.stress.number_texts import counted
from streamaug.stress.predictions import LearnedLabels

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class ScoreColumns:
    """The columns that are kept of a model's scores.

    Args:
        labels: The labels that they speak for, in the order in which they are kept: the store's, or
            one alone.
        numbers: Of the kept columns among those that the model gives.
        given: Number of columns that the model gives.
    """

    labels: tuple[str, ...]
    numbers: tuple[int, ...]
    given: int


def score_columns(
    given: int, store_labels: Sequence[str], target: LearnedLabels, class_names: Sequence[str] | None, source: str
) -> ScoreColumns:
    """Match the classes of a model with the labels of a store.

    Args:
        given: Scores that the model gives per clip.
        store_labels: The store's labels in their order.
        target: Whether a clip of the store has one label, or several.
        class_names: The model's classes in its order. Default: the store's labels in theirs.
        source: Says where the names come from, for errors.

    Raises:
        ModelError: The classes are not those of the store, or it is not known which ones they are.

    >>> score_columns(2, ["cat", "dog"], "label", ["dog", "cat"], "--labels").numbers
    (1, 0)
    >>> score_columns(1, ["bonafide", "spoof"], "label", ["bonafide"], "--labels").labels
    ('bonafide',)
    """
    labels = tuple(store_labels)
    if given == 1 and len(labels) > 1:
        return _single(labels, target, class_names, source)
    if class_names is None:
        if given != len(labels):
            raise ModelError(
                f"the model gives {counted(given, 'score')} per clip, but the store has {counted(len(labels), 'label')} "
                f"({_listed(labels)}); name the model's classes in its order with --labels FILE, one per line: scores of classes that the "
                "store lacks are left out"
            )
        return ScoreColumns(labels=labels, numbers=tuple(range(given)), given=given)
    if len(class_names) != given:
        raise ModelError(
            f"the model gives {counted(given, 'score')} per clip, but {source} names {counted(len(class_names), 'class')} "
            f"({_listed(class_names)}); name all of its classes in its order with --labels FILE, one per line"
        )
    for label in labels:
        if label not in class_names:
            raise ModelError(
                f"{source}: no class is called '{label}', which is a label of the store. {nearest(label, class_names)}. Write the store's "
                "names with --labels FILE, one per line in the order of the model's scores"
            )
    return ScoreColumns(labels=labels, numbers=tuple(class_names.index(label) for label in labels), given=given)


def _single(labels: tuple[str, ...], target: LearnedLabels, class_names: Sequence[str] | None, source: str) -> ScoreColumns:
    """The column of a model that gives one score per clip."""
    if target == "labels" or len(labels) > 2:
        raise ModelError(
            f"the model gives one score per clip, which cannot tell the store's {len(labels)} labels apart ({_listed(labels)}); give a "
            "model with one score for each"
        )
    if class_names is None:
        raise ModelError(
            f"the model gives one score per clip; name the label that a high score speaks for: --labels {labels[0]} or --labels {labels[1]}"
        )
    if len(class_names) != 1 or class_names[0] not in labels:
        raise ModelError(
            f"the model gives one score per clip, but {source} names {_listed(class_names)}; name the label that a high score speaks for: "
            f"{labels[0]} or {labels[1]}"
        )
    return ScoreColumns(labels=(class_names[0],), numbers=(0,), given=1)


def contradiction(names: Sequence[str], own: Sequence[str], store_labels: Sequence[str]) -> str:
    """What is wrong with names that a user gives to a model whose own names the store knows; empty if
    they do not contradict each other.

    Args:
        names: Of the user.
        own: Of the model.
        store_labels: The store's labels.

    >>> contradiction(["dog", "cat"], ["Dog", "Cat"], ["cat", "dog"])
    ''
    >>> contradiction(["dog", "cat"], ["cat", "dog"], ["cat", "dog"]).partition(";")[0]
    "--labels calls score 1 'dog', but the model itself calls it 'cat', which is a label of the store, too"
    """
    for number, (name, mine) in enumerate(zip(names, own, strict=False), start=1):
        if name != mine and mine in store_labels:
            return (
                f"--labels calls score {number} '{name}', but the model itself calls it '{mine}', which is a label of the store, too; "
                "--labels counts, so all figures are wrong if the model is right: leave it out to use the model's own names"
            )
    return ""


def read_labels(text: str) -> tuple[str, ...]:
    """The names that a user gives: in a file, one per line, or separated by commas.

    Args:
        text: Path of the file, or the names.

    Raises:
        ModelError: There are none, one is there twice, or the file is not readable.

    >>> read_labels("cat, dog")
    ('cat', 'dog')
    """
    try:
        # Path.is_file fails on names that are too long to be one, such as those of many classes.
        lines = Path(text).read_text(encoding="utf-8").splitlines() if os.path.isfile(text) else text.split(",")  # noqa: PTH113  # see above
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"--labels {text}: not readable as text: {error}; write one class per line") from error
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise ModelError(f"--labels {text}: names no class; write one per line in a file, or names separated by commas")
    for name in names:
        if names.count(name) > 1:
            raise ModelError(f"--labels {text}: '{name}' is there twice; each class of the model needs a name of its own")
    return names


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
