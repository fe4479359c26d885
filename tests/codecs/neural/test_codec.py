"""A checkpoint is a codec like any other: calibrated, with true bitrates, and checked when it decodes."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from streamaug.codecs import CalibratedEncoder, calibrate, choose_encoder, decode, load_settings
from streamaug.codecs.alignment import calibration_signal, shift
from streamaug.codecs.decoding import own_codec
from streamaug.codecs.neural.checkpoints import find_checkpoint
from streamaug.codecs.neural.codec import NeuralCodec, file_digest
from streamaug.codecs.neural.config import VARIABLE
from streamaug.codecs.neural.container import read_codes
from streamaug.conditions import Condition
from streamaug.errors import CodeWarning, ConditionError, CorruptError, EncoderError, PluginError
from tests.codecs.neural import tiny
from tests.codecs.neural.conftest import Trained


def calibrated(trained: Trained, name: str, rate: int = 16_000) -> CalibratedEncoder:
    return calibrate(Condition.parse(name).steps[0], trained.settings, rate)


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("name", ["tiny_8", "tiny-safe_32"])
def test_it_is_aligned_and_its_kbps_are_true(trained: Trained, name: str, rate: int) -> None:
    encoder = calibrated(trained, name, rate)
    signal = calibration_signal(rate)
    payload = encoder.encode(signal)
    assert encoder.delay == 0
    assert shift(encoder.decode(payload, len(signal)), signal, rate) == 0
    assert encoder.kbps == pytest.approx(encoder.step.kbps, rel=0.01)
    assert len(payload) * 8 / 3_000 == pytest.approx(encoder.step.kbps, rel=0.01)
    assert len(read_codes(payload).codes) == encoder.step.kbps / 8


def test_more_codebooks_are_nearer_to_the_original(trained: Trained) -> None:
    signal = calibration_signal(16_000)
    errors = []
    for kbps in (8, 16, 24, 32):
        encoder = calibrated(trained, f"tiny_{kbps}")
        errors.append(np.square(encoder.decode(encoder.encode(signal), len(signal)) - signal / 32_768).mean())
    assert errors == sorted(errors, reverse=True)
    assert errors[0] < 0.8 * np.square(signal / 32_768).mean()


class Late(tiny.Tiny):
    """Its sound comes 24 samples late."""

    @torch.jit.export
    def encode(self, waveform: torch.Tensor, codebooks: int) -> torch.Tensor:
        return super().encode(nn.functional.pad(waveform, [24, 0])[: waveform.shape[0]], codebooks)


def test_the_delay_of_a_model_is_measured_and_cut(trained: Trained, tmp_path: Path) -> None:
    shutil.copy(trained.folder / "tiny.safetensors", tmp_path)
    (tmp_path / "late.yaml").write_text("neural: {late: {checkpoint: tiny.safetensors, module: 'tests.codecs.neural.test_codec:Late'}}")
    encoder = calibrate(Condition.parse("late_32").steps[0], load_settings(tmp_path / "late.yaml"), 16_000)
    signal = calibration_signal(16_000)
    assert encoder.delay == 24
    assert shift(encoder.decode(encoder.encode(signal), len(signal)), signal, 16_000) == 0


def test_other_bitrates_variants_and_channels_are_refused(trained: Trained) -> None:
    with pytest.raises(EncoderError, match="'tiny' at 16000 Hz has 8, 16, 24 or 32 kbps, not 9; choose one that it has, such as tiny_8"):
        calibrated(trained, "tiny_9")
    with pytest.raises(EncoderError, match="codec 'tiny' has no variant 'loud'"):
        calibrated(trained, "tiny_8@loud")
    with pytest.raises(EncoderError, match="codec 'tiny' takes one channel, but the store has 2"):
        choose_encoder(Condition.parse("tiny_8").steps[0], trained.settings, channels=2)


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "neural.yaml").write_text("neural: {gone: {checkpoint: gone.ts}}")
    with pytest.raises(EncoderError, match=rf"step 'gone_8': there is no checkpoint {tmp_path}/gone.ts; name the file in the settings"):
        choose_encoder(Condition.parse("gone_8").steps[0], load_settings(tmp_path / "neural.yaml"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("neural: {tiny: {checkpoint: a.safetensors}}", "neural.tiny: .*a safetensors file holds weights alone; name the class"),
        ("neural: {tiny: {checkpoint: a.ts, module: 'a:B'}}", "neural.tiny: .*a TorchScript file holds its own code; leave 'module' out"),
        ("neural: {tiny: {checkpoint: a.safetensors, module: 'a b'}}", "'a b' does not name a class"),
        ("neural: {tiny: {checkpoint: a.ts, rate: 8000}}", "neural.tiny.rate: Extra inputs are not permitted"),
        ("neural: {Tiny_1: {checkpoint: a.ts}}", "neural.Tiny_1"),
        ("neural: {mp3: {checkpoint: a.ts}}", "'mp3' is a codec already; give the neural one another name"),
        ("neural: [tiny]", "neural: Input should be a valid dictionary"),
    ],
)
def test_settings_that_contradict_themselves_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "neural.yaml").write_text(text)
    with pytest.raises(ConditionError, match=message):
        load_settings(tmp_path / "neural.yaml")


def test_codes_that_the_model_does_not_have_are_refused(trained: Trained, named: None) -> None:
    encoder = calibrated(trained, "tiny_32")
    payload = encoder.encode(calibration_signal(16_000))

    def refuse(damaged: bytes, message: str) -> None:
        with pytest.raises(CorruptError, match=rf"a bitstream 'tiny' of \d+ bytes cannot be decoded: .*{message}"):
            decode(damaged, decoding=encoder.decoding, rate=16_000, delay=0, samples=48_000)

    assert decode(payload, decoding=encoder.decoding, rate=16_000, delay=0, samples=48_000).shape == (48_000,)
    refuse(payload[:-1], "cut off")
    refuse(payload[:8] + (8_000).to_bytes(4, "little") + payload[12:], "4 bits per code at 8000 Hz, but the model has 4 at 16000 Hz")
    refuse(payload[:16] + (48_001).to_bytes(4, "little") + payload[20:], "6000 frames hold 48000 samples of 48001")
    halved = payload[:6] + (8).to_bytes(2, "little") + payload[8:12] + (3_000).to_bytes(4, "little") + payload[16:]
    refuse(halved, "has 8 codebooks, but the model has 4")


def test_another_checkpoint_is_refused_by_both_hashes(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = calibrated(trained, "tiny_8")
    payload, sha256 = encoder.encode(calibration_signal(16_000)), encoder.decoding.checkpoint or ""
    torch.jit.script(tiny.Tiny().eval()).save(tmp_path / "other.ts")
    (tmp_path / "other.yaml").write_text("neural: {tiny: {checkpoint: other.ts}, gone: {checkpoint: gone.ts}}")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "other.yaml"))
    other = NeuralCodec.of("tiny", load_settings(tmp_path / "other.yaml").neural["tiny"]).sha256 or ""
    with pytest.raises(PluginError) as refused:
        decode(payload, decoding=encoder.decoding, rate=16_000, delay=0, samples=48_000)
    for part in (sha256[:16], other[:16], "other.ts", "gone.ts (no such file)", VARIABLE, "name the one that the store was built with"):
        assert part in str(refused.value)


def test_without_settings_the_error_says_how_to_name_the_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(PluginError, match=r"'tiny' is decoded by the checkpoint with the sha256 a{16}\.\.\., and STREAMAUG_NEURAL is not"):
        find_checkpoint("tiny", "a" * 64)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone.yaml"))
    with pytest.raises(PluginError, match=r"STREAMAUG_NEURAL names a file that cannot be used: .*gone\.yaml"):
        find_checkpoint("tiny", "a" * 64)


def test_the_same_weights_in_two_classes_are_two_codecs(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = trained.folder / "tiny.safetensors"
    entry = f"{{checkpoint: {weights}, module: 'tests.codecs.neural.test_codec:%s'}}"
    (tmp_path / "two.yaml").write_text(f"neural: {{late: {entry % 'Late'}, tiny: {entry % 'tiny.Tiny'}}}")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "two.yaml"))
    sha256 = file_digest(weights) or ""
    for name, module in (("late", "Late"), ("tiny", "tiny.Tiny")):
        assert (find_checkpoint(name, sha256).config.module or "").endswith(f":{module}")
    with pytest.raises(PluginError, match=r"names as late and tiny, with other classes or folders; call the one .* 'other'$"):
        find_checkpoint("other", sha256)


def test_code_that_has_changed_since_the_build_is_warned_of(trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = NeuralCodec.of("tiny-safe", trained.settings.neural["tiny-safe"]).decoding
    assert built.code is not None
    weights = trained.folder / "tiny.safetensors"
    (tmp_path / "late.yaml").write_text(f"neural: {{tiny-safe: {{checkpoint: {weights}, module: 'tests.codecs.neural.test_codec:Late'}}}}")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "late.yaml"))
    with pytest.warns(CodeWarning, match=r"decoded by tests\.codecs\.neural\.test_codec\.Late .*, but the store was built with .*\.Tiny "):
        own_codec(built)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        own_codec(built.model_copy(update={"code": find_checkpoint("tiny-safe", built.checkpoint or "").model.code}))


def test_a_class_may_have_any_name_that_python_takes(trained: Trained, tmp_path: Path) -> None:
    weights = trained.folder / "tiny.safetensors"
    shutil.copy(trained.folder / "tiny_codec.py", tmp_path / "klänge.py")
    (tmp_path / "named.yaml").write_text(f"neural: {{named: {{checkpoint: {weights}, module: 'klänge:Tiny'}}}}", encoding="utf-8")
    codec = NeuralCodec.of("named", load_settings(tmp_path / "named.yaml").neural["named"])
    assert codec.decoding.code == f"klänge.Tiny {file_digest(tmp_path / 'klänge.py')}"


def test_a_checkpoint_that_changes_while_it_is_used_is_refused(trained: Trained, tmp_path: Path) -> None:
    shutil.copy(trained.folder / "tiny.ts", tmp_path)
    (tmp_path / "neural.yaml").write_text("neural: {tiny: {checkpoint: tiny.ts}}")
    codec = NeuralCodec.of("tiny", load_settings(tmp_path / "neural.yaml").neural["tiny"])
    torch.jit.script(tiny.Tiny().eval()).save(tmp_path / "tiny.ts")
    with pytest.raises(PluginError, match=r"tiny\.ts: has changed: its sha256 does not begin with [0-9a-f]{16} any more"):
        codec.decode(b"")


def test_caches_of_features_notice_another_checkpoint_and_another_class(trained: Trained) -> None:
    versions = {name: NeuralCodec.of(name, config).version for name, config in trained.settings.neural.items()}
    script, safe = (NeuralCodec.of(name, trained.settings.neural[name]).sha256 or "" for name in ("tiny", "tiny-safe"))
    assert versions["tiny"] == f"1, checkpoint {script[:16]}, torch {torch.__version__.partition('+')[0]}"
    assert versions["tiny-safe"].startswith(f"1, checkpoint {safe[:16]}, tiny_codec.Tiny ")
