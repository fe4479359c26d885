"""Waveform effects that a condition's chain may name: what an effect is, and how one is found.

An effect is a class that takes no arguments, announced under its name in the entry-point group `streamaug.effects` of
any installed package; this one's own are in pyproject.toml. Python callers may hand `building.build` others by name.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from streamaug.conditions import Step
from streamaug.errors import ConditionError

LoadClip = Callable[[str], np.ndarray]
"""Gives the original of a clip by its clip_id, float32 of shape (samples,) in [-1, 1), at the store's rate."""


class Effect(Protocol):
    """A change to a clip's waveform. It is pickled to the workers of a build: keep what is fitted in plain fields."""

    @property
    def version(self) -> str:
        """Names what decides the samples: this effect's own version and those of the libraries under it."""

    @property
    def arguments(self) -> Mapping[str, str]:
        """Settings, and a digest of what was fitted; part of the condition's settings hash."""

    def fit(self, clips: pa.Table, load: LoadClip, rate: int) -> "Effect":
        """The effect made ready for a data set: `clips` is its table (clip_id, label, split, group, own columns).

        Only training clips may be listened to. Effects that need no fitting return themselves.
        """

    def applies_to(self, clip: Mapping[str, Any]) -> bool:
        """Whether the condition holds this clip (a row of the clips table)."""

    def apply(self, signal: np.ndarray, rate: int, clip: Mapping[str, Any], load: LoadClip) -> np.ndarray:
        """The changed signal: float32 of shape (samples,) in and out, equally long; random numbers are seeded by the clip_id."""


def find_effect(step: Step, given: Mapping[str, Effect] | None = None) -> Effect:
    """The effect that a step names, not yet fitted. Raises ConditionError for one that nobody announces."""
    if given and step.name in given:
        return given[step.name]
    announced = entry_points(group="streamaug.effects")
    if step.name in announced.names:
        effect: Effect = announced[step.name].load()()
        return effect
    names = sorted({*announced.names, *(given or {})})
    near = get_close_matches(step.name, names, 1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise ConditionError(
        f"condition step '{step}': no effect '{step.name}'; {hint}there are {', '.join(names) or 'none'}; "
        "a codec needs a bitrate, as in 'mp3_64'"
    )
