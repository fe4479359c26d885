"""ONNX files, run by ONNX Runtime."""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamaug.code_digests import path_digest
from streamaug.errors import ModelError
from streamaug.packages import missing_package_error
from streamaug.stress.models.base import OpenedModel
from streamaug.stress.settings import ModelIdentity

_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def open_onnx(path: Path, device: torch.device | None) -> OpenedModel:
    """Load an ONNX file.

    Args:
        path: The file; `torch.onnx.export` may have put its weights into another one, `<name>.data`.
        device: What computes. Default: a CUDA device if this ONNX Runtime can use one.

    Raises:
        ModelError: It is not ONNX, has several inputs or no scores, or cannot run on the device.
        MissingPackageError: ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise missing_package_error(error) or error from error

    has_cuda = _CUDA in onnxruntime.get_available_providers()
    is_on_cuda = has_cuda and torch.cuda.is_available() if device is None else device.type == "cuda"
    if is_on_cuda and not has_cuda:
        raise ModelError("this ONNX Runtime has no CUDA; install onnxruntime-gpu in place of onnxruntime, or write --device cpu")
    number = 0 if device is None else device.index or 0
    providers = [(_CUDA, {"device_id": number}), _CPU] if is_on_cuda else [_CPU]
    try:
        session = onnxruntime.InferenceSession(str(path), providers=providers)
    except Exception as error:  # its errors share no class
        raise ModelError(f"{path}: ONNX Runtime cannot load it: {error}; export the model again, such as with torch.onnx.export") from error
    return OpenedModel(
        identity=ModelIdentity(name=path.name, kind="onnx", sha256=_digest(path)),
        answer=_Answer(session, str(path)),
        device=torch.device("cpu"),
        computes_on="cuda" if is_on_cuda else "cpu",
        versions={"onnxruntime": version("onnxruntime")},
    )


class _Answer:
    """Runs a session on batches.

    Args:
        session: Of one input and one output, or one that is called `logits`.
        where: Names the file in errors.
    """

    def __init__(self, session: Any, where: str) -> None:
        inputs, outputs = session.get_inputs(), [output.name for output in session.get_outputs()]
        if len(inputs) != 1:
            names = ", ".join(each.name for each in inputs)
            raise ModelError(f"{where}: has {len(inputs)} inputs ({names}); export a model that takes one batch alone")
        if len(outputs) > 1 and "logits" not in outputs:
            raise ModelError(f"{where}: has {len(outputs)} outputs ({', '.join(outputs)}); export one of them alone, or call it 'logits'")
        self._session, self._input, self._where = session, inputs[0], where
        self._output = "logits" if "logits" in outputs else outputs[0]

    def __call__(self, batch: Tensor) -> np.ndarray:
        clips = self._input.shape[0] if self._input.shape else None
        if isinstance(clips, int) and clips != len(batch):
            raise ModelError(
                f"{self._where}: takes batches of {clips}, not of {len(batch)}; export it with a dynamic first axis"
                + (", or write --batch-size 1" if clips == 1 else "")
            )
        (scores,) = self._session.run([self._output], {self._input.name: batch.numpy()})
        answer: np.ndarray = scores
        return answer


def _digest(path: Path) -> str:
    """The sha256 of the file, and of the file with its weights if there is one."""
    weights = path.with_name(f"{path.name}.data")
    if not weights.is_file():
        return path_digest(path)
    return hashlib.sha256(f"{path_digest(path)} {path_digest(weights)}".encode()).hexdigest()
