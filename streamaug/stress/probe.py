"""Try a model on noise before anything is decoded: what shows then need not be waited for."""

import torch

from streamaug.errors import ModelError
from streamaug.stress.evaluation import answer
from streamaug.stress.inputs import ModelInput
from streamaug.stress.models import OpenedModel

_TOLERANCE = 0.02
"""Largest difference, as a share of the largest score, between a clip alone and in a batch; rounding
gives far less, on a GPU too."""


def count_scores(model: OpenedModel, inputs: ModelInput, batch_size: int) -> int:
    """The number of scores that a model gives per clip, of one that answers every clip by itself.

    Args:
        model: The model.
        inputs: What it gets.
        batch_size: Clips that it gets together.

    Raises:
        ModelError: It fails, gives what are no scores, other scores for the same clips, or others
            for a clip in another batch.
    """
    noise = 0.1 * torch.randn((min(2, batch_size), *inputs.shape), generator=torch.Generator().manual_seed(0))
    noise = noise.to(model.device)
    try:
        with torch.inference_mode():
            scores, again, alone = (answer(model, batch.clone()) for batch in (noise, noise, noise[:1]))
    except ModelError as error:
        raise ModelError(
            f"{model.identity.name}: the model does not take '{inputs.name}' of shape {inputs.shape} at {inputs.rate} Hz: {error}; check "
            "--features, --rate and --crop"
        ) from error
    scores, again, alone = scores.nan_to_num(), again.nan_to_num(), alone.nan_to_num()
    if not torch.equal(scores, again):
        raise ModelError(f"{model.identity.name}: gives other scores for the same clips; put it into evaluation mode with model.eval()")
    if (scores[:1] - alone).abs().max() > _TOLERANCE * scores.abs().max():
        raise ModelError(
            f"{model.identity.name}: gives a clip other scores in a batch than alone; put it into evaluation mode with model.eval(), or "
            "write --batch-size 1"
        )
    return scores.shape[1]
