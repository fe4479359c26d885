"""ResNet-17: a residual path for low mels and one for high mels, joined before the last layers."""

from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from train.models.layers import Classifier, SameAvgPool, SameConv, norm, scaled

SPLIT = 64
"""Mel at which the input is divided between the two paths."""


def norm_conv(inputs: int, outputs: int, kernel: int = 3, stride: tuple[int, int] = (1, 1), *, relu: bool = True) -> nn.Sequential:
    """Pre-activation: batch norm without scale and shift, ReLU, convolution."""
    activation = [nn.ReLU()] if relu else []
    return nn.Sequential(norm(inputs, affine=False), *activation, SameConv(inputs, outputs, kernel, stride))


class Block(nn.Module):
    """Two convolutions and a shortcut; if the width doubles, the shortcut is pooled and padded with
    zero channels.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = (1, 1) if inputs == outputs else (1, 2)
        self.first = norm_conv(inputs, outputs, stride=stride)
        self.second = norm_conv(outputs, outputs)
        self.pool = nn.Identity() if inputs == outputs else SameAvgPool(stride)
        self.missing = outputs - inputs

    def forward(self, maps: Tensor) -> Tensor:
        shortcut = F.pad(self.pool(maps), (0, 0, 0, 0, 0, self.missing))
        residual: Tensor = self.second(self.first(maps))
        return shortcut + residual


class Path(nn.Sequential):
    """Stem and four stacks of two blocks, widths f, 2f, 4f, 8f."""

    def __init__(self, filters: int) -> None:
        widths = [filters, filters, 2 * filters, 2 * filters, 4 * filters, 4 * filters, 8 * filters, 8 * filters]
        blocks = [Block(inputs, outputs) for inputs, outputs in zip([filters, *widths], widths, strict=False)]
        super().__init__(norm(3), SameConv(3, filters, 3, (1, 2)), *blocks)


class ResNet17(Classifier):
    """The ResNet-17 of Hu et al. (DCASE 2020, Task 1a); their three-class model has half the width.

    >>> from train.models.layers import count_parameters
    >>> count_parameters(ResNet17(10))[0], count_parameters(ResNet17(3, Fraction(1, 2)))[0]
    (12980492, 3247758)
    """

    NAME, CYCLES, DECAY, USES_SPEC_AUGMENT, L2 = "resnet17", 6, 1e-6, False, 1e-3

    def __init__(self, classes: int, width: Fraction = Fraction(1)) -> None:
        super().__init__(classes, width)
        filters = scaled(48, self.width)
        self.low, self.high = Path(filters), Path(filters)
        self.head = nn.Sequential(
            norm_conv(8 * filters, 32 * filters, 1), norm_conv(32 * filters, classes, 1, relu=False), norm(classes, affine=False)
        )
        self.reset()

    def forward(self, features: Tensor) -> Tensor:
        low, high = features[..., :SPLIT, :], features[..., SPLIT:, :]
        logits: Tensor = self.head(torch.cat([self.low(low), self.high(high)], dim=-2)).mean((-2, -1))
        return logits
