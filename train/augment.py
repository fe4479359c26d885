"""What a training step does to its features: SpecAugment, random crop, mixup of pairs.

Pure functions of explicit generators, one a clip. A clip's draws depend on the seed, the step and its place in the
epoch, so they do not change with the number of ranks, and a resumed run draws what an unbroken one would have drawn.
They are NumPy's, so that a CPU and a GPU draw the same.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

MAX_MELS = 12
MAX_FRAMES = 39 / 423
"""Widest masks: in mels, and as a share of the frames (39 of the 423 that clips of 10 s have)."""

CROP_FRAMES = 23
"""Frames that a crop leaves out: 400 of 423."""

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
    """One masked stretch of 0 to `widest` places for each clip and channel: bool of shape (clips, channels, size)."""
    widths = np.stack([generator.integers(0, min(widest, size - 1), channels, endpoint=True) for generator in generators])
    starts = np.stack([generator.integers(0, size - own) for generator, own in zip(generators, widths, strict=True)])
    places = np.arange(size)
    return (places >= starts[..., None]) & (places < (starts + widths)[..., None])


def spec_augment(features: Tensor, generators: Generators) -> Tensor:
    """Set one band of 0 to 12 mels and one stretch of 0 to 39 frames in 423 of every channel to 0 (Park et al. 2019).

    features: (clips, channels, mels, frames). Widths and places are drawn for each channel of its own.
    """
    _, channels, mels, frames = features.shape
    bands = _bands(channels, mels, MAX_MELS, generators)
    stretches = _bands(channels, frames, round(MAX_FRAMES * frames), generators)
    masked = torch.from_numpy(bands[..., None] | stretches[..., None, :])
    return features.masked_fill(masked.to(features.device), 0.0)


def random_crop(features: Tensor, frames: int, generators: Generators) -> Tensor:
    """A stretch of `frames` frames of each clip, its start drawn for each.

    features: (clips, channels, mels, longer). Raises ValueError where a clip is shorter than the crop.
    """
    longer = features.shape[-1]
    if not 0 < frames <= longer:
        raise ValueError(f"a crop of {frames} frames was asked from {longer}")
    starts = [int(generator.integers(0, longer - frames, endpoint=True)) for generator in generators]
    return torch.stack([clip[..., start : start + frames] for clip, start in zip(features, starts, strict=True)])


def mixup(features: Tensor, targets: Tensor, generators: Generators) -> tuple[Tensor, Tensor]:
    """Mix every clip at an even place with the clip after it (Zhang et al. 2018); the plan has shuffled them.

    features: (2 n, ...). targets: (2 n, classes), one-hot. Returns n of each, one Beta(ALPHA, ALPHA) share a pair.
    """
    if len(features) % 2:
        raise ValueError(f"mixup takes pairs; {len(features)} clips came")
    shares = torch.tensor([generator.beta(ALPHA, ALPHA) for generator in generators[::2]]).to(features)
    weights = shares.view(-1, *[1] * (features.ndim - 1))
    return torch.lerp(features[1::2], features[::2], weights), torch.lerp(targets[1::2], targets[::2], shares[:, None])
