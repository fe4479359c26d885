"""A residual-vector-quantiser autoencoder that learns ESC-10 in seconds: a neural codec for tests."""

from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor, nn

RATE = 16_000
HOP = 8
CODEBOOKS = 4
CODEBOOK_SIZE = 16
WIDTH = 16
"""Numbers per frame that the codebooks quantise."""


class Tiny(nn.Module):
    """Each codebook has 4 bits for 8 samples at 16 kHz: 8 kbps."""

    def __init__(self) -> None:
        super().__init__()
        self.rate, self.hop, self.codebooks, self.codebook_size = RATE, HOP, CODEBOOKS, CODEBOOK_SIZE
        self.analysis = nn.Sequential(nn.Conv1d(1, 32, 2 * HOP, HOP, HOP // 2), nn.GELU(), nn.Conv1d(32, WIDTH, 1))
        self.synthesis = nn.Sequential(nn.Conv1d(WIDTH, 32, 3, padding=1), nn.GELU(), nn.ConvTranspose1d(32, 1, 2 * HOP, HOP, HOP // 2))
        self.books = nn.Parameter(torch.zeros(CODEBOOKS, CODEBOOK_SIZE, WIDTH))

    def forward(self, waveform: Tensor) -> Tensor:
        return self.synthesis(self.analysis(waveform))

    @torch.jit.export
    def encode(self, waveform: Tensor, codebooks: int) -> Tensor:
        residual = self.analysis(waveform[None, None])[0].T
        codes: list[Tensor] = []
        for book in self.books[:codebooks]:
            codes.append(torch.cdist(residual, book).argmin(1))
            residual = residual - book[codes[-1]]
        return torch.stack(codes)

    @torch.jit.export
    def decode(self, codes: Tensor) -> Tensor:
        frames = torch.zeros(codes.shape[1], self.books.shape[2])
        for number in range(codes.shape[0]):
            frames = frames + self.books[number][codes[number]]
        return self.synthesis(frames.T[None])[0, 0]


def trained(esc10: Path) -> Tiny:
    """A `Tiny` that has learnt some recordings: first to code without codebooks, then the codebooks."""
    generator = np.random.default_rng(0)
    pieces = torch.from_numpy(_pieces(esc10, generator))
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(0)
        model = Tiny()
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for step in range(100):
        batch = pieces[step % 4 :: 4]
        loss = nn.functional.mse_loss(model(batch), batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        residual = model.analysis(pieces).transpose(1, 2).reshape(-1, WIDTH)
        for book in model.books:
            book.copy_(residual[torch.from_numpy(generator.choice(len(residual), CODEBOOK_SIZE, replace=False))])
            for _ in range(8):  # k-means
                nearest = torch.cdist(residual, book).argmin(1)
                for code in nearest.unique():
                    book[code] = residual[nearest == code].mean(0)
            residual = residual - book[torch.cdist(residual, book).argmin(1)]
    return model.eval()


def _pieces(esc10: Path, generator: np.random.Generator) -> np.ndarray:
    """Loud pieces of recordings, at many levels: float32 of shape (pieces, 1, samples)."""
    pieces = []
    for path in sorted((esc10 / "audio").iterdir())[::12]:
        signal, rate = soundfile.read(path, dtype="float32")
        signal = soxr.resample(signal, rate, RATE)
        loudest = int(np.abs(signal).argmax())
        start = max(0, min(loudest - 1_000, len(signal) - 4_000))
        piece = signal[start : start + 4_000]
        pieces.append(piece / max(np.abs(piece).max(), 1e-3) * generator.uniform(0.1, 0.9))
    return np.stack(pieces)[:, None].astype(np.float32)
