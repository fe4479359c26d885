"""Each kind of model is opened, gives what it gives by hand, and is told from another one."""

import os
import pickle
import subprocess
import sys
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import nn

from streamaug.errors import ModelError
from streamaug.packages import MissingPackageError
from streamaug.stress.models import open_model
from streamaug.stress.models.identity import object_digest
from tests.stress.lightning_models import SmallLightning, WithHyperparameters
from tests.stress.models import CLASSES, Small

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # people have such files
MODULE, LIGHTNING = "tests.stress.models", "tests.stress.lightning_models"
BATCH = torch.randn((2, 800), generator=torch.Generator().manual_seed(3))


def scores(model: str, **settings: Any) -> list[list[float]]:
    with torch.inference_mode():
        answer = open_model(model, device="cpu", **settings).answer(BATCH)
    return torch.as_tensor(answer).tolist()


@pytest.fixture(scope="module")
def by_hand() -> list[list[float]]:
    with torch.inference_mode():
        return Small().eval()(BATCH).tolist()


def export_onnx(model: nn.Module, path: Path, **settings: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter that needs no further package
        torch.onnx.export(model.eval(), (BATCH,), str(path), dynamo=False, input_names=["waveforms"], **settings)


def save_checkpoint(model: lightning.LightningModule, path: Path) -> None:
    trainer = lightning.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu", enable_progress_bar=False)
    trainer.strategy.connect(model)
    trainer.save_checkpoint(path)


@pytest.mark.parametrize("name", ["instance", "Small", "factory", "function", "as_array"])
def test_what_is_imported_is_a_module_or_makes_one_or_is_a_function(name: str, by_hand: list[list[float]]) -> None:
    assert scores(f"{MODULE}:{name}") == by_hand


def export(path: Path, batch: torch.Tensor = BATCH, **settings: Any) -> None:
    torch.export.save(torch.export.export(Small().eval(), (batch,), **settings), path)


def test_a_file_of_torch_export_needs_no_code_of_the_model(tmp_path: Path, by_hand: list[list[float]]) -> None:
    export(tmp_path / "model.pt2", dynamic_shapes=[{0: torch.export.Dim("clips")}])
    assert scores(str(tmp_path / "model.pt2")) == by_hand
    opened = open_model(str(tmp_path / "model.pt2"))
    assert opened.identity.kind == "exported"
    assert opened.answer(BATCH[:1]).shape == (1, CLASSES)


def with_changes(folder: Path, changes: dict[str, bytes]) -> Path:
    """A file of `torch.export` with other members, or more of them."""
    export(folder / "whole.pt2")
    with zipfile.ZipFile(folder / "whole.pt2") as whole, zipfile.ZipFile(folder / "model.pt2", "w") as changed:
        members = {name: whole.read(name) for name in whole.namelist()}
        root = next(iter(members)).partition("/")[0]
        for name, data in (members | {f"{root}/{name}": data for name, data in changes.items()}).items():
            changed.writestr(name, data)
    return folder / "model.pt2"


def test_pickles_in_a_file_of_torch_export_are_not_executed(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "executed",)

    torch.save(Harmful(), tmp_path / "harmful")
    model = with_changes(tmp_path, {"data/sample_inputs/model.pt": (tmp_path / "harmful").read_bytes()})
    with pytest.raises(ModelError, match=r"model\.pt2: holds more than a graph and weights.*write one with torch\.export\.save"):
        open_model(str(model))
    assert not (tmp_path / "executed").exists()
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


def test_libraries_in_a_file_of_torch_export_are_not_loaded(tmp_path: Path) -> None:
    model = with_changes(tmp_path, {"data/aotinductor/model/wrapper.so": b"\x7fELF"})
    with pytest.raises(ModelError, match=r"model\.pt2: holds what AOTInductor compiled"):
        open_model(str(model))


def test_files_of_torch_export_are_opened_by_several_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # people set it for their own old files
    export(tmp_path / "model.pt2")
    with ThreadPoolExecutor(4) as threads:
        opened = list(threads.map(open_model, [str(tmp_path / "model.pt2")] * 8))
    assert len({model.identity.sha256 for model in opened}) == 1
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ
    assert os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1"


def test_a_file_that_torch_export_cannot_load_is_one_error_that_says_why(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    torch.jit.trace(Small().eval(), BATCH).save(tmp_path / "renamed.pt2")
    export(tmp_path / "whole.pt2")
    (tmp_path / "cut.pt2").write_bytes((tmp_path / "whole.pt2").read_bytes()[:2_000])
    for name, reason in (("renamed", "locating file archive_format"), ("cut", "failed finding central directory")):
        with pytest.raises(ModelError, match=rf"{name}\.pt2: torch\.export cannot load it: RuntimeError: .*{reason}.*; write one with"):
            open_model(str(tmp_path / f"{name}.pt2"))
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(("clips", "advice"), [(1, r"\)\}\], or write --batch-size 1"), (4, r"\)\}\]$")])
def test_a_file_of_torch_export_for_batches_of_one_size_says_so(tmp_path: Path, clips: int, advice: str) -> None:
    export(tmp_path / "model.pt2", BATCH[:1].expand(clips, -1))
    opened = open_model(str(tmp_path / "model.pt2"), device="cpu")
    assert opened.answer(BATCH[:1].expand(clips, -1)).shape == (clips, CLASSES)
    with pytest.raises(ModelError, match=rf"takes batches of {clips}, not of 2; export it with a dynamic first axis: .*{advice}"):
        opened.answer(BATCH)


def test_a_file_of_torch_export_with_several_inputs_is_refused_by_their_names(tmp_path: Path) -> None:
    class Sum(nn.Module):
        def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
            return left + right

    torch.export.save(torch.export.export(Sum(), (BATCH, BATCH)), tmp_path / "model.pt2")
    with pytest.raises(ModelError, match=r"has 2 inputs \(left, right\); export a model that takes one batch alone"):
        open_model(str(tmp_path / "model.pt2"))


def test_a_torchscript_file_needs_no_code_of_the_model(tmp_path: Path, by_hand: list[list[float]]) -> None:
    torch.jit.trace(Small().eval(), BATCH).save(tmp_path / "model.pt")
    assert scores(str(tmp_path / "model.pt")) == by_hand


def test_an_onnx_file_is_run_by_onnx_runtime(tmp_path: Path, by_hand: list[list[float]]) -> None:
    export_onnx(Small(), tmp_path / "model.onnx", dynamic_axes={"waveforms": {0: "clips"}})
    opened = open_model(str(tmp_path / "model.onnx"))
    assert opened.identity.kind == "onnx"
    assert torch.tensor(opened.answer(BATCH)).allclose(torch.tensor(by_hand), atol=1e-6)


def test_an_onnx_file_for_batches_of_one_says_so(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Small().eval(), (BATCH[:1],), str(tmp_path / "model.onnx"), dynamo=False)
    opened = open_model(str(tmp_path / "model.onnx"))
    assert opened.answer(BATCH[:1]).shape == (1, CLASSES)
    with pytest.raises(ModelError, match=r"takes batches of 1, not of 2; export it with a dynamic first axis, or write --batch-size 1"):
        opened.answer(BATCH)


def test_without_onnx_runtime_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.onnx").touch()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingPackageError, match=r"run: pip install 'streamaug\[stress\]'"):
        open_model(str(tmp_path / "model.onnx"))


def test_a_file_that_is_not_onnx_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"PK")
    with pytest.raises(ModelError, match=r"model.onnx: ONNX Runtime cannot load it: .*; export the model again"):
        open_model(str(tmp_path / "model.onnx"))


def test_a_lightning_checkpoint_is_loaded_by_its_class(tmp_path: Path, by_hand: list[list[float]]) -> None:
    save_checkpoint(SmallLightning(CLASSES), tmp_path / "last.ckpt")
    assert scores(str(tmp_path / "last.ckpt"), opener=f"{LIGHTNING}:SmallLightning") == by_hand
    with pytest.raises(ModelError, match=r"ends in '.ckpt' does not say what opens it; add --class package.module:Class"):
        open_model(str(tmp_path / "last.ckpt"))


def test_a_checkpoint_that_holds_objects_is_refused(tmp_path: Path) -> None:
    save_checkpoint(WithHyperparameters(CLASSES, subprocess.Popen), tmp_path / "last.ckpt")
    with pytest.raises(ModelError, match=r"holds more than weights and plain values, and loading that could run any code"):
        open_model(str(tmp_path / "last.ckpt"), opener=f"{LIGHTNING}:WithHyperparameters")


def test_any_file_is_opened_by_a_function(tmp_path: Path, by_hand: list[list[float]]) -> None:
    torch.save(Small().state_dict(), tmp_path / "weights.bin")
    opened = open_model(str(tmp_path / "weights.bin"), opener=f"{MODULE}:from_weights", device="cpu")
    assert opened.answer(BATCH).tolist() == by_hand
    assert opened.identity.opened_by is not None
    assert opened.identity.opened_by.startswith(f"{MODULE}:from_weights (")
    assert opened.identity.name == "weights.bin"
    assert open_model(str(tmp_path / "weights.bin"), opener=f"{MODULE}:from_weights", name="small").identity.name == "small"
    with pytest.raises(
        ModelError, match=r"is a partial; name a LightningModule, or a function that takes a path and is written with 'def'"
    ):
        open_model(str(tmp_path / "weights.bin"), opener=f"{MODULE}:made")


def test_a_pickle_is_not_executed(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "executed",)

    (tmp_path / "model.pt").write_bytes(pickle.dumps(Harmful()))
    torch.save(Harmful(), tmp_path / "zipped.pt")
    for name in ("model.pt", "zipped.pt"):
        with pytest.raises(ModelError, match=r"is not a TorchScript file.* --class package.module:name"):
            open_model(str(tmp_path / name))
        (tmp_path / name).rename(tmp_path / f"{name}2")
        with pytest.raises(ModelError, match=r"torch\.export cannot load it"):
            open_model(str(tmp_path / f"{name}2"))
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nowhere.onnx", "no model 'nowhere.onnx': there is no such file; write package.module:name, a file of torch.export"),
        ("nothing_here:model", "there is no module 'nothing_here'; run the command in the folder that has it"),
        (f"{MODULE}:instanse", "there is no 'instanse'. Did you mean 'instance'?"),
        (f"{MODULE}:NUMBER", "is of type int; name a torch.nn.Module"),
        (f"{LIGHTNING}:SmallLightning", "does not make a model: TypeError"),
    ],
)
def test_what_is_no_model_is_named_with_the_remedy(model: str, message: str) -> None:
    with pytest.raises(ModelError) as raised:
        open_model(model)
    assert message in str(raised.value)


def test_a_module_that_cannot_be_imported_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "needs_something.py").write_text("import something_else")
    (tmp_path / "raises_something.py").write_text("raise ValueError('too early')")
    with pytest.raises(ModelError, match="needs_something needs the module 'something_else', which is not installed"):
        open_model("needs_something:model")
    with pytest.raises(ModelError, match="raises_something cannot be imported: ValueError: too early"):
        open_model("raises_something:model")


def test_a_model_is_told_from_one_with_other_weights_or_settings() -> None:
    model, other = Small(), Small()
    assert object_digest(model) == object_digest(other)
    other.linear.bias.data[0] += 1
    assert object_digest(model) != object_digest(other)
    assert object_digest(nn.Dropout(0.1)) != object_digest(nn.Dropout(0.2))


def test_a_function_is_told_by_its_code_and_by_the_models_that_it_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))

    def digest(name: str, bias: float, sign: str) -> str:
        """Of a function in a file of its own, which uses a model of another file."""
        folder = tmp_path / name
        folder.mkdir()
        (folder / "net.py").write_text(f"import torch\nnet = torch.nn.Linear(1, 1)\ntorch.nn.init.constant_(net.bias, {bias})\n")
        (folder / "own.py").write_text(f"from net import net\n\n\ndef model(batch):\n    return {sign}net(batch)\n")
        monkeypatch.syspath_prepend(folder)
        for module in ("net", "own"):
            monkeypatch.delitem(sys.modules, module, raising=False)
        torch.manual_seed(0)
        return open_model("own:model", device="cpu").identity.sha256

    one = digest("one", 1.0, "+")
    assert digest("same", 1.0, "+") == one
    assert len({one, digest("other weights", 2.0, "+"), digest("other code", 1.0, "-")}) == 3


def test_weights_that_nobody_loads_are_the_same_each_time() -> None:
    one, two = (open_model(f"{MODULE}:unseeded").identity for _ in range(2))
    assert one == two
