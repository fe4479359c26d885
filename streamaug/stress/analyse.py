"""From the answers of a model to its card: all figures, and the sentence above them."""

from collections.abc import Mapping, Sequence

import numpy as np

from streamaug.links import Link, Trace
from streamaug.recipes import Recipe
from streamaug.recipes.familiarity import familiarity
from streamaug.stress.analysis.answers import Answers
from streamaug.stress.analysis.breaking import Breaking, breaking_points
from streamaug.stress.analysis.classes import class_results, confusions
from streamaug.stress.analysis.grades import condition_grades, grade_bins
from streamaug.stress.analysis.left_out import TrainedRun, leave_one_out_gaps
from streamaug.stress.analysis.worst import changed_clips
from streamaug.stress.bootstrap import ENDS
from streamaug.stress.card_file import Card, CardLink, ConditionResult, LeftOut, TrainingRecipe
from streamaug.stress.settings import StressSettings

Interval = tuple[float, float] | tuple[None, None]


def analyse(
    answers: Answers,
    *,
    settings: StressSettings,
    snapshot: str,
    drop: float = 0.05,
    recipe: Recipe | None = None,
    links: Mapping[str, Link] | None = None,
    odg: Mapping[str, np.ndarray] | None = None,
    runs: Sequence[TrainedRun] = (),
) -> Card:
    """All figures of a card.

    Args:
        answers: The model's answers.
        settings: The model, and what else decided its scores.
        snapshot: The snapshot of the store.
        drop: The loss that the breaking bitrate allows, as a share of the value on the original; of
            an equal error rate, as a share of 1 less the rate. Default: 5 %.
        recipe: What the model was trained on. Default: unknown.
        links: The links of the conditions by name. Default: none.
        odg: For each graded condition, the grade of each clip. Default: no grades.
        runs: Trained runs for leave-one-out gaps. Default: none.

    Raises:
        StoreError: The runs do not fit together.
    """
    metric, is_single = answers.metric, answers.target == "label"
    draws = answers.draws if answers.group_count > 1 else answers.draws[:0]
    breaking = breaking_points(answers.conditions, metric.goodness(answers.values), metric.goodness(draws), drop=drop)
    conditions = _results(answers, draws, recipe)
    return Card(
        headline=headline(settings.model.name, answers, breaking, drop),
        settings=settings,
        snapshot=snapshot,
        metric=metric.name,
        chance=answers.chance,
        drop=drop,
        labels=answers.labels,
        clips=len(answers.clip_ids),
        groups=answers.group_count,
        clips_sha256=answers.clips_digest,
        answers_sha256=answers.answers_digest,
        resamples=len(draws),
        conditions=conditions,
        links=tuple(CardLink(name=name, what=link_text(link), sha256=link.digest) for name, link in sorted((links or {}).items())),
        breaking=tuple(breaking),
        recipe=recipe and TrainingRecipe(title=recipe.title, hash=recipe.hash, conditions=recipe.conditions),
        classes=tuple(class_results(answers)) if len(answers.coded) else (),
        confusions=tuple(confusions(answers)) if is_single and len(answers.coded) else (),
        grades=tuple(condition_grades(answers, odg or {})),
        grade_bins=tuple(grade_bins(answers, odg or {})) if is_single else (),
        left_out=LeftOut(runs=tuple(sorted(run.sha256 for run in runs)), gaps=tuple(leave_one_out_gaps(runs))) if runs else None,
        worst=tuple(changed_clips(answers)),
    )


def link_text(link: Link) -> str:
    """What a link does, in words.

    >>> from streamaug.links import Bursts
    >>> link_text(Bursts(loss=0.1, burst=3))
    'loss 0.1, burst 3'
    """
    if isinstance(link, Trace):  # not its path
        return f"a trace of {link.packets} packets"
    return ", ".join(f"{name} {value}" for name, value in link.plain().items())


def interval_of(draws: np.ndarray) -> Interval:
    """The 95 % interval of drawn values; none if there is no draw, or none that has a value."""
    known = draws[~np.isnan(draws)]
    if not len(known):
        return None, None
    low, high = np.percentile(known, ENDS).tolist()
    return low, high


def _results(answers: Answers, draws: np.ndarray, recipe: Recipe | None) -> tuple[ConditionResult, ...]:
    results = []
    for number, condition in enumerate(answers.conditions):
        (low, high), (difference_low, difference_high) = interval_of(draws[:, number]), interval_of(draws[:, number] - draws[:, 0])
        results.append(
            ConditionResult(
                condition=condition,
                value=answers.values[number],
                low=low,
                high=high,
                difference=answers.values[number] - answers.values[0],
                difference_low=difference_low,
                difference_high=difference_high,
                familiarity=recipe and familiarity(condition, recipe.conditions),
            )
        )
    return tuple(results)


def headline(model: str, answers: Answers, breaking: Sequence[Breaking], drop: float) -> str:
    """What coding does to a model, in one sentence.

    Args:
        model: Name of the model.
        answers: Its answers.
        breaking: The breaking bitrate of each codec.
        drop: The loss that they allow, as a share.
    """
    name, values = answers.metric.name, answers.values
    sentence = f"{model}: {name} {values[0]:.3f} on the original"
    if len(answers.coded):
        worst = int(answers.coded[answers.metric.goodness(values)[1:].argmin()])
        sentence += f" and {values[worst]:.3f} in {answers.conditions[worst]}, the worst of {len(answers.coded)} other conditions"
    parts = []
    if at := [f"{each.bitrate} of {each.codec}" for each in breaking if each.bitrate.case == "at"]:
        parts.append(f"below {_joined(at)}")
    if above := [f"{each.codec} (up to {each.tested[-1]:g} kbps)" for each in breaking if each.bitrate.case == "above"]:
        parts.append(f"at every tested bitrate of {_joined(above)}")
    if below := [f"{each.codec} (down to {each.tested[0]:g} kbps)" for each in breaking if each.bitrate.case == "below"]:
        parts.append(f"at no tested bitrate of {_joined(below)}")
    if parts:
        what = name if name != "EER" else "1 − EER"
        sentence += f"; it loses more than {100 * drop:g} % of its {what} {', '.join(parts)}"
    return f"{sentence}."


def _joined(names: Sequence[str]) -> str:
    """
    >>> _joined(["41 kbps of mp3", "32 kbps of aac"]), _joined(["mp3"])
    ('41 kbps of mp3 and 32 kbps of aac', 'mp3')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
