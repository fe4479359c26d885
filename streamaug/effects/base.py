"""Define what an effect is, and find one by name.

An effect is a class that takes no arguments (or a function that returns one), announced under its
name in the entry-point group `streamaug.effects` of any installed package; the built-in ones are in
pyproject.toml. Python callers may pass others to `building.build` by name.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa

from streamaug import plugins
from streamaug.conditions import Step
from streamaug.errors import ConditionError
from streamaug.hints import nearest

LoadClip = Callable[[str], np.ndarray]
"""Returns the original of a clip by its clip_id: float32 in [-1, 1), at the store's rate; of shape
(samples,), in a store of two channels (2, samples)."""


class Effect(Protocol):
    """A change to a clip's waveform.

    It is pickled to the workers of a build: keep what `fit` learns in plain fields.
    """

    @property
    def version(self) -> str:
        """What decides the samples: the effect's own version and those of the libraries that it
        uses."""

    @property
    def arguments(self) -> Mapping[str, str]:
        """Settings, and a digest of what `fit` learnt; part of the condition's settings hash."""

    def fit(self, clips: pa.Table, load: LoadClip, rate: int) -> "Effect":
        """Return the effect, fitted to a data set. An effect that needs no fitting returns itself.

        Args:
            clips: The clips table: clip_id, label (or labels, target, or none of them), split, group and the data set's own columns.
            load: Loads the original of a clip. Load training clips only.
            rate: Sample rate of the store in Hz.
        """

    def applies_to(self, clip: Mapping[str, Any]) -> bool:
        """Whether the condition holds this clip.

        Args:
            clip: Its row of the clips table.
        """

    def apply(self, signal: np.ndarray, rate: int, clip: Mapping[str, Any], load: LoadClip) -> np.ndarray:
        """Return the changed signal: float32 of the input's shape.

        Args:
            signal: float32 of shape (samples,); if the effect takes stereo, also (2, samples).
            rate: Sample rate of the store in Hz.
            clip: The clip's row of the clips table; seed random numbers by its clip_id.
            load: Loads the original of a clip.
        """


@runtime_checkable
class SelectiveEffect(Effect, Protocol):
    """An effect that learns something about every clip, and can leave out what a shard's clips do
    not need.

    Without this, what `fit` learnt travels to a worker with every shard.
    """

    def select(self, clips: Sequence[Mapping[str, Any]]) -> Effect:
        """The effect for some clips alone, with the same version and arguments.

        Args:
            clips: Their rows of the clips table.
        """


def takes_stereo(effect: Effect) -> bool:
    """Whether an effect also takes two channels, of shape (2, samples).

    Args:
        effect: One that says so by an attribute `takes_stereo`.
    """
    return getattr(effect, "takes_stereo", False) is True


def find_effect(step: Step, effects: Mapping[str, Effect] | None = None) -> Effect:
    """Find the effect that a step names, not yet fitted.

    Args:
        step: The step of a condition.
        effects: Effects by name that take precedence over installed ones. Default: none.

    Raises:
        ConditionError: No effect has this name.
        PluginError: The effect's package cannot be imported.
    """
    if effects and step.name in effects:
        return effects[step.name]
    installed = plugins.names(plugins.EFFECTS)
    if step.name in installed:
        effect: Effect = plugins.find(plugins.EFFECTS, step.name)()
        return effect
    names = sorted({*installed, *(effects or {})})
    raise ConditionError(
        f"condition step '{step}': no effect '{step.name}'; a codec needs a bitrate, as in 'mp3_64'. {nearest(step.name, names)}"
    )
