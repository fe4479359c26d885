"""Two models for the benchmark of `streamaug stress`, with random weights: a ResNet as torchvision
has it, and a small Audio Spectrogram Transformer of Hugging Face."""

from itertools import pairwise

import torch
from torch import Tensor, nn

CLASSES = 10
FRAMES = 498
"""Of 10 ms, in 5 s."""


class Block(nn.Module):
    """A basic block (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.skip = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu(self.body(maps) + self.skip(maps))


class ResNet(nn.Module):
    """Of half the width of torchvision's resnet18, on log-mel matrices (n, mels, frames)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        stages = [
            nn.Sequential(Block(inputs, outputs, 1 if number == 0 else 2), Block(outputs, outputs, 1))
            for number, (inputs, outputs) in enumerate(pairwise(widths))
        ]
        self.stages, self.head = nn.Sequential(*stages), nn.Linear(widths[-1], CLASSES)

    def forward(self, log_mel: Tensor) -> Tensor:
        logits: Tensor = self.head(self.stages(self.stem(log_mel[:, None])).mean((-2, -1)))
        return logits


def ast() -> nn.Module:
    """Two layers of 96, on mel matrices (n, FRAMES, 128) as its feature extractor makes them."""
    from transformers import ASTConfig, ASTForAudioClassification

    config = ASTConfig(hidden_size=96, num_hidden_layers=2, num_attention_heads=4, intermediate_size=384, max_length=FRAMES)
    config.num_labels = CLASSES
    return ASTForAudioClassification(config)


def mel_frames(waveform: Tensor) -> Tensor:
    """What ASTFeatureExtractor computes of a waveform at 16 kHz: (FRAMES, 128)."""
    from torchaudio.compliance.kaldi import fbank

    frames = fbank(waveform[None], htk_compat=True, sample_frequency=16_000, window_type="hanning", num_mel_bins=128)
    normalized: Tensor = (frames[:FRAMES] + 4.2677393) / (2 * 4.5689974)
    return normalized
