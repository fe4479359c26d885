"""Models for the tests: small, made of real layers, and some that are wrong on purpose."""

import functools
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor, nn

CLASSES = 3


class Small(nn.Module):
    """Loudness in 32 learned bands, and a linear layer."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.bands = nn.Conv1d(1, 32, 64, stride=16)
        self.dropout = nn.Dropout(0.5)  # which would show if the model were left in training mode
        self.linear = nn.Linear(32, classes)
        for parameter in self.parameters():
            parameter.data.normal_(0, 0.5, generator=generator)

    def forward(self, waveforms: Tensor) -> Tensor:
        bands: Tensor = self.bands(waveforms[:, None]).abs().mean(-1)
        return self.linear(self.dropout(bands))


instance = Small()
trained = Small().eval()
forgotten = Small()
NUMBER = 3


def factory() -> nn.Module:
    return Small()


def function(waveforms: Tensor) -> Tensor:
    return trained(waveforms)


def as_array(waveforms: Tensor) -> np.ndarray:
    return trained(waveforms).numpy()


def with_logits(waveforms: Tensor) -> SimpleNamespace:
    return SimpleNamespace(logits=trained(waveforms))


def several_outputs(waveforms: Tensor) -> tuple[Tensor, Tensor]:
    return trained(waveforms), waveforms


def one_score(waveforms: Tensor) -> Tensor:
    return waveforms.abs().mean(-1)


def two_scores(waveforms: Tensor) -> Tensor:
    return trained(waveforms)[:, :2]


def class_numbers(waveforms: Tensor) -> Tensor:
    return trained(waveforms).argmax(1)


def nan_for_loud_clips(waveforms: Tensor) -> Tensor:
    """NaN for the clips of three or more different loudnesses."""
    scores = trained(waveforms)
    scores[waveforms.abs().mean(-1) > 0.21] = float("nan")
    return scores


def in_training_mode(waveforms: Tensor) -> Tensor:
    return forgotten(waveforms)


def normalized_over_the_batch(waveforms: Tensor) -> Tensor:
    scores = trained(waveforms)
    return scores - scores.mean(0)


def failing(waveforms: Tensor) -> Tensor:
    raise ValueError("no such layer")


def takes_log_mel(log_mel: Tensor) -> Tensor:
    """The means of the lowest bands."""
    return log_mel[:, :CLASSES].mean(-1)


def unseeded() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool1d(16), nn.Linear(16, CLASSES))


def named_in_reverse() -> nn.Module:
    model = Small()
    model.labels = ["siren", "rain", "bird"]
    return model


def band_energies(waveform: Tensor) -> Tensor:
    """A feature of the tests' own."""
    return torch.fft.rfft(waveform[:1024]).abs()[:16]


def from_weights(path: Path) -> nn.Module:
    model = Small()
    model.load_state_dict(torch.load(path, weights_only=True))
    return model


made = functools.partial(from_weights)


def stopping() -> nn.Module:
    """Ends its process at its STOP_AFTER-th batch, as the kernel would; BIAS makes it another model."""
    model = Stopping()
    model.linear.bias.data += float(os.environ.get("BIAS", 0))
    return model


class Stopping(Small):
    batches = 0

    def forward(self, waveforms: Tensor) -> Tensor:
        type(self).batches += 1
        if self.batches > int(os.environ.get("STOP_AFTER", 1 << 30)) and os.environ.get("RANK", "0") == os.environ.get("STOP_RANK", "0"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(waveforms)


def spectrogram_transformer() -> nn.Module:
    """A Hugging Face AST, tiny, with random weights."""
    from transformers import ASTConfig, ASTForAudioClassification

    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    return ASTForAudioClassification(ASTConfig(**size, max_length=32, num_mel_bins=32, num_labels=CLASSES))


def mel_frames(waveform: Tensor) -> Tensor:
    """What the AST takes: (frames, mels)."""
    from torchaudio.compliance.kaldi import fbank

    return fbank(waveform[None], num_mel_bins=32, sample_frequency=16_000)[:32]
