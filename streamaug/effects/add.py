"""Two clips of a class, one over the other."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from streamaug.effects.base import LoadClip
from streamaug.effects.common import clip_random, learned, versions, within_scale


def _cell(clip: Mapping[str, Any]) -> tuple[str, str, str]:
    """Clips that may be added to one another: with the same to learn, on one side of every split, so that
    nothing leaks across."""
    return learned(clip), str(clip.get("split")), str(clip.get("fold"))


@dataclass(frozen=True)
class Add:
    """U(low, 1) * y + U(low, 1) * y2, y2 another clip of the same label, labels or target, split and fold; clips that
    are alone there have none.

    Args:
        low: Smallest factor.
        mates: Clips of each label (or labels, or target), split and fold.
        partners: The chosen other clip, and among how many, by clip_id; only after `select`.
    """

    takes_stereo = True

    low: float = 0.5
    mates: Mapping[tuple[str, str, str], tuple[str, ...]] = field(default_factory=dict)
    partners: Mapping[str, tuple[str, int]] = field(default_factory=dict)

    @property
    def version(self) -> str:
        return versions(1, "numpy")

    @property
    def arguments(self) -> Mapping[str, str]:
        return {"gains": f"{self.low} to 1"}

    def fit(self, clips: pa.Table, load: LoadClip, rate: int) -> "Add":  # noqa: ARG002  # the seam's signature
        cells = defaultdict(list)
        for clip in clips.to_pylist():
            cells[_cell(clip)].append(clip["clip_id"])
        return Add(self.low, {cell: tuple(sorted(ids)) for cell, ids in cells.items()})

    def select(self, clips: Sequence[Mapping[str, Any]]) -> "Add":
        return Add(self.low, partners={clip["clip_id"]: self._partner(clip) for clip in clips if self.applies_to(clip)})

    def applies_to(self, clip: Mapping[str, Any]) -> bool:
        return clip["clip_id"] in self.partners or len(self.mates.get(_cell(clip), ())) > 1

    def apply(self, signal: np.ndarray, rate: int, clip: Mapping[str, Any], load: LoadClip) -> np.ndarray:  # noqa: ARG002  # the seam's signature
        partner, others = self.partners.get(clip["clip_id"]) or self._partner(clip)
        random = clip_random("add", clip["clip_id"])
        random.integers(others)  # which chose the partner
        other = load(partner)
        other = other[..., np.arange(signal.shape[-1]) % other.shape[-1]]  # a shorter one is repeated
        first, second = random.uniform(self.low, 1.0, 2)
        return within_scale(first * signal + second * other)

    def _partner(self, clip: Mapping[str, Any]) -> tuple[str, int]:
        others = [clip_id for clip_id in self.mates[_cell(clip)] if clip_id != clip["clip_id"]]
        return others[clip_random("add", clip["clip_id"]).integers(len(others))], len(others)
