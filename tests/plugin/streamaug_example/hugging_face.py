"""EnCodec, DAC and Mimi of Hugging Face's transformers as neural codecs."""

from typing import Any

from torch import Tensor, nn
from transformers import DacConfig, DacModel, EncodecConfig, EncodecModel, MimiConfig, MimiModel


class Encodec(nn.Module):
    """EnCodec for 24 kHz: `encodec_0.75` to `encodec_24`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        config = EncodecConfig(**settings)
        self.model = EncodecModel(config)
        self.rate, self.hop = config.sampling_rate, config.hop_length
        self.codebooks, self.codebook_size = config.num_quantizers, config.codebook_size

    def encode(self, waveform: Tensor, codebooks: int) -> Tensor:
        return self.model.quantizer.encode(self.model.encoder(waveform[None, None]))[:codebooks, 0]

    def decode(self, codes: Tensor) -> Tensor:
        return self.model.decode(codes[None, None], [None]).audio_values[0, 0]


class Dac(nn.Module):
    """DAC for 44.1 kHz: `dac_0.8613` to `dac_7.752`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        config = DacConfig(**{"sampling_rate": 44_100, "downsampling_ratios": [2, 4, 8, 8]} | settings)
        self.model = DacModel(config)
        self.rate, self.hop = config.sampling_rate, config.hop_length
        self.codebooks, self.codebook_size = config.n_codebooks, config.codebook_size

    def encode(self, waveform: Tensor, codebooks: int) -> Tensor:
        return self.model.encode(waveform[None, None], codebooks).audio_codes[0]

    def decode(self, codes: Tensor) -> Tensor:
        return self.model.decode(audio_codes=codes[None]).audio_values[0]


class Mimi(nn.Module):
    """Mimi, at 12.5 frames per second: `mimi_0.1375` to `mimi_4.4`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        config = MimiConfig(**settings)
        self.model = MimiModel(config)
        self.rate, self.hop = config.sampling_rate, round(config.sampling_rate / config.frame_rate)
        self.codebooks, self.codebook_size = config.num_quantizers, config.codebook_size

    def encode(self, waveform: Tensor, codebooks: int) -> Tensor:
        return self.model.encode(waveform[None, None], num_quantizers=codebooks).audio_codes[0]

    def decode(self, codes: Tensor) -> Tensor:
        return self.model.decode(codes[None]).audio_values[0, 0]
