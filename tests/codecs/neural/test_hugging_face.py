"""The adapters of docs/extending.md run: EnCodec, DAC and Mimi with few random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from streamaug.codecs import choose_encoder, load_settings
from streamaug.codecs.neural.container import CodeFile, read_codes, write_codes
from streamaug.codecs.programme import programme_signal
from streamaug.conditions import Condition
from tests.plugin.streamaug_example import hugging_face

CODEBOOKS = 3


def encodec() -> hugging_face.Encodec:
    # 24 kHz / 8 * 6 bits: 18 kbps per codebook
    settings = {"num_filters": 4, "hidden_size": 8, "codebook_size": 64, "num_lstm_layers": 1, "upsampling_ratios": [4, 2]}
    return hugging_face.Encodec(**settings, target_bandwidths=[54.0])


def dac() -> hugging_face.Dac:
    settings = {"encoder_hidden_size": 4, "decoder_hidden_size": 32, "n_codebooks": CODEBOOKS, "codebook_size": 64}
    return hugging_face.Dac(**settings, downsampling_ratios=[2, 4], sampling_rate=24_000)


def mimi() -> hugging_face.Mimi:
    settings = {"num_filters": 4, "hidden_size": 16, "codebook_size": 64, "codebook_dim": 16, "vector_quantization_hidden_dimension": 16}
    transformer = {"num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 8, "intermediate_size": 16}
    ratios = {"upsampling_ratios": [2, 2], "upsample_groups": 16, "num_quantizers": CODEBOOKS, "num_semantic_quantizers": 1}
    return hugging_face.Mimi(**settings, **transformer, **ratios)


def random_codes(seed: int) -> bytes:
    """A bitstream: few random weights give nearly the same codes for any sound."""
    codes = np.random.default_rng(seed).integers(0, 64, (CODEBOOKS, 3_000))
    return write_codes(CodeFile(rate=24_000, samples=23_999, bits=6, codes=codes))


@pytest.mark.parametrize("name", ["encodec", "dac", "mimi"])
def test_it_codes_a_second_with_the_bitrates_of_its_numbers(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    weights = {"encodec": encodec, "dac": dac, "mimi": mimi}[name]().state_dict()
    for key in weights:
        if "embed" in key:  # transformers makes empty codebooks
            weights[key] = torch.randn_like(weights[key])
    save_file({key: value.clone() for key, value in weights.items()}, tmp_path / "model.safetensors")
    reference = f"tests.codecs.neural.test_hugging_face:{name}"
    (tmp_path / "neural.yaml").write_text(f"neural: {{{name}: {{checkpoint: model.safetensors, module: '{reference}'}}}}")
    codec, encoder, _ = choose_encoder(Condition.parse(f"{name}_18").steps[0], load_settings(tmp_path / "neural.yaml"))
    signal = programme_signal(24_000, 1, 1.0)[:23_999]
    payloads = [encoder.encode(signal, rate=24_000, kbps=kbps, tail=0) for kbps in codec.bitrates(1)]
    files = [read_codes(payload) for payload in payloads]
    assert list(codec.bitrates(1)) == [18, 36, 54]
    assert [file.codes.shape for file in files] == [(count, 3_000) for count in (1, 2, 3)]
    assert np.array_equal(files[0].codes, files[2].codes[:1])
    sounds = [codec.decode(payload).samples for payload in (*payloads, random_codes(0), random_codes(1), random_codes(0))]
    assert [sound.shape for sound in sounds] == [(23_999,)] * 6
    assert np.array_equal(sounds[3], sounds[5])
    assert not np.array_equal(sounds[3], sounds[4])
