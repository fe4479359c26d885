"""Two small stores without audio: city scenes with devices, and sounds in folds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamaug.store import Store
from streamaug.testing import write_store

TRAIN = {"tau": 24, "esc": 16}
"""Clips of each store to train on."""


def scenes(folder: Path, *, prefix: str = "scene", splits: Sequence[str] = ("train", "evaluate")) -> Store:
    """32 clips: 24 of the first split and 8 of the second; half of them in the condition `pitch`."""
    numbers = range(32)
    columns = {
        "clip_id": [f"{prefix}-{number:02d}" for number in numbers],
        "label": [("bus", "park", "dog")[number % 3] for number in numbers],
        "split": [splits[number >= 24] for number in numbers],
        "group": [f"g{number // 4}" for number in numbers],
        "device": ["ab"[number % 2] for number in numbers],
        "fold": [1 + number // 8 for number in numbers],
    }
    conditions = {"original": None, "mp3_64": None, "pitch": np.arange(32) % 2 == 0}
    return write_store(folder, columns, conditions, labels=("park", "bus", "dog"), clips_per_shard=4)


def sounds(folder: Path, *, prefix: str = "sound", splits: Sequence[str] = ("train", "evaluate"), **columns: Sequence[object]) -> Store:
    """20 clips: 16 of the first split and 4 of the second; of their groups, only those of the first
    split have names of `scenes`' other side."""
    numbers = range(20)
    own: dict[str, Sequence[object]] = {
        "clip_id": [f"{prefix}-{number:02d}" for number in numbers],
        "label": [("siren", "dog_bark")[number % 2] for number in numbers],
        "split": [splits[number >= 16] for number in numbers],
        "group": [f"g{6 + number // 8}" if number < 16 else "other" for number in numbers],
        "take": [f"t{number}" for number in numbers],
        "fold": [str(1 + number // 5) for number in numbers],
    }
    return write_store(folder, {**own, **columns}, {"original": None, "mp3_64": None}, labels=("dog_bark", "siren"), clips_per_shard=4)
