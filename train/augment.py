"""What a training step does to its features: SpecAugment, random crop, mixup of pairs.

Pure functions of an explicit generator. It is NumPy's, so that a CPU and a GPU draw the same.
"""

import numpy as np
import torch
from torch import Tensor

MAX_MELS = 12
MAX_FRAMES = 39
"""Widest masks, in mels and in frames."""

CROPPED = 23
"""Frames that a crop leaves out: 400 of 423."""

ALPHA = 0.4
"""Both parameters of mixup's Beta distribution."""


def step_generator(seed: int, step: int, rank: int = 0) -> np.random.Generator:
    """The generator of one step on one rank: resuming at that step draws what an unbroken run would have drawn.

    >>> step_generator(1, 7).random() == step_generator(1, 7).random()
    True
    """
    return np.random.default_rng([seed, step, rank])


def _band(shape: tuple[int, int], size: int, widest: int, generator: np.random.Generator) -> np.ndarray:
    """One masked stretch of 0 to `widest` places for each channel: bool of shape (*shape, size)."""
    widths = generator.integers(0, min(widest, size - 1), shape, endpoint=True)
    starts = generator.integers(0, size - widths)
    places = np.arange(size)
    return (places >= starts[..., None]) & (places < (starts + widths)[..., None])


def spec_augment(features: Tensor, generator: np.random.Generator) -> Tensor:
    """Set one band of 0 to 12 mels and one stretch of 0 to 39 frames of every channel to 0 (Park et al. 2019).

    features: (batch, channels, mels, frames). Widths and places are drawn for each clip and channel of its own.
    """
    batch, channels, mels, frames = features.shape
    bands = _band((batch, channels), mels, MAX_MELS, generator)
    stretches = _band((batch, channels), frames, MAX_FRAMES, generator)
    masked = torch.from_numpy(bands[..., None] | stretches[..., None, :])
    return features.masked_fill(masked.to(features.device), 0.0)


def random_crop(features: Tensor, frames: int, generator: np.random.Generator) -> Tensor:
    """A stretch of `frames` frames of each clip, its start drawn for each.

    features: (batch, channels, mels, longer). Raises ValueError where a clip is shorter than the crop.
    """
    longer = features.shape[-1]
    if not 0 < frames <= longer:
        raise ValueError(f"a crop of {frames} frames was asked from {longer}")
    starts = generator.integers(0, longer - frames, len(features), endpoint=True)
    return torch.stack([clip[..., start : start + frames] for clip, start in zip(features, starts.tolist(), strict=True)])


def mixup(features: Tensor, targets: Tensor, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Mix clip i of the first half of a batch with clip i of the second (Zhang et al. 2018).

    features: (2 n, ...). targets: (2 n, classes), one-hot. Returns n of each, one Beta(ALPHA, ALPHA) share a pair.
    """
    if len(features) % 2:
        raise ValueError(f"mixup takes pairs; {len(features)} clips came")
    half = len(features) // 2
    shares = torch.from_numpy(generator.beta(ALPHA, ALPHA, half)).to(features)
    weights = shares.view(-1, *[1] * (features.ndim - 1))
    return (
        torch.lerp(features[half:], features[:half], weights),
        torch.lerp(targets[half:], targets[:half], shares[:, None]),
    )
