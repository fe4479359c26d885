"""Augment the features of a training step: SpecAugment, random crop, mixup of pairs.

Pure functions of explicit generators, one per clip. A clip's draws depend on the seed, the step and
its position in the epoch, so they do not change with the number of ranks, and a resumed run draws
the same as an uninterrupted one. The generators are NumPy's, so that a CPU and a GPU draw the same.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

MAX_MELS = 12
MAX_FRAMES = 39 / 423
"""Widest masks: in mels, and as a share of the frames (39 of 423, for clips of 10 s)."""

CROP_FRAMES = 23
"""Frames that a crop leaves out (400 of 423 stay)."""

ALPHA = 0.4
"""Both parameters of mixup's Beta distribution."""

Generators = Sequence[np.random.Generator]


def clip_generators(seed: int, step: int, positions: Iterable[int]) -> list[np.random.Generator]:
    """The generators of the clips at these positions of the epoch, in this step.

    >>> a, b = clip_generators(1, 7, [3, 4]), clip_generators(1, 7, [4])
    >>> a[1].random() == b[0].random()
    True
    """
    return [np.random.default_rng([seed, step, position]) for position in positions]


def _bands(channels: int, size: int, widest: int, generators: Generators) -> np.ndarray:
    """One masked stretch of 0 to `widest` bins for each clip and channel: bool of shape (clips,
    channels, size).
    """
    widths = np.stack([generator.integers(0, min(widest, size - 1), channels, endpoint=True) for generator in generators])
    starts = np.stack([generator.integers(0, size - own) for generator, own in zip(generators, widths, strict=True)])
    bins = np.arange(size)
    return (bins >= starts[..., None]) & (bins < (starts + widths)[..., None])


def spec_augment(features: Tensor, generators: Generators) -> Tensor:
    """Set one band of 0 to 12 mels and one stretch of 0 to 39 frames in 423 of every channel to 0
    (Park et al. 2019).

    Args:
        features: Of shape (clips, channels, mels, frames).
        generators: One per clip; each channel draws its own widths and starts.
    """
    _, channels, mels, frames = features.shape
    bands = _bands(channels, mels, MAX_MELS, generators)
    stretches = _bands(channels, frames, round(MAX_FRAMES * frames), generators)
    masked = torch.from_numpy(bands[..., None] | stretches[..., None, :])
    return features.masked_fill(masked.to(features.device), 0.0)


def random_crop(features: Tensor, frames: int, generators: Generators) -> Tensor:
    """Consecutive frames of each clip, from a random start.

    Args:
        features: Of shape (clips, channels, mels, at least `frames`).
        frames: Frames to keep.
        generators: One per clip.

    Raises:
        ValueError: The clips are shorter than the crop.
    """
    length = features.shape[-1]
    if not 0 < frames <= length:
        raise ValueError(f"cannot crop {frames} frames from {length}")
    starts = [int(generator.integers(0, length - frames, endpoint=True)) for generator in generators]
    return torch.stack([clip[..., start : start + frames] for clip, start in zip(features, starts, strict=True)])


def mixup(features: Tensor, targets: Tensor, generators: Generators) -> tuple[Tensor, Tensor]:
    """Mix the clips in pairs, 0 and 1, 2 and 3, ... (Zhang et al. 2018); the plan has shuffled
    them.

    Args:
        features: Of shape (2 n, ...).
        targets: One-hot labels, (2 n, classes).
        generators: One per clip; the first of each pair draws the Beta(ALPHA, ALPHA) share of both.

    Returns:
        Features and targets, n of each.

    Raises:
        ValueError: The number of clips is odd.
    """
    if len(features) % 2:
        raise ValueError(f"mixup takes pairs of clips, not {len(features)} clips; choose an even batch size for each rank")
    shares = torch.tensor([generator.beta(ALPHA, ALPHA) for generator in generators[::2]]).to(features)
    weights = shares.view(-1, *[1] * (features.ndim - 1))
    return torch.lerp(features[1::2], features[::2], weights), torch.lerp(targets[1::2], targets[::2], shares[:, None])
