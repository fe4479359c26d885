"""Save and load positions to resume from, for Lightning: tensors in safetensors, the rest as JSON
in the same file, no pickle.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from streamaug.files import write_whole
from train.checkpoint import refuse_pickle
from train.errors import CheckpointError

_TENSOR, _ITEMS, _TUPLE = "$tensor", "$items", "$tuple"


def flatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Turn nested state into JSON-ready values, and put its tensors into `tensors`.

    Args:
        value: Tensors, plain values, and dictionaries, tuples and lists of them.
        tensors: Gets the tensors, by the names that the result refers to.

    Raises:
        TypeError: The state has a value of another type.
    """
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {_TENSOR: name}
    if isinstance(value, dict):  # JSON has text keys only
        return {_ITEMS: [[flatten(key, tensors), flatten(item, tensors)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {_TUPLE: [flatten(item, tensors) for item in value]}
    if isinstance(value, list):
        return [flatten(item, tensors) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a checkpoint can hold tensors and plain values, but not {type(value).__name__}")


def restore(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The inverse of `flatten`.

    >>> tensors = {}
    >>> restore(flatten({0: [("a", None)]}, tensors), tensors)
    {0: [('a', None)]}
    """
    if isinstance(value, list):
        return [restore(item, tensors) for item in value]
    if isinstance(value, dict):
        if _TENSOR in value:
            return tensors[value[_TENSOR]]
        if _TUPLE in value:
            return tuple(restore(item, tensors) for item in value[_TUPLE])
        return {restore(key, tensors): restore(item, tensors) for key, item in value[_ITEMS]}
    return value


class SafetensorsIO(CheckpointIO):
    """Lightning's checkpoints without pickle."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | os.PathLike[str], *_: Any, **__: Any) -> None:
        tensors: dict[str, Tensor] = {}
        state = json.dumps(flatten(checkpoint, tensors))
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, save(tensors, {"state": state}))

    def load_checkpoint(self, path: str | os.PathLike[str], *_: Any, **__: Any) -> dict[str, Any]:
        refuse_pickle(Path(path))
        try:
            with safe_open(path, "pt") as file:
                state = (file.metadata() or {})["state"]
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a mapping, it only has keys()
            restored = restore(json.loads(state), tensors)
        except (SafetensorError, KeyError, ValueError, TypeError, OSError) as error:
            raise CheckpointError(f"{path} is not a position to resume from: {error}; start the run again in another folder") from error
        if not isinstance(restored, dict):
            raise CheckpointError(f"{path} is not a position to resume from; start the run again in another folder")
        return restored

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        Path(path).unlink(missing_ok=True)


def random_state() -> dict[str, Tensor]:
    """State of the generators that dropout draws from."""
    return {"cpu": torch.get_rng_state()} | ({"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {})


def set_random_state(state: dict[str, Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
