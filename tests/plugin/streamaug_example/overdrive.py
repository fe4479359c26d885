"""An effect: the soft clipping of an amplifier that is driven too hard."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamaug.effects import LoadClip
from streamaug.effects.common import Unfitted, clip_random


@dataclass(frozen=True)
class Overdrive(Unfitted):
    """tanh(gain * y), with a gain between 2 and `highest` that depends on the clip."""

    highest: float = 8.0

    @property
    def version(self) -> str:
        return "1"

    @property
    def arguments(self) -> Mapping[str, str]:
        return {"gain": f"2 to {self.highest}"}

    def apply(self, signal: np.ndarray, rate: int, clip: Mapping[str, Any], load: LoadClip) -> np.ndarray:
        gain = clip_random("overdrive", clip["clip_id"]).uniform(2, self.highest)
        return np.tanh(gain * signal).astype(np.float32)
