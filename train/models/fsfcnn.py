"""fsFCNN: the FCNN with small filters that keeps more of the frequency axis."""

from fractions import Fraction

from torch import Tensor, nn

from train.models.layers import AttentionHead, Classifier, SameMaxPool, conv_norm_relu, norm, scaled


class FsFCNN(Classifier):
    """The fsFCNN of Hu et al. (DCASE 2020, Task 1a).

    >>> from train.models.layers import count_parameters
    >>> count_parameters(FsFCNN(10))[0]
    16539703
    """

    NAME, CYCLES, DECAY, USES_SPEC_AUGMENT, L2 = "fsfcnn", 7, 0.0, True, 0.0

    def __init__(self, classes: int, width: Fraction = Fraction(1)) -> None:
        super().__init__(classes, width)
        first, second, third, fourth = (scaled(channels, self.width) for channels in (48, 96, 512, 768))
        self.blocks = nn.Sequential(
            norm(3),
            conv_norm_relu(3, first, 5, (1, 2)),
            conv_norm_relu(first, first),
            SameMaxPool((2, 2)),
            conv_norm_relu(first, second),
            conv_norm_relu(second, second),
            SameMaxPool((2, 2)),
            conv_norm_relu(second, third),
            conv_norm_relu(third, third),
            SameMaxPool((1, 2)),
            conv_norm_relu(third, third),
            conv_norm_relu(third, third),
            SameMaxPool((1, 2)),
            conv_norm_relu(third, fourth),
            nn.Dropout(0.5),
            conv_norm_relu(fourth, fourth),
            nn.Dropout(0.5),
        )
        self.head = AttentionHead(fourth, classes)
        self.reset()

    def forward(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(self.blocks(features))
        return logits
