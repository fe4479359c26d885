"""From what a model gives for a batch to scores, or an error that says what is wrong with it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from streamaug.errors import ModelError


def scores_of(output: Any, clips: int) -> Tensor:
    """The scores in a model's output, float32 of shape (clips, columns).

    Args:
        output: A tensor or array of shape (clips, columns), or (clips,) for one score per clip; or
            an object or dictionary that has one as `logits`.
        clips: Number of clips that the model was given.

    Raises:
        ModelError: It is something else.

    >>> scores_of(torch.zeros(3), 3).shape, scores_of({"logits": torch.zeros(3, 2)}, 3).shape
    (torch.Size([3, 1]), torch.Size([3, 2]))
    """
    scores = output.get("logits") if isinstance(output, Mapping) else getattr(output, "logits", output)
    if isinstance(scores, np.ndarray):
        scores = torch.from_numpy(scores)
    if not isinstance(scores, Tensor):
        raise ModelError(
            f"it gives {_described(output)}; give scores alone, a tensor of shape (clips, classes), or something that has 'logits'"
        )
    if not scores.is_floating_point():
        raise ModelError(f"it gives numbers of type {str(scores.dtype).removeprefix('torch.')}; give scores of each class, not classes")
    if scores.ndim < 2 and scores.numel() == clips:
        scores = scores.reshape(clips, 1)
    if scores.ndim != 2 or len(scores) != clips or not scores.shape[1]:
        raise ModelError(
            f"it gives scores of shape {tuple(scores.shape)} for {clips} clips; give one row for each clip, of shape ({clips}, classes)"
        )
    return scores.float()


def _described(output: Any) -> str:
    if isinstance(output, Mapping):
        return f"a dictionary of {', '.join(map(str, output)) or 'nothing'}"
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of {len(output)}"
    return f"a {type(output).__name__}"
