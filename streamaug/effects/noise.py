"""White noise of a fixed level."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from streamaug.effects.base import LoadClip
from streamaug.effects.common import Unfitted, clip_random, versions, within_scale


@dataclass(frozen=True)
class Noise(Unfitted):
    """y + level * N(0, 1), full scale being 1."""

    takes_stereo = True

    level: float = 0.01

    @property
    def version(self) -> str:
        return versions(1, "numpy")

    @property
    def arguments(self) -> Mapping[str, str]:
        return {"level": str(self.level)}

    def apply(self, signal: np.ndarray, rate: int, clip: Mapping[str, Any], load: LoadClip) -> np.ndarray:  # noqa: ARG002  # the seam's signature
        random = clip_random("noise", clip["clip_id"])
        return within_scale(signal + self.level * random.standard_normal(signal.shape))
