"""FCNN: nine convolutions and a channel-attention head."""

from fractions import Fraction

from torch import Tensor, nn

from train.models.layers import AttentionHead, Classifier, conv_norm_relu, norm, scaled


class FCNN(Classifier):
    """The FCNN of Hu et al. (DCASE 2020, Task 1a).

    An input of 128 x 423 gives maps of 8 x 26 before the global average, a crop of 400 frames maps
    of 8 x 25.

    >>> from train.models.layers import count_parameters
    >>> count_parameters(FCNN(10))
    (11786711, 11780329)
    """

    NAME, CYCLES, DECAY, USES_SPEC_AUGMENT, L2 = "fcnn", 7, 1e-6, True, 0.0

    def __init__(self, classes: int, width: Fraction = Fraction(1)) -> None:
        super().__init__(classes, width)
        low, middle, high = (scaled(channels, self.width) for channels in (144, 288, 576))
        # The first convolution always pads by two on each side, which 'same' padding does not at
        # stride 2.
        self.stem = nn.Sequential(norm(3), nn.Conv2d(3, low, 5, 2, padding=2, bias=False), norm(low), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(
            conv_norm_relu(low, low),
            nn.MaxPool2d(2),
            conv_norm_relu(low, middle),
            conv_norm_relu(middle, middle),
            nn.MaxPool2d(2),
            conv_norm_relu(middle, high),
            nn.Dropout(0.3),
            conv_norm_relu(high, high),
            nn.Dropout(0.3),
            conv_norm_relu(high, high),
            nn.Dropout(0.3),
            conv_norm_relu(high, high),
            nn.MaxPool2d(2),
        )
        self.head = AttentionHead(high, classes)
        self.reset()

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(self.stem(features)))
        return logits
