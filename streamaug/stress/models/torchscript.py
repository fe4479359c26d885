"""TorchScript files, which need no code of the model."""

from pathlib import Path

import torch

from streamaug.code_digests import path_digest
from streamaug.errors import ModelError
from streamaug.stress.models.base import OpenedModel
from streamaug.stress.models.imported import opened
from streamaug.stress.settings import ModelIdentity


def open_torchscript(path: Path, device: torch.device) -> OpenedModel:
    """Load what `torch.jit.save` wrote. Its program runs: load files of people that you trust.

    Args:
        path: The file.
        device: Where it is moved to.

    Raises:
        ModelError: It is not TorchScript.
    """
    try:
        model = torch.jit.load(str(path), map_location=device)  # type: ignore[no-untyped-call]  # torch's own
    except RuntimeError as error:
        raise ModelError(
            f"{path}: is not a TorchScript file: {str(error).splitlines()[0]}; write one with torch.jit.trace(model, batch).save(path), or "
            "name what opens the file with --class package.module:name"
        ) from error
    return opened(model, device, ModelIdentity(name=path.name, kind="torchscript", sha256=path_digest(path)))
