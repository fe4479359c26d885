"""card.json: all figures of a card, the same bytes on every machine."""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from streamaug.errors import CorruptError
from streamaug.store.format import DIGEST, Sha256, Strict
from streamaug.stress.analysis.breaking import Breaking
from streamaug.stress.analysis.classes import ClassResult, Confusion
from streamaug.stress.analysis.figure import Figure
from streamaug.stress.analysis.grades import ConditionGrade, GradeBin
from streamaug.stress.analysis.left_out import Gap
from streamaug.stress.analysis.worst import ChangedClip
from streamaug.stress.settings import StressSettings

CARD_FORMAT = 2
CARD_FILE = "card.json"
_LARGEST = 64 << 20
"""Bytes of the largest card that is read: thousands of classes fit."""


class ConditionResult(Strict):
    """The metric in one condition.

    Args:
        condition: Name of the condition.
        value: The metric.
        low: Lower end of its 95 % interval; None without an interval.
        high: Upper end of its 95 % interval.
        difference: What coding changes: `value` less that of the original.
        difference_low: Lower end of its 95 % interval.
        difference_high: Upper end of its 95 % interval.
        familiarity: How the condition relates to the recipe that the model was trained on; None
            without a recipe.
    """

    condition: str
    value: Figure
    low: Figure | None
    high: Figure | None
    difference: Figure
    difference_low: Figure | None
    difference_high: Figure | None
    familiarity: str | None


class TrainingRecipe(Strict):
    """The recipe that a model was trained on, as its owner says.

    Args:
        title: Its title.
        hash: Of its content.
        conditions: Of its mixture.
    """

    title: str
    hash: str
    conditions: tuple[str, ...]


class CardLink(Strict):
    """A link of the evaluated conditions.

    Args:
        name: As it follows `~` in conditions.
        what: What it does, in words.
        sha256: Of what it does.
    """

    name: str
    what: str
    sha256: Sha256


class LeftOut(Strict):
    """Leave-one-out gaps of trained runs.

    Args:
        runs: sha256 of the predictions of each run, ascending.
        gaps: One for each codec or encoder that a run leaves out.
    """

    runs: tuple[Sha256, ...]
    gaps: tuple[Gap, ...]


class Card(Strict):
    """Content of card.json: no dates, machines or paths.

    Args:
        format: Version of the format.
        headline: What came out, in one sentence.
        settings: The model, the store, and what else decides the scores.
        snapshot: The store's snapshot.
        metric: Short name of the metric.
        chance: What guessing gives.
        drop: Of the breaking bitrates: the allowed loss, as a share of the original's value.
        labels: The classes.
        clips: Number of clips.
        groups: Number of groups that they form.
        clips_sha256: Of the clips with their groups and classes.
        answers_sha256: Of the class that the model answers, for each clip in each condition.
        resamples: Draws of groups that the intervals are from.
        conditions: The metric in each condition, `original` first.
        links: The links of these conditions, by name.
        breaking: The breaking bitrate of each codec, or of each of its encoders.
        recipe: What the model was trained on; None if unknown.
        classes: How each class fares, the one that loses most first.
        confusions: The wrong answers that coding makes more frequent; none of several labels.
        grades: Perceived quality of the graded conditions.
        grade_bins: The answers by the clip's grade; none of several labels.
        left_out: Leave-one-out gaps; None without runs.
        worst: The clips whose answer changes most.
    """

    format: Annotated[int, Field(ge=CARD_FORMAT, le=CARD_FORMAT)] = CARD_FORMAT
    headline: str
    settings: StressSettings
    snapshot: Annotated[str, StringConstraints(pattern=rf"^{DIGEST}$")]
    metric: Literal["accuracy", "mAP", "EER"]
    chance: Figure
    drop: Annotated[float, Field(gt=0, lt=1)]
    labels: tuple[str, ...]
    clips: Annotated[int, Field(ge=1)]
    groups: Annotated[int, Field(ge=1)]
    clips_sha256: Sha256
    answers_sha256: Sha256
    resamples: Annotated[int, Field(ge=0)]
    conditions: Annotated[tuple[ConditionResult, ...], Field(min_length=1)]
    links: tuple[CardLink, ...] = ()
    breaking: tuple[Breaking, ...]
    recipe: TrainingRecipe | None
    classes: tuple[ClassResult, ...]
    confusions: tuple[Confusion, ...]
    grades: tuple[ConditionGrade, ...]
    grade_bins: tuple[GradeBin, ...]
    left_out: LeftOut | None
    worst: tuple[ChangedClip, ...]

    def to_bytes(self) -> bytes:
        """The file: JSON with sorted keys, the same bytes for the same card."""
        return canonical_json(self)


def canonical_json(content: Strict) -> bytes:
    """JSON with sorted keys and no NaN, the same bytes for the same content."""
    return (json.dumps(content.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def read_card(path: Path) -> Card:
    """Read a card that may be damaged or hostile.

    Args:
        path: The file card.json.

    Raises:
        CorruptError: There is no such file, or it is not a card of this version.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise CorruptError(f"{path}: {error.strerror}; give the folder of a card, as 'streamaug stress' writes it") from error
    if len(data) > _LARGEST:
        raise CorruptError(f"{path}: larger than {_LARGEST >> 20} MB, so it is not a card; give the folder of a card")
    try:
        return Card.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        problem = ": ".join(filter(None, [".".join(map(str, first["loc"])), first["msg"]]))
        raise CorruptError(f"{path}: not a card of this version: {problem}; run 'streamaug stress' again in another folder") from error
