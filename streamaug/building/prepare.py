"""Prepare conditions to be built: calibrate their codecs, find and fit their effects."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache

import pyarrow as pa

from streamaug.building.chains import Chain, EffectStep
from streamaug.building.job import Job
from streamaug.building.recordings import Originals
from streamaug.codecs import CalibratedEncoder, calibrate
from streamaug.conditions import Condition, Step
from streamaug.effects import Effect, find_effect
from streamaug.errors import ConditionError, StreamaugError
from streamaug.progress import Progress

PreparedSteps = tuple[CalibratedEncoder | Step, ...]
"""Steps of a condition before the clips are known: calibrated codecs, and effects to fit."""


def prepare_conditions(job: Job, rate: int, progress: Progress) -> tuple[dict[Condition, PreparedSteps], dict[str, str]]:
    """The steps of every condition of a job.

    Args:
        job: The job; `original` is always among its conditions.
        rate: Sample rate of the store in Hz.
        progress: Gets a warning for each condition that is skipped.

    Returns:
        The steps by condition, and why conditions of the default list are skipped.

    Raises:
        ConditionError: A requested condition names an unknown codec or effect.
        EncoderError: A requested condition needs an encoder that is missing or fails.
    """
    conditions = job.conditions if job.conditions is not None else [Condition.parse(name) for name in job.settings.conditions]

    @cache
    def prepare(step: Step) -> CalibratedEncoder | Step:
        if step.is_codec:
            return calibrate(step, job.settings, rate)
        with _missing_packages_named(step):
            find_effect(step, job.effects)
        return step

    prepared: dict[Condition, PreparedSteps] = {}
    skipped: dict[str, str] = {}
    for condition in dict.fromkeys((Condition(), *conditions)):
        try:
            prepared[condition] = tuple(map(prepare, condition.steps))
        except StreamaugError as error:
            if job.conditions is not None:
                raise
            skipped[str(condition)] = str(error)
            progress.say(f"warning: skipping {condition}: {error}")
    return prepared, skipped


def fit_chain(
    condition: Condition, prepared: PreparedSteps, clips: pa.Table, rate: int, originals: Originals | None, effects: Mapping[str, Effect]
) -> Chain:
    """A condition that is ready to be built, with its effects fitted to the clips.

    Args:
        condition: The condition.
        prepared: Its steps.
        clips: The clips table.
        rate: Sample rate of the store in Hz.
        originals: Audio of these clips; None if no condition has an effect.
        effects: Effects by name, besides the installed ones.

    Raises:
        ConditionError: An effect needs a package that is not installed.
        ClipsError: An effect needs a source that cannot be read.
    """
    steps: list[CalibratedEncoder | EffectStep] = []
    for step in prepared:
        if isinstance(step, CalibratedEncoder):
            steps.append(step)
            continue
        assert originals is not None, "an effect may load clips"
        with _missing_packages_named(step):
            effect = find_effect(step, effects).fit(clips.drop_columns(["path"]), originals.signal, rate)
        steps.append(EffectStep(step=step, effect=effect, rate=rate))
    return Chain(condition=condition, steps=tuple(steps), rate=rate)


def have_effects(conditions: Iterable[Condition]) -> bool:
    """Whether any step of any condition is an effect."""
    return any(not step.is_codec for condition in conditions for step in condition.steps)


@contextmanager
def _missing_packages_named(step: Step) -> Iterator[None]:
    """Turn a failed import inside an effect into an error that says what to install."""
    try:
        yield
    except ImportError as error:
        raise ConditionError(
            f"condition step '{step}': effect '{step.name}' cannot be used: {error}; install the package that it needs "
            "(for the effects of streamaug itself: pip install 'streamaug[augmentation]')"
        ) from error
