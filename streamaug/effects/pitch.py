"""Pitch shift."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import librosa
import numpy as np

from streamaug.effects.base import LoadClip
from streamaug.effects.common import Unfitted, clip_random, versions, within_scale


@dataclass(frozen=True)
class Pitch(Unfitted):
    """Shifted by U(-widest, widest) semitones, as long as before (phase vocoder and resampling)."""

    takes_stereo = True

    widest: float = 4.0

    @property
    def version(self) -> str:
        return versions(1, "librosa", "soxr")

    @property
    def arguments(self) -> Mapping[str, str]:
        return {"semitones": f"-{self.widest} to {self.widest}"}

    def apply(self, signal: np.ndarray, rate: int, clip: Mapping[str, Any], load: LoadClip) -> np.ndarray:  # noqa: ARG002  # the seam's signature
        semitones = clip_random("pitch", clip["clip_id"]).uniform(-self.widest, self.widest)
        return within_scale(librosa.effects.pitch_shift(signal, sr=rate, n_steps=semitones, res_type="soxr_hq"))
