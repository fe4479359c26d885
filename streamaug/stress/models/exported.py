"""Files of `torch.export`, which need no code of the model."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from streamaug.code_digests import path_digest
from streamaug.errors import ModelError
from streamaug.stress.models.base import OpenedModel
from streamaug.stress.settings import ModelIdentity

_ONLY_WEIGHTS = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


def open_exported(path: Path, device: torch.device) -> OpenedModel:
    """Load what `torch.export.save` wrote: a graph of PyTorch's operators, and weights.

    Args:
        path: The file.
        device: Where it is moved to.

    Raises:
        ModelError: It is not an exported program, or holds more than a graph and weights.
    """
    from torch.export import load
    from torch.export.passes import move_to_device_pass

    try:
        with _only_weights(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given buffer is not writable")  # PyTorch's own
            program = load(path)
        model = move_to_device_pass(program, device).module()
    except Exception as error:  # its errors share no class
        raise ModelError(
            f"{path}: is not a file of torch.export: {(str(error) or type(error).__name__).splitlines()[0]}; write one with "
            "torch.export.save(torch.export.export(model, (batch,), dynamic_shapes=[{0: torch.export.Dim('clips')}]), path)"
        ) from error
    return OpenedModel(
        identity=ModelIdentity(name=path.name, kind="exported", sha256=path_digest(path)),
        answer=model,
        device=device,
        computes_on=device.type,
    )


@contextmanager
def _only_weights() -> Iterator[None]:
    """Make `torch.load` refuse pickles: where weights cannot be read without, `torch.export.load` would
    run them."""
    before = os.environ.get(_ONLY_WEIGHTS)
    os.environ[_ONLY_WEIGHTS] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_ONLY_WEIGHTS]
        else:
            os.environ[_ONLY_WEIGHTS] = before
