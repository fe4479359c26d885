"""Prepare conditions to be built: calibrate their codecs, find and fit their effects."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

import numpy as np
import pyarrow as pa

from streamaug.building.chains import Chain, EffectStep
from streamaug.building.job import Job
from streamaug.building.recordings import Originals
from streamaug.codecs import CalibratedEncoder, calibrate, check_length
from streamaug.conditions import Condition, Step
from streamaug.effects import Effect, find_effect, takes_stereo
from streamaug.errors import ConditionError, EncoderError, StreamaugError
from streamaug.progress import Progress

PreparedSteps = tuple[CalibratedEncoder | Step, ...]
"""Steps of a condition before the clips are known: calibrated codecs, and effects to fit."""


def prepare_conditions(
    job: Job, rate: int, channels: int, progress: Progress, existing: Sequence[str] = ()
) -> tuple[dict[Condition, PreparedSteps], dict[str, str]]:
    """The steps of every condition of a job.

    Args:
        job: The job; `original` is always among its conditions.
        rate: Sample rate of the store in Hz.
        channels: Its channels.
        progress: Gets a warning for each condition that is skipped.
        existing: Conditions that the store has; none of the job may hold the same bytes under
            another name.

    Returns:
        The steps by condition, and why optional conditions or some of the default list are skipped.

    Raises:
        ConditionError: A requested condition names an unknown codec or effect, or would hold the
            same bytes as another one.
        EncoderError: A requested condition needs an encoder that is missing or fails, or a codec
            that takes one channel only.
    """
    conditions = job.conditions if job.conditions is not None else [Condition.parse(name) for name in job.settings.conditions]

    @cache
    def prepare(step: Step) -> CalibratedEncoder | Step:
        if step.is_codec:
            return calibrate(step, job.settings, rate, channels)
        with _missing_packages_named(step):
            effect = find_effect(step, job.effects)
        if channels > 1 and not takes_stereo(effect):
            raise ConditionError(
                f"condition step '{step}': effect '{step.name}' takes one channel, but the store has {channels}; "
                "leave the condition out, or build a store with --channels mono"
            )
        return step

    prepared: dict[Condition, PreparedSteps] = {}
    skipped: dict[str, str] = {}
    for condition in dict.fromkeys((Condition(), *conditions)):
        try:
            steps = tuple(map(prepare, condition.steps))
            others = [Condition.parse(name) for name in existing if name != str(condition)]
            for other in (*prepared, *(other for other in others if other not in prepared)):
                _check_distinct(condition, steps, other, prepare)
            prepared[condition] = steps
        except StreamaugError as error:
            if job.conditions is not None and condition not in job.optional:
                raise
            skipped[str(condition)] = str(error)
            progress.say(f"warning: skipping {condition}: {error}")
    return prepared, skipped


def _check_distinct(
    condition: Condition, steps: PreparedSteps, other: Condition, prepare: Callable[[Step], CalibratedEncoder | Step]
) -> None:
    """Raise ConditionError if two conditions hold the same bytes: they differ in bitrates and
    variants alone, and the encoders make the same of them."""
    if [step.name for step in condition.steps] != [step.name for step in other.steps]:
        return
    differing = [number for number, pair in enumerate(zip(condition.steps, other.steps, strict=True)) if pair[0] != pair[1]]
    for number in differing:
        try:
            old = prepare(other.steps[number])
        except StreamaugError:  # a condition of the store whose encoder this machine lacks
            return
        new = steps[number]
        if not (isinstance(new, CalibratedEncoder) and isinstance(old, CalibratedEncoder) and new.fingerprint == old.fingerprint):
            return
    if differing:
        encoder = steps[differing[0]]
        assert isinstance(encoder, CalibratedEncoder)
        asked = [chain.steps[differing[0]].kbps for chain in (condition, other)]
        where = f"{encoder.encoder.name} at {encoder.coding_rate} Hz"
        if asked[0] == asked[1]:
            cause = f"{encoder.encoder.name} makes the same of both variants"
        elif min(asked) > encoder.kbps:
            cause = f"{encoder.kbps:.0f} kbps is the ceiling of {where}"
        else:
            cause = f"{where} makes {encoder.kbps:.0f} kbps of both"
        raise ConditionError(f"conditions '{other}' and '{condition}' would hold the same bytes: {cause}; build one of them")


def check_lengths(prepared: Mapping[Condition, PreparedSteps], clips: pa.Table) -> None:
    """Check that all codecs can code the shortest clip.

    Args:
        prepared: Steps by condition.
        clips: Clips with the columns clip_id and samples.

    Raises:
        EncoderError: A codec cannot, because it needs longer clips.
    """
    shortest = int(np.argmin(clips["samples"].to_numpy()))
    clip_id, samples = clips["clip_id"][shortest].as_py(), int(clips["samples"][shortest].as_py())
    checked: set[Step] = set()
    for condition, steps in prepared.items():
        for step in steps:
            if not isinstance(step, CalibratedEncoder) or step.step in checked:
                continue
            checked.add(step.step)
            try:
                check_length(step, samples)
            except EncoderError as error:
                raise EncoderError(
                    f"condition '{condition}', clip '{clip_id}', the shortest: {error}; "
                    "use longer clips (--seconds pads them), or leave the condition out"
                ) from error


def fit_chain(
    condition: Condition,
    prepared: PreparedSteps,
    clips: pa.Table,
    rate: int,
    channels: int,
    originals: Originals | None,
    effects: Mapping[str, Effect],
) -> Chain:
    """A condition that is ready to be built, with its effects fitted to the clips.

    Args:
        condition: The condition.
        prepared: Its steps.
        clips: The clips table.
        rate: Sample rate of the store in Hz.
        channels: Its channels.
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
    return Chain(condition=condition, steps=tuple(steps), rate=rate, channels=channels)


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
