"""Files of `torch.export`, which need no code of the model."""

import logging
import os
import pickle
import threading
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from streamaug.code_digests import path_digest
from streamaug.errors import ModelError
from streamaug.stress.models.base import OpenedModel
from streamaug.stress.settings import ModelIdentity

_REMEDY = (
    "write one with torch.export.save(torch.export.export(model.cpu().eval(), (batch,), "
    "dynamic_shapes=[{0: torch.export.Dim('clips')}]), path)"
)
_COMPILED = "data/aotinductor/"
"""Folder in the file with libraries that AOTInductor has compiled."""

_ONLY_WEIGHTS, _ANY_PICKLE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"

_ONE_AT_A_TIME = threading.Lock()
"""PyTorch refuses to load two files at once, and the environment, the log and the filter of warnings
belong to all threads."""


def open_exported(path: Path, device: torch.device) -> OpenedModel:
    """Load what `torch.export.save` wrote: a graph of PyTorch's operators, and weights. It is a program:
    load files of people that you trust.

    Args:
        path: The file.
        device: Where it is moved to.

    Raises:
        ModelError: It is not an exported program, has several inputs, or holds pickles or compiled code.
    """
    from torch.export import load
    from torch.export.passes import move_to_device_pass

    if _is_compiled(path):
        raise ModelError(f"{path}: holds what AOTInductor compiled, which is code for one machine; {_REMEDY}")
    with _ONE_AT_A_TIME, _only_weights(), _logged() as logged, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given buffer is not writable")  # PyTorch's own
        try:
            program = move_to_device_pass(load(path), device)
            model = program.module()
        except pickle.UnpicklingError as error:
            raise ModelError(f"{path}: holds more than a graph and weights, and loading that could run any code; {_REMEDY}") from error
        except Exception as error:  # its errors share no class
            reason = logged.error or error
            line = next((line for line in str(reason).splitlines() if line.strip()), "")
            raise ModelError(f"{path}: torch.export cannot load it: {type(reason).__name__}: {line}; {_REMEDY}") from reason
    return OpenedModel(
        identity=ModelIdentity(name=path.name, kind="exported", sha256=path_digest(path)),
        answer=_Answer(program, model, str(path)),
        device=device,
        computes_on=device.type,
    )


class _Answer:
    """Runs a program on batches.

    Args:
        program: Of one input.
        model: The module that runs it.
        where: Names the file in errors.
    """

    def __init__(self, program: torch.export.ExportedProgram, model: Any, where: str) -> None:
        inputs = program.graph_signature.user_inputs
        if len(inputs) != 1:
            names = ", ".join(map(str, inputs))
            raise ModelError(f"{where}: has {len(inputs)} inputs ({names}); export a model that takes one batch alone")
        shapes: list[Any] = [getattr(node.meta.get("val"), "shape", ()) for node in program.graph.nodes if node.name == inputs[0]]
        self._clips = next((shape[0] for shape in shapes if len(shape)), None)
        self._model, self._where = model, where

    def __call__(self, batch: Tensor) -> Any:
        if isinstance(self._clips, int) and self._clips != len(batch):  # else it is a symbol
            raise ModelError(
                f"{self._where}: takes batches of {self._clips}, not of {len(batch)}; export it with a dynamic first axis: "
                "dynamic_shapes=[{0: torch.export.Dim('clips')}]" + (", or write --batch-size 1" if self._clips == 1 else "")
            )
        return self._model(batch)


def _is_compiled(path: Path) -> bool:
    """Whether a file holds libraries, which `torch.export.load` would load, too."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(_COMPILED in name for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False  # `load` says what is wrong with it


class _Logged(logging.Filter):
    """Keeps the error that PyTorch logs with its traceback, before it fails to read the file in an older
    format and raises an error that does not say why."""

    error: BaseException | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info:
            self.error = record.exc_info[1]
        return not record.exc_info


@contextmanager
def _logged() -> Iterator[_Logged]:
    logger, logged = logging.getLogger("torch.export"), _Logged()
    logger.addFilter(logged)
    try:
        yield logged
    finally:
        logger.removeFilter(logged)


@contextmanager
def _only_weights() -> Iterator[None]:
    """Make `torch.load` refuse pickles: where weights cannot be read without, `torch.export.load` would
    run them."""
    before = {name: os.environ.pop(name, None) for name in (_ONLY_WEIGHTS, _ANY_PICKLE)}
    os.environ[_ONLY_WEIGHTS] = "1"
    try:
        yield
    finally:
        del os.environ[_ONLY_WEIGHTS]
        os.environ.update({name: value for name, value in before.items() if value is not None})
