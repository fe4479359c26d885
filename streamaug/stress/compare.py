"""Set cards side by side: what one model gains over another, on the same clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streamaug.errors import CorruptError, StoreError
from streamaug.store.format import Strict
from streamaug.stress.analyse import analyse, interval_of
from streamaug.stress.analysis.answers import Answers, answers_of
from streamaug.stress.analysis.breaking import Breaking, breaking_points
from streamaug.stress.analysis.figure import Figure
from streamaug.stress.card_file import CARD_FILE, Card, CardLink, read_card
from streamaug.stress.predictions import PREDICTIONS_FILE, read_predictions

MOST = 7
"""Cards that a figure can show side by side."""

_CLOSE = 2e-6
"""How far a figure of a card may be from what its predictions give: the digits that are rounded off."""

_ENDS = {"__all__": {"low", "high", "difference_low", "difference_high", "familiarity"}}
_NOT_CHECKED: Any = {
    # What a model is and was trained on, how the store is graded, and how other models did cannot be computed again.
    **dict.fromkeys(("format", "settings", "snapshot", "drop", "recipe", "links", "grades", "grade_bins", "left_out"), True),
    # Another version of NumPy may draw other groups, and the headline repeats what is checked.
    **{"headline": True, "resamples": True, "conditions": _ENDS, "breaking": _ENDS},
}
"""Keys of a card that its predictions alone do not give."""


@dataclass(frozen=True, kw_only=True)
class OpenedCard:
    """A card that fits its predictions.

    Args:
        folder: Where it is.
        card: Its figures.
        answers: What they are computed from.
    """

    folder: Path
    card: Card
    answers: Answers


class Side(Strict):
    """One model in one condition.

    Args:
        value: The metric.
        low: Lower end of its 95 % interval; None without an interval.
        high: Upper end of its 95 % interval.
        difference: `value` less that of the first card.
        difference_low: Lower end of its 95 % interval, paired by clip.
        difference_high: Upper end of its 95 % interval.
    """

    value: Figure
    low: Figure | None
    high: Figure | None
    difference: Figure
    difference_low: Figure | None
    difference_high: Figure | None

    @property
    def is_significant(self) -> bool:
        """Whether zero is outside the interval of the difference."""
        return (
            self.difference_low is not None and self.difference_high is not None and (self.difference_low > 0 or self.difference_high < 0)
        )


class Row(Strict):
    """A condition, or the mean of the coded ones.

    Args:
        condition: Its name.
        sides: One for each card, in their order.
    """

    condition: str
    sides: tuple[Side, ...]


class ComparedModel(Strict):
    """A model that is compared.

    Args:
        name: Its name, with the card's folder or number if several cards have the same.
        sha256: Of the model.
        breaking: Its breaking bitrates.
    """

    name: str
    sha256: str
    breaking: tuple[Breaking, ...]


class Comparison(Strict):
    """Cards side by side.

    Args:
        store: Name of the store.
        snapshot: Its snapshot.
        split: The evaluated split.
        metric: Short name of the metric.
        chance: What guessing gives.
        clips: Number of clips.
        groups: Number of groups.
        drop: Of the breaking bitrates: the allowed loss, as a share of the original's value.
        models: The models, in the order of the cards.
        rows: The conditions that all cards have, `original` first.
        mean: The mean over the coded conditions; None if there is none.
        skipped: Conditions that some cards lack.
    """

    store: str
    snapshot: str
    split: str
    metric: str
    chance: Figure
    clips: int
    groups: int
    drop: float
    models: tuple[ComparedModel, ...]
    rows: tuple[Row, ...]
    mean: Row | None
    skipped: tuple[str, ...]


def open_card(folder: Path) -> OpenedCard:
    """Read a card and its predictions, and check that they belong together.

    Args:
        folder: Folder of the card, or the file card.json in it.

    Raises:
        CorruptError: A file is missing or damaged, or the predictions give other figures.
    """
    folder = folder.parent if folder.name == CARD_FILE else folder
    card = read_card(folder / CARD_FILE)
    path = folder / PREDICTIONS_FILE
    try:
        if not _is_size_of(path, card):
            raise _other_card_error(path)
        answers = answers_of(read_predictions(path), card.labels, str(path))
    except FileNotFoundError:
        raise CorruptError(f"{path}: no such file; copy it with card.json, or run 'streamaug stress' again") from None
    if wrong := _contradictions(card, answers):
        raise _other_card_error(path, wrong)
    return OpenedCard(folder=folder, card=card, answers=answers)


def _is_size_of(path: Path, card: Card) -> bool:
    """Whether a file says of itself that it has as many rows and scores as a card needs, so that a
    small file of a stranger does not fill the memory. True for one that is not Parquet, which is
    refused when it is read."""
    try:
        metadata = pq.read_metadata(path)
    except pa.ArrowInvalid:
        return True
    rows = card.clips * len(card.conditions)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    values = [group.column(number).num_values for group in groups for number in range(group.num_columns)]
    return metadata.num_rows == rows and max(values, default=0) <= rows * len(card.labels)


def _contradictions(card: Card, answers: Answers) -> list[str]:
    """Keys of card.json whose values its predictions do not give."""
    own = analyse(answers, settings=card.settings, snapshot=card.snapshot, drop=card.drop)
    expected, found = (each.model_dump(exclude=_NOT_CHECKED) for each in (own, card))
    return [key for key in expected if not _is_close(expected[key], found[key])]


def _is_close(one: Any, other: Any) -> bool:
    """Whether two values are the same, their numbers but for the last digit."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= _CLOSE
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_is_close(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_is_close, one, other))
    return bool(one == other)


def _other_card_error(path: Path, keys: Sequence[str] = ("clips",)) -> CorruptError:
    return CorruptError(
        f"{path}: does not belong to the card.json next to it, which has other figures ({', '.join(keys)}); copy both files again"
    )


def compare(opened: Sequence[OpenedCard], *, drop: float = 0.05) -> Comparison:
    """Compare cards with the first one, paired by clip: all intervals are from the same draws of
    groups.

    Args:
        opened: At least two cards.
        drop: The loss that the breaking bitrates allow, as a share of the original's value. Default:
            5 %.

    Raises:
        StoreError: The cards are of different clips.
    """
    first = opened[0]
    for other in opened[1:]:
        _check_same(first, other)
    everywhere = [name for name in first.answers.conditions if all(name in each.answers.conditions for each in opened)]
    skipped = dict.fromkeys(name for each in opened for name in each.answers.conditions if name not in everywhere)
    values = np.stack([each.answers.values[_numbers(each, everywhere)] for each in opened])
    # The draws begin with the same groups; a card of more conditions may have fewer of them.
    count = min(len(each.answers.draws) for each in opened) if first.answers.group_count > 1 else 0
    draws = np.stack([each.answers.draws[:count, _numbers(each, everywhere)] for each in opened])
    goodness = first.answers.metric.goodness
    return Comparison(
        store=first.card.settings.store,
        snapshot=first.card.snapshot,
        split=first.card.settings.split,
        metric=first.card.metric,
        chance=first.card.chance,
        clips=first.card.clips,
        groups=first.card.groups,
        drop=drop,
        models=tuple(
            ComparedModel(
                name=name,
                sha256=each.card.settings.model.sha256,
                breaking=tuple(breaking_points(everywhere, goodness(mine), goodness(drawn), drop=drop)),
            )
            for name, each, mine, drawn in zip(names_of(opened), opened, values, draws, strict=True)
        ),
        rows=tuple(_row(name, values[:, number], draws[:, :, number]) for number, name in enumerate(everywhere)),
        mean=_row("mean of coded", values[:, 1:].mean(1), draws[:, :, 1:].mean(2)) if len(everywhere) > 1 else None,
        skipped=tuple(skipped),
    )


def names_of(opened: Sequence[OpenedCard]) -> list[str]:
    """The names of the models; where several cards have the same, with their folder or number."""
    names = [each.card.settings.model.name for each in opened]
    folders = [each.folder.absolute().name for each in opened]
    marks = folders if len(set(folders)) == len(folders) else [str(number) for number in range(1, len(opened) + 1)]
    return [name if names.count(name) == 1 else f"{name} ({mark})" for name, mark in zip(names, marks, strict=True)]


def _numbers(opened: OpenedCard, conditions: Sequence[str]) -> list[int]:
    return [opened.answers.conditions.index(name) for name in conditions]


def _row(condition: str, values: np.ndarray, draws: np.ndarray) -> Row:
    """A line of the comparison: values (cards,), draws (cards, draws)."""
    sides = []
    for value, drawn in zip(values, draws, strict=True):
        (low, high), (difference_low, difference_high) = interval_of(drawn), interval_of(drawn - draws[0])
        sides.append(
            Side(
                value=value,
                low=low,
                high=high,
                difference=value - values[0],
                difference_low=difference_low,
                difference_high=difference_high,
            )
        )
    return Row(condition=condition, sides=tuple(sides))


def _check_same(first: OpenedCard, other: OpenedCard) -> None:
    """Raise StoreError if two cards are not of the same clips."""
    facts = {
        "store": (first.card.settings.store, other.card.settings.store),
        "snapshot": (first.card.snapshot, other.card.snapshot),
        "split": (first.card.settings.split, other.card.settings.split),
        "metric": (first.card.metric, other.card.metric),
        "labels": (", ".join(sorted(first.card.labels)), ", ".join(sorted(other.card.labels))),
        "clips": (first.card.clips_sha256[:16], other.card.clips_sha256[:16]),
        **_different_links(first.card, other.card),
    }
    differences = [f"{what} {mine}, not {theirs}" for what, (mine, theirs) in facts.items() if mine != theirs]
    if differences:
        raise StoreError(
            f"{first.folder} and {other.folder} cannot be compared clip by clip: {'; '.join(differences)}; evaluate both models on the "
            "same split of the same snapshot"
        )


def _different_links(first: Card, other: Card) -> dict[str, tuple[str, str]]:
    """What two cards make of the same name of a link."""
    theirs = {link.name: link for link in other.links}
    both = [(link, theirs[link.name]) for link in first.links if link.name in theirs]
    return {f"link {one.name}": (_link_text(one), _link_text(two)) for one, two in both if one.sha256 != two.sha256}


def _link_text(link: CardLink) -> str:
    return f"{link.what} ({link.sha256[:8]})"
