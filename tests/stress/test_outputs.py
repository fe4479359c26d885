"""What models give is scores, or an error that says what it is instead."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from streamaug.errors import ModelError
from streamaug.stress.outputs import scores_of

SCORES = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])


@pytest.mark.parametrize(
    "output",
    [SCORES, SCORES.numpy(), SCORES.double(), SCORES.bfloat16(), SimpleNamespace(logits=SCORES), {"logits": SCORES, "embedding": SCORES}],
)
def test_scores_are_found(output: Any) -> None:
    scores = scores_of(output, 3)
    assert scores.dtype == torch.float32
    assert scores.tolist() == SCORES.tolist()


@pytest.mark.parametrize(("output", "clips"), [(torch.ones(3), 3), (torch.ones(3, 1), 3), (torch.ones(()), 1), (np.ones(1), 1)])
def test_one_score_per_clip_is_a_column(output: Any, clips: int) -> None:
    assert scores_of(output, clips).shape == (clips, 1)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (torch.ones(2, 2), r"scores of shape \(2, 2\) for 3 clips; give one row for each clip"),
        (torch.ones(10), r"scores of shape \(10,\) for 3 clips"),
        (torch.ones(3, 2, 5), r"scores of shape \(3, 2, 5\)"),
        (torch.ones(3, 0), r"scores of shape \(3, 0\)"),
        (torch.ones(3, dtype=torch.int64), "numbers of type int64; give scores of each class, not classes"),
        ((SCORES, SCORES), "a tuple of 2; give scores alone"),
        ({"clipwise": SCORES}, "a dictionary of clipwise"),
        (None, "a NoneType"),
    ],
)
def test_anything_else_is_named(output: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        scores_of(output, 3)
