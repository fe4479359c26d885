"""One condition: every clip of the split through the model, and its scores in a table."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from streamaug.errors import ModelError
from streamaug.links import Link
from streamaug.progress import Progress
from streamaug.store import Store
from streamaug.streaming import Stream
from streamaug.stress.columns import ScoreColumns
from streamaug.stress.inputs import ModelInput
from streamaug.stress.models import OpenedModel
from streamaug.stress.outputs import scores_of
from streamaug.stress.predictions import LearnedLabels, predictions_schema

_NAMED = 3
"""Clips that an error names."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a run does with each condition.

    Args:
        model: The model.
        columns: Which of its scores are kept.
        inputs: What it gets of each clip.
        store: The store.
        links: The links of the conditions by name.
        target: The column of the store with what a clip is.
        split: The split as text.
        clips: Row numbers of its clips.
        batch_size: Clips that the model gets together.
        workers: Number of decode processes. Default: one per core.
        threads: Number of threads to decode in, in place of processes. Default: processes.
    """

    model: OpenedModel
    columns: ScoreColumns
    inputs: ModelInput
    store: Store
    links: Mapping[str, Link]
    target: LearnedLabels
    split: str
    clips: np.ndarray
    batch_size: int
    workers: int | None
    threads: int | None

    def run(self, condition: str, progress: Progress) -> pa.Table:
        """The predictions of one condition (`predictions_schema`).

        Args:
            condition: A condition that has every clip of the split.
            progress: Gets the number of clips that are done.

        Raises:
            ModelError: The model fails, or gives what are no scores; names condition and clips.
            CorruptError, FetchError, FeatureError, WorkerError: A clip cannot be read, decoded, or
                made into the feature.
        """
        parts: list[Tensor] = []
        stream = Stream.evaluation(
            self.store,
            condition,
            split=self.split,
            links=self.links,
            batch_size=self.batch_size,
            features=self.inputs.features,
            crop=self.inputs.crop,
            rate=self.inputs.rate,
            device=None if self.model.device.type == "cpu" else self.model.device,
            workers=self.workers,
            threads=self.threads,
            rank=0,  # the ranks share conditions, not clips: a batch is the same on any number of them
            world=1,
        )
        with stream, torch.inference_mode():
            for batch in stream:
                names = batch["clip_id"]
                try:
                    scores = answer(self.model, batch[self.inputs.key])
                    if scores.shape[1] != self.columns.given:
                        raise ModelError(
                            f"it gives {scores.shape[1]} scores per clip, but gave {self.columns.given} before; give as many for each"
                        )
                except ModelError as error:
                    raise ModelError(f"condition '{condition}', clips '{names[0]}' to '{names[-1]}': the model fails: {error}") from error
                # They stay on the device: to wait for them would hold up the next batch.
                parts.append(scores[:, list(self.columns.numbers)])
                progress.advance(len(names))
            return self._table(condition, torch.cat(parts).cpu().numpy())

    def _table(self, condition: str, scores: np.ndarray) -> pa.Table:
        clips = self.store.clips.take(pa.array(self.clips))
        if wrong := np.flatnonzero(~np.isfinite(scores).all(1)).tolist():
            names = ", ".join(f"'{name}'" for name in clips["clip_id"].take(wrong[:_NAMED]).to_pylist())
            more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
            raise ModelError(
                f"condition '{condition}': the model gives NaN or infinite scores for {names}{more}; see what it does with these clips"
            )
        return pa.table(
            {
                "condition": pa.array([condition] * len(clips), pa.string()),
                "clip_id": clips["clip_id"],
                "group": pc.coalesce(clips["group"], clips["clip_id"]),
                self.target: clips[self.target],
                "scores": pa.array(list(scores), pa.list_(pa.float32())),
            }
        ).cast(predictions_schema(self.target))


def answer(model: OpenedModel, batch: Tensor) -> Tensor:
    """The scores of a model for a batch, float32 of shape (n, columns) on its device.

    Args:
        model: The model.
        batch: float32 (n, ...) on the model's device.

    Raises:
        ModelError: It fails, or gives something else.
    """
    try:
        output = model.answer(batch)
    except ModelError:
        raise
    except torch.OutOfMemoryError as error:
        raise ModelError(f"no memory is left for a batch of {len(batch)}: {error}; use a smaller --batch-size") from error
    except Exception as error:  # of a user's own model: whatever it raises
        raise ModelError(f"{type(error).__name__} for a batch of shape {tuple(batch.shape)}: {error}") from error
    return scores_of(output, len(batch))
