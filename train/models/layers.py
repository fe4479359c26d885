"""Building blocks that the three models share. Maps have the shape (batch, channels, mels, frames)."""

from fractions import Fraction
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPS = 1e-3
MOMENTUM = 0.01
"""Batch norm as in Keras: epsilon 1e-3, and 0.99 of the running mean is kept (torch states the
share that is replaced).
"""


def scaled(channels: int, width: Fraction) -> int:
    """Channels of a layer at a width, at least 1.

    >>> scaled(144, Fraction(1, 16))
    9
    """
    return max(1, round(channels * width))


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Padding before and after an axis, for ceil(size / stride) outputs; an odd remainder goes to
    the end.

    >>> same_padding(8, 3, 2), same_padding(9, 3, 2), same_padding(9, 3, 1)
    ((0, 1), (1, 1), (1, 1))
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad_same(maps: Tensor, kernel: int, stride: tuple[int, int], value: float = 0.0) -> Tensor:
    """Pad mels and frames as 'same' padding does."""
    mels, frames = maps.shape[-2:]
    return F.pad(maps, (*same_padding(frames, kernel, stride[1]), *same_padding(mels, kernel, stride[0])), value=value)


class SameConv(nn.Conv2d):
    """Convolution with 'same' padding and no bias."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__(inputs, outputs, kernel, stride, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        return super().forward(pad_same(maps, self.kernel_size[0], (self.stride[0], self.stride[1])))


class SameMaxPool(nn.Module):
    """3 x 3 max pooling with 'same' padding."""

    def __init__(self, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, maps: Tensor) -> Tensor:
        return F.max_pool2d(pad_same(maps, 3, self.stride, float("-inf")), 3, self.stride)


class SameAvgPool(nn.Module):
    """3 x 3 average pooling with 'same' padding; the padding does not count in the mean."""

    def __init__(self, stride: tuple[int, int]) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, maps: Tensor) -> Tensor:
        inside = pad_same(torch.ones_like(maps[:1, :1]), 3, self.stride)
        return F.avg_pool2d(pad_same(maps, 3, self.stride), 3, self.stride) / F.avg_pool2d(inside, 3, self.stride)


def norm(channels: int, affine: bool = True) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPS, momentum=MOMENTUM, affine=affine)


def conv_norm_relu(inputs: int, outputs: int, kernel: int = 3, stride: tuple[int, int] = (1, 1)) -> nn.Sequential:
    return nn.Sequential(SameConv(inputs, outputs, kernel, stride), norm(outputs), nn.ReLU(inplace=True))


class ChannelAttention(nn.Module):
    """Weighs each channel by its mean and its maximum (the channel half of CBAM, Woo et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // 2)
        self.excite = nn.Linear(channels // 2, channels)

    def forward(self, maps: Tensor) -> Tensor:
        pooled = torch.stack([maps.mean((-2, -1)), maps.amax((-2, -1))])
        gates = torch.sigmoid(self.excite(F.relu(self.squeeze(pooled))).sum(0))
        return maps * gates[..., None, None]


class AttentionHead(nn.Sequential):
    """Maps to logits: 1 x 1 convolution to the classes, channel attention, global average."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__(
            SameConv(inputs, classes, 1),
            norm(classes, affine=False),
            nn.ReLU(inplace=True),
            norm(classes, affine=False),
            ChannelAttention(classes),
        )

    def forward(self, maps: Tensor) -> Tensor:
        logits: Tensor = super().forward(maps)  # type: ignore[no-untyped-call]  # torch leaves Sequential.forward untyped
        return logits.mean((-2, -1))


class Classifier(nn.Module):
    """Log-mel with deltas (batch, 3, 128, frames) to logits (batch, classes).

    The class constants are the paper's training settings that differ between the models.

    Args:
        classes: Number of classes.
        width: Factor of the number of channels.
    """

    NAME: ClassVar[str]
    CYCLES: ClassVar[int]
    """Cosine cycles of 2, 4, 8 ... epochs."""
    DECAY: ClassVar[float]
    """Further decay of the learning rate, 1 / (1 + DECAY * step)."""
    USES_SPEC_AUGMENT: ClassVar[bool]
    """Whether SpecAugment is applied."""
    L2: ClassVar[float]
    """Penalty on the squared weights of every convolution."""
    labels: tuple[str, ...] | None = None
    """What the classes are called, of a classifier that was loaded for `streamaug stress`."""

    def __init__(self, classes: int, width: Fraction) -> None:
        super().__init__()
        self.classes = classes
        self.width = Fraction(width)

    def reset(self) -> None:
        """He-normal weights, zero biases, drawn from torch's default generator."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Number of all stored values, including running statistics (as Keras counts), and of the
    trained ones.
    """
    trained = sum(parameter.numel() for parameter in model.parameters())
    statistics = sum(buffer.numel() for name, buffer in model.named_buffers() if not name.endswith("num_batches_tracked"))
    return trained + statistics, trained
