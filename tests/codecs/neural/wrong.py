"""Models that are wrong on purpose, each in one thing."""

import functools

import torch
from torch import Tensor, nn


class Right(nn.Module):
    """Two bits for the sign and size of every sample."""

    def __init__(self) -> None:
        super().__init__()
        self.rate, self.hop, self.codebooks, self.codebook_size = 8_000, 1, 1, 4
        self.levels = nn.Parameter(torch.tensor([-0.4, -0.1, 0.1, 0.4]))

    def encode(self, waveform: Tensor, codebooks: int) -> Tensor:
        return (waveform[:, None] - self.levels).abs().argmin(1)[None]

    def decode(self, codes: Tensor) -> Tensor:
        return self.levels[codes[0]]


class Random(Right):
    def decode(self, codes: Tensor) -> Tensor:
        return super().decode(codes) + 0.01 * torch.randn(codes.shape[1])


class Remembering(Right):
    def encode(self, waveform: Tensor, codebooks: int) -> Tensor:
        codes = super().encode(waveform, codebooks)
        self.count = getattr(self, "count", 0) + 1
        return (codes + self.count) % 4


class WithoutHop(Right):
    def __init__(self) -> None:
        super().__init__()
        self.hop = 0


class ManyCodebooks(Right):
    def __init__(self) -> None:
        super().__init__()
        self.codebooks = 65_536


class ManyCodes(Right):
    def __init__(self) -> None:
        super().__init__()
        self.codebook_size = (1 << 24) + 1


class RateIsTrue(Right):
    def __init__(self) -> None:
        super().__init__()
        self.rate = True


class WithoutDecode(Right):
    decode = None


class Latents(Right):
    def encode(self, waveform: Tensor, codebooks: int) -> Tensor:
        return waveform[None]


class Batched(Right):
    def decode(self, codes: Tensor) -> Tensor:
        return super().decode(codes)[None]


class Slow(Right):
    def encode(self, waveform: Tensor, codebooks: int) -> Tensor:
        return super().encode(waveform, codebooks)[:, ::2]


class Outside(Right):
    def encode(self, waveform: Tensor, codebooks: int) -> Tensor:
        return super().encode(waveform, codebooks) + 1


class Exploding(Right):
    def decode(self, codes: Tensor) -> Tensor:
        return super().decode(codes) / 0


class Failing(Right):
    def __init__(self) -> None:
        raise OSError("no such license")


def text() -> str:
    return "a codec"


made = functools.partial(Right)
