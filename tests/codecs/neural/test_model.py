"""A checkpoint is opened, tried, and gives the same bits whatever runs it."""

import hashlib
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from streamaug.codecs import choose_encoder, load_settings
from streamaug.codecs.alignment import calibration_signal
from streamaug.codecs.neural.config import NeuralConfig
from streamaug.codecs.neural.model import NeuralModel, open_model
from streamaug.codecs.pcm import to_float
from streamaug.conditions import Step
from streamaug.errors import EncoderError, PluginError
from tests.codecs.neural import wrong
from tests.codecs.neural.conftest import Trained


def opened(config: NeuralConfig) -> NeuralModel:
    return open_model(config, hashlib.sha256(config.path.read_bytes()).hexdigest())


@pytest.mark.parametrize(
    ("rate", "hop", "size", "codebooks", "expected"),
    [
        (24_000, 320, 1_024, 4, (0.75, 1.5, 2.25, 3)),  # EnCodec
        (44_100, 512, 1_024, 9, (0.8613, 1.723, 2.584, 3.445, 4.307, 5.168, 6.029, 6.891, 7.752)),  # DAC
        (24_000, 1_920, 2_048, 8, (0.1375, 0.275, 0.4125, 0.55, 0.6875, 0.825, 0.9625, 1.1)),  # Mimi
        (16_000, 16, 1_000, 1, (10,)),
    ],
)
def test_the_bitrates_are_codebooks_times_bits_times_frames_per_second(rate, hop, size, codebooks, expected) -> None:
    numbers = {"rate": rate, "hop": hop, "codebooks": codebooks, "codebook_size": size}
    model = NeuralModel(**numbers, code="", encoder=lambda *_: None, decoder=lambda _: None)
    assert model.bitrates == expected


def test_both_kinds_of_file_give_the_bits_of_the_model_itself(trained: Trained) -> None:
    signal = to_float(calibration_signal(16_000))
    script, safe = (opened(trained.settings.neural[name]) for name in ("tiny", "tiny-safe"))
    codes = script.encode(signal, 3)
    assert np.array_equal(safe.encode(signal, 3), codes)
    with torch.inference_mode():
        assert np.array_equal(trained.model.encode(torch.from_numpy(signal), 3), codes)
    assert np.array_equal(script.decode(codes), safe.decode(codes))


def test_any_number_of_threads_and_runs_gives_the_same_bits(trained: Trained) -> None:
    model = opened(trained.settings.neural["tiny"])
    codes = model.encode(to_float(calibration_signal(16_000)), 4)
    before = torch.get_num_threads()
    results: list[np.ndarray] = []

    def decode() -> None:
        results.append(model.decode(codes))

    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            for _ in range(3):
                decode()
            assert torch.get_num_threads() == count
            thread = threading.Thread(target=decode)
            thread.start()
            thread.join()
    finally:
        torch.set_num_threads(before)
    assert len(results) == 8
    assert all(np.array_equal(result, results[0]) for result in results)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Random", "gives other numbers the second time"),
        ("Remembering", "gives other numbers the second time"),
        ("WithoutHop", "its attribute 'hop' is 0; it must be an integer from 1 to 16777216"),
        ("ManyCodebooks", "its attribute 'codebooks' is 65536; it must be an integer from 1 to 65535"),
        ("ManyCodes", "its attribute 'codebook_size' is 16777217; it must be an integer from 1 to 16777216"),
        ("RateIsTrue", "its attribute 'rate' is True; it must be an integer from 1 to 768000"),
        ("WithoutDecode", "has no method 'decode'"),
        ("Latents", r"encode gives float32 of shape \(1, 8000\); it must give integers of shape \(1, frames\)"),
        ("Batched", r"decode gives float32 of shape \(1, 8000\); it must give float32 of shape \(samples,\)"),
        ("Slow", "encode gives 4000 frames of 8000 samples, but hop is 1"),
        ("Outside", "has codes from 1 to 4, but the codebooks have 4"),
        ("Exploding", "samples that are not finite"),
        ("Failing", "'tests.codecs.neural.wrong:Failing' does not make a module: OSError: no such license"),
        ("text", "gives a str; it must give a torch.nn.Module"),
        ("made", "is a partial; name a class, or a function that is written with 'def'"),
        ("Missing", "there is no 'Missing'"),
    ],
)
def test_a_model_that_is_not_a_codec_is_refused_by_what_it_lacks(tmp_path: Path, name: str, message: str) -> None:
    save_file(wrong.Right().state_dict(), tmp_path / "wrong.safetensors")
    settings = f"neural: {{wrong: {{checkpoint: wrong.safetensors, module: 'tests.codecs.neural.wrong:{name}'}}}}"
    (tmp_path / "neural.yaml").write_text(settings)
    with pytest.raises(EncoderError, match=message) as refused:
        choose_encoder(Step(name="wrong", bitrate="16"), load_settings(tmp_path / "neural.yaml"))
    assert name == "Missing" or str(tmp_path / "wrong.safetensors") in str(refused.value)


def test_the_right_one_is_taken(tmp_path: Path) -> None:
    save_file(wrong.Right().state_dict(), tmp_path / "right.safetensors")
    (tmp_path / "neural.yaml").write_text("neural: {right: {checkpoint: right.safetensors, module: 'tests.codecs.neural.wrong:Right'}}")
    _, encoder, _ = choose_encoder(Step(name="right", bitrate="16"), load_settings(tmp_path / "neural.yaml"))
    assert encoder.arguments["module"].startswith("tests.codecs.neural.wrong.Right ")


def test_a_file_of_another_kind_is_refused(tmp_path: Path, trained: Trained) -> None:
    (tmp_path / "codec.ts").write_bytes(b"no archive")
    torch.save(trained.model.state_dict(), tmp_path / "weights.pt")
    for name in ("codec.ts", "weights.pt"):
        with pytest.raises(PluginError, match=rf"{name}: is not a TorchScript file: .*torch\.jit\.script"):
            opened(NeuralConfig(checkpoint=tmp_path / name))
    (tmp_path / "codec.safetensors").write_bytes(b"no tensors")
    save_file({"levels": torch.zeros(3)}, tmp_path / "other.safetensors")
    for name in ("codec", "other"):
        with pytest.raises(PluginError, match=rf"{name}.safetensors: does not have the weights of 'tests.codecs.neural.wrong:Right'"):
            opened(NeuralConfig(checkpoint=tmp_path / f"{name}.safetensors", module="tests.codecs.neural.wrong:Right"))


WITHOUT_TORCH = """
import sys
from pathlib import Path
sys.modules["torch"] = None
from streamaug.codecs.neural.codec import NeuralCodec
from streamaug.codecs.neural.config import NeuralConfig
try:
    NeuralCodec.of("tiny", NeuralConfig(checkpoint=Path(sys.argv[1]))).decode(b"")
except Exception as error:
    print(type(error).__name__, error)
"""


def test_without_torch_the_error_says_what_to_install(trained: Trained) -> None:
    ran = subprocess.run([sys.executable, "-c", WITHOUT_TORCH, trained.folder / "tiny.ts"], check=True, capture_output=True, text=True)
    assert ran.stdout.startswith("PluginError checkpoint ")
    assert "the package 'torch' is needed for this and is not installed; run: pip install torch" in ran.stdout
