"""Lightning: a callback that keeps a stream's place in checkpoints, and the length of each epoch.

Lightning saves the state of a data loader only in the middle of an epoch, restores it after some
learning-rate schedules have begun to read, and takes every epoch to be as long as the first one.

    stream = Stream("recipe.yaml", "store", batch_size=64)
    trainer = lightning.Trainer(max_epochs=20, callbacks=[StreamCallback(stream)])
    trainer.fit(model, StreamLoader(stream, num_workers=2), ckpt_path="last")
"""

import math
from collections.abc import Mapping
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from streamaug.errors import StreamaugError
from streamaug.streaming.loader import StreamLoader
from streamaug.streaming.stream import Stream


class StreamCallback(Callback):
    """Saves the place after the last trained batch with every checkpoint, and resumes there.

    Give the trainer the stream itself, a `StreamLoader`, or `DataLoader(stream, batch_size=None)`.
    An epoch that `limit_train_batches` cuts is over for the stream, too: the next one follows.

    Args:
        stream: The stream that is trained on, or its StreamLoader.
        name: Tells several streams apart in a checkpoint.
    """

    def __init__(self, stream: Stream | StreamLoader, *, name: str = "train") -> None:
        self.stream = stream.stream if isinstance(stream, StreamLoader) else stream
        self.name = name
        self._state: dict[str, Any] | None = None

    @property
    def state_key(self) -> str:
        return f"streamaug.StreamCallback.{self.name}"

    def state_dict(self) -> dict[str, Any]:
        """The place after the last batch that was trained on."""
        return self._state or self.stream.position_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume there. Lightning calls this before anything reads data. Raises StateError for a state of another plan."""
        self.stream.load_state_dict(state_dict)
        self._state = dict(state_dict)

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:  # noqa: ARG002  # Lightning's signature
        """Let the trainer estimate its steps from the lengths of all epochs, if they differ."""
        if stage == "fit" and (steps := self._steps(trainer)) is not None:
            _set_estimate(trainer, steps)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002  # Lightning's signature
        """Give the trainer this epoch's length: it keeps that of the first one."""
        epoch = self.state_dict()["epoch"]
        batches = _limited(self.stream.rank_batches(epoch), trainer.limit_train_batches)
        loop = trainer.fit_loop
        if batches == loop.max_batches or loop._combined_loader is None:
            return
        loop.max_batches = batches
        loop._combined_loader.limits = [batches] * len(loop._combined_loader.flattened)
        if isinstance(trainer.val_check_interval, float) and trainer.val_check_batch != float("inf"):
            trainer.val_check_batch = max(1, int(batches * trainer.val_check_interval))

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,  # Lightning's signature
    ) -> None:
        """Note the place after a batch that was trained on.

        Raises:
            StreamaugError: The batch is not one of the stream as the stream made it.
        """
        if not isinstance(batch, Mapping) or "epoch" not in batch or "consumed" not in batch:
            raise StreamaugError(
                "StreamCallback needs each batch as the stream made it, with 'epoch' and 'consumed'; keep both keys when you change batches"
            )
        self._state = self.stream.state_after(batch)
        if batch_idx + 1 >= trainer.num_training_batches:
            self._end_epoch(int(batch["epoch"]))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002  # Lightning's signature
        """The next epoch of the trainer is the next one of the stream, however far this one came."""
        if self._state is not None and self._state["rows"]:
            self._end_epoch(self._state["epoch"])

    def _end_epoch(self, epoch: int) -> None:
        self._state = {**self.stream.position_dict(), "epoch": epoch + 1, "rows": 0}

    def _steps(self, trainer: lightning.Trainer) -> int | None:
        """Optimizer steps of all epochs; None if Lightning's own estimate is right."""
        if trainer.max_epochs is None or trainer.max_epochs < 1:
            return None
        lengths = [_limited(self.stream.rank_batches(epoch), trainer.limit_train_batches) for epoch in range(trainer.max_epochs)]
        if len(set(lengths)) == 1:
            return None
        steps = sum(math.ceil(length / trainer.accumulate_grad_batches) for length in lengths)
        return steps if trainer.max_steps == -1 else min(steps, trainer.max_steps)


def _limited(batches: int, limit: float | None) -> int:
    """An epoch's batches under `limit_train_batches`: a number, or a share of the epoch."""
    if limit is None:
        return batches
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


def _set_estimate(trainer: lightning.Trainer, steps: int) -> None:
    """Replace the trainer's estimate, which is a property of its class, for this trainer alone."""
    kind = type(trainer)
    members = {"estimated_stepping_batches": property(lambda _: steps), "__module__": kind.__module__}
    trainer.__class__ = type(kind.__name__, (kind,), members)
