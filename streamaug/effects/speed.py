"""Time stretch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import librosa
import numpy as np

from streamaug.effects.base import LoadClip
from streamaug.effects.common import Unfitted, clip_random, versions, within_scale


@dataclass(frozen=True)
class Speed(Unfitted):
    """U(slowest, fastest) times as fast at the same pitch, repeated once if short, cut to its
    length."""

    takes_stereo = True

    slowest: float = 0.5
    fastest: float = 2.0

    @property
    def version(self) -> str:
        return versions(1, "librosa")

    @property
    def arguments(self) -> Mapping[str, str]:
        return {"rate": f"{self.slowest} to {self.fastest}"}

    def apply(self, signal: np.ndarray, rate: int, clip: Mapping[str, Any], load: LoadClip) -> np.ndarray:  # noqa: ARG002  # the seam's signature
        factor = clip_random("speed", clip["clip_id"]).uniform(self.slowest, self.fastest)
        stretched = librosa.effects.time_stretch(signal, rate=factor)
        return within_scale(np.concatenate([stretched, stretched, np.zeros_like(signal)], -1)[..., : signal.shape[-1]])
