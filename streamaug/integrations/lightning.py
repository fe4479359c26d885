"""Lightning: a callback that keeps a stream's position in checkpoints, and the length of each
epoch.

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

from streamaug.errors import StateError, StreamaugError
from streamaug.streaming.loader import StreamLoader
from streamaug.streaming.steps import Steps
from streamaug.streaming.stream import Stream


class StreamCallback(Callback):
    """Saves the position after the last trained batch with every checkpoint, and resumes there.

    Give the trainer the stream itself, a `StreamLoader`, or `DataLoader(stream, batch_size=None)`.
    When `limit_train_batches` ends an epoch, the stream continues with its next epoch, too. Every
    batch is compared with the position: one that does not follow the batch before it is an error.

    Args:
        stream: The stream that is trained on, or its StreamLoader.
        name: Name of the stream in a checkpoint, for trainers of several streams.
    """

    def __init__(self, stream: Stream | StreamLoader, *, name: str = "train") -> None:
        self.stream = stream.stream if isinstance(stream, StreamLoader) else stream
        self.name = name
        self._position: dict[str, Any] | None = None  # after the last trained batch, from `setup` on
        self._offset = 0  # the stream's epoch when the trainer begins its epoch 0
        self._is_fitting = self._is_loaded = False

    @property
    def state_key(self) -> str:
        return f"streamaug.StreamCallback.{self.name}"

    def state_dict(self) -> dict[str, Any]:
        """The position after the last batch that was trained on."""
        return {"position": self._position or self.stream.position_dict(), "offset": self._offset}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume there.

        Lightning calls this before anything reads data. Raises StateError for a state of another
        plan.
        """
        if not self._is_fitting:  # validating or testing a checkpoint does not move the training stream
            return
        if not isinstance(state_dict, Mapping) or "position" not in state_dict:
            raise StateError("this checkpoint has no position of the stream; resume from one that StreamCallback saved")
        self.stream.load_state_dict(state_dict["position"])
        self._position, self._offset, self._is_loaded = dict(state_dict["position"]), state_dict["offset"], True

    def on_load_checkpoint(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, checkpoint: dict[str, Any]) -> None:  # noqa: ARG002  # Lightning's signature
        """Let the trainer's counts agree with the position; its own copy of the position is older
        at an epoch's end."""
        loop = checkpoint.get("loops", {}).get("fit_loop", {})
        loop.get("state_dict", {}).pop("combined_loader", None)
        position = checkpoint.get("callbacks", {}).get(self.state_key, {}).get("position", {})
        batches = loop.get("epoch_loop.batch_progress", {})
        if position.get("rows") == 0 and batches.get("is_last_batch"):
            # Lightning compares with the length of the next epoch to see that this one is complete.
            batches["current"]["completed"] = max(batches["current"]["completed"], self.stream.rank_batches(position["epoch"]))
        if position.get("rows"):  # in the middle of an epoch: Lightning counts one that max_steps cut short as a whole one
            epochs = loop["epoch_progress"]
            missing = position["epoch"] - checkpoint["callbacks"][self.state_key]["offset"] - epochs["current"]["processed"]
            for counts in epochs.values():
                counts["processed"] = counts["completed"] = counts["processed"] + missing
                counts["ready"] = counts["started"] = counts["processed"] + 1

    def setup(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, stage: str) -> None:  # noqa: ARG002  # Lightning's signature
        """Note where training begins, and let the trainer estimate its steps from the lengths of
        all epochs."""
        self._is_fitting, self._is_loaded = stage == "fit", False
        if not self._is_fitting:
            return
        self._position = self._position or self.stream.position_dict()
        self._offset = self._position["epoch"] - trainer.current_epoch
        self.stream.load_state_dict(self._position)
        _estimate_steps(trainer, self)

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002  # Lightning's signature
        """Give the trainer the length of the epoch where it resumes.

        Raises:
            StreamaugError: The checkpoint has no position of the stream, or the trainer reads
                `Steps`.
        """
        loader = trainer.fit_loop._combined_loader
        if loader is not None and any(isinstance(one, Steps) for one in loader.flattened):
            raise StreamaugError(
                "StreamCallback counts the epochs of a stream, but the trainer reads steps of one; give it the stream and write "
                "Trainer(max_steps=n, max_epochs=-1)"
            )
        if trainer.ckpt_path and not self._is_loaded:
            raise StreamaugError(
                f"the checkpoint {trainer.ckpt_path} has no position of the stream '{self.name}'; resume from one that was saved with "
                "StreamCallback, or load the weights alone and start a new training"
            )
        if trainer.fit_loop.restarting:
            self._set_length(trainer)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002  # Lightning's signature
        """Begin the epoch where the last one ended, and give the trainer its length: it keeps that
        of the first one."""
        self.stream.load_state_dict(self._known_position)
        self._set_length(trainer)

    def on_train_batch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, batch: Any, batch_idx: int) -> None:  # noqa: ARG002  # Lightning's signature
        """Compare the batch with the position.

        Raises:
            StreamaugError: The batch is not one of the stream as the stream made it, or not the
                next one.
        """
        if not isinstance(batch, Mapping) or "epoch" not in batch or "consumed" not in batch:
            raise StreamaugError(
                "StreamCallback needs each batch as the stream made it, with 'epoch' and 'consumed'; keep both keys when you change batches"
            )
        position = self._known_position
        if not self.stream.follows(position, batch):
            raise StreamaugError(
                f"the trainer read a batch of epoch {int(batch['epoch'])} that ends at row {int(batch['consumed'])}, but the one after "
                f"row {position['rows']} of epoch {position['epoch']} is next; let nothing else iterate the stream while it is trained on"
            )

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,  # noqa: ARG002  # Lightning's signature
        outputs: Any,  # noqa: ARG002  # Lightning's signature
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Note the position after a batch that was trained on."""
        self._position = self.stream.state_after(batch)
        if batch_idx + 1 >= trainer.num_training_batches:
            self._end_epoch(int(batch["epoch"]))

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002  # Lightning's signature
        """After an epoch that the model cut short the next one follows, in the stream as in the
        trainer."""
        position = self._known_position
        if position["rows"] and trainer.fit_loop.epoch_loop.batch_progress.is_last_batch:
            self._end_epoch(position["epoch"])

    @property
    def _known_position(self) -> dict[str, Any]:
        if self._position is None:
            raise StreamaugError("StreamCallback follows no training; give it to the Trainer as one of its callbacks")
        return self._position

    def _end_epoch(self, epoch: int) -> None:
        self._position = {**self._known_position, "epoch": epoch + 1, "rows": 0}

    def _set_length(self, trainer: lightning.Trainer) -> None:
        """Give the trainer the number of batches of the epoch that it trains, those before a resume
        included."""
        position, loop = self._known_position, trainer.fit_loop
        epoch, row = position["epoch"], position["rows"]
        before = loop.epoch_loop.batch_progress.current.ready if row and loop.restarting else 0
        batches = min(before + self.stream.rank_batches(epoch, row), self._limited_length(trainer, epoch))
        if batches == loop.max_batches or loop._combined_loader is None:
            return
        loop.max_batches = batches
        loop._combined_loader.limits = [batches] * len(loop._combined_loader.flattened)
        if loop._data_fetcher is not None:
            loop._data_fetcher.length = batches
        if isinstance(trainer.val_check_interval, float) and trainer.val_check_batch not in (None, math.inf):
            trainer.val_check_batch = max(1, int(batches * trainer.val_check_interval))

    def _limited_length(self, trainer: lightning.Trainer, epoch: int) -> int:
        """An epoch's batches under `limit_train_batches`: a number, or a share of the epoch."""
        batches, limit = self.stream.rank_batches(epoch), trainer.limit_train_batches
        if limit is None:
            return batches
        return min(batches, limit) if isinstance(limit, int) else int(batches * limit)

    def estimated_steps(self, trainer: lightning.Trainer) -> int | None:
        """Optimizer steps of all epochs; None if Lightning's own estimate is right."""
        if trainer.max_epochs is None or trainer.max_epochs < 1:
            return None
        lengths = [self._limited_length(trainer, self._offset + epoch) for epoch in range(trainer.max_epochs)]
        if len(set(lengths)) == 1:
            return None
        steps = sum(math.ceil(length / trainer.accumulate_grad_batches) for length in lengths)
        return steps if trainer.max_steps == -1 else min(steps, trainer.max_steps)


def _estimate_steps(trainer: lightning.Trainer, callback: StreamCallback) -> None:
    """Replace the trainer's estimate, which is a property of its class, for this trainer alone."""
    kind = type(trainer)
    if getattr(kind, "stream_callback", None) is callback:  # of an earlier fit
        return

    def estimate(trainer: lightning.Trainer) -> Any:
        steps = callback.estimated_steps(trainer)
        return kind.estimated_stepping_batches.__get__(trainer) if steps is None else steps

    members = {"estimated_stepping_batches": property(estimate), "stream_callback": callback, "__module__": kind.__module__}
    trainer.__class__ = type(kind.__name__, (kind,), members)
