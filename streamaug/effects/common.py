"""What effects share."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Self

import numpy as np
import pyarrow as pa

from streamaug.effects.base import LoadClip


def clip_random(effect: str, clip_id: str) -> np.random.Generator:
    """The generator of a clip under an effect; it depends on both names alone, so that shards can
    be built again.

    >>> clip_random("noise", "a").random() == clip_random("noise", "a").random()
    True
    >>> clip_random("noise", "a").random() == clip_random("pitch", "a").random()
    False
    """
    return np.random.default_rng(int.from_bytes(hashlib.sha256(f"{effect}\0{clip_id}".encode()).digest()[:16]))


def within_scale(signal: np.ndarray) -> np.ndarray:
    """The signal as float32, scaled down where it would be clipped: the features do not see the
    gain, but they would see the clipping.

    >>> within_scale(np.array([0.5, -2.0])).round(2).tolist()
    [0.25, -1.0]
    """
    peak = float(np.abs(signal).max(initial=0.0))
    limit = 1 - 2.0**-15  # the largest 16-bit sample
    scaled: np.ndarray = (signal * (limit / peak) if peak > limit else signal).astype(np.float32)
    return scaled


def versions(own: int, *libraries: str) -> str:
    """An effect's own version and those of the libraries that decide its samples."""
    return ", ".join([str(own), *(f"{library} {metadata.version(library)}" for library in libraries)])


def learned(clip: Mapping[str, Any]) -> str:
    """What a model learns of a clip, as text: two clips with the same may stand for one another.

    >>> learned({"label": "dog"}), learned({"labels": ["cat", "dog"]}), learned({"target": 3.5}), learned({})
    ('dog', "['cat', 'dog']", '3.5', 'None')
    """
    return str(clip.get("label", clip.get("labels", clip.get("target"))))


def training_rows(clips: pa.Table) -> list[dict[str, Any]]:
    """Rows of the clips table that may be listened to: the split `train`, or all where the data set
    names no splits."""
    rows: list[dict[str, Any]] = clips.to_pylist()
    return [row for row in rows if row["split"] in ("train", None)]


@dataclass(frozen=True)
class Unfitted:
    """An effect that needs no fitting and takes every clip."""

    def fit(self, clips: pa.Table, load: LoadClip, rate: int) -> Self:  # noqa: ARG002  # the seam's signature
        return self

    def applies_to(self, clip: Mapping[str, Any]) -> bool:  # noqa: ARG002  # the seam's signature
        return True
