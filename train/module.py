"""A training step and its optimiser, for Lightning's Trainer."""

from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn

from train.augment import CROP_FRAMES, clip_generators, mixup, random_crop, spec_augment
from train.errors import DivergedError
from train.models import Classifier
from train.resume import random_state, set_random_state
from train.schedule import learning_rate
from train.task import Task

BN_RECALIBRATION_STEPS = 100
"""Steps at the end of a run, at most a quarter of it, over which batch normalisation's statistics
are plain means.

After a few hundred steps, a running average with the specification's momentum of .01 still depends
on the beginning of the run, and a classifier that is evaluated with it errs at random. At the end
of a long run the two averages are the same.
"""


class Training(lightning.LightningModule):
    """Trains a classifier on batches of a stream: `logmel` (rows, [views,] 3, mels, frames),
    `position` (rows,), and `label` or `labels`.

    Args:
        model: The classifier.
        task: What it learns.
        total: Training steps.
        cycles: Cosine cycles of the learning rate.
        max_lr: Learning rate at the start of each cycle.
        momentum: Momentum of SGD.
        seed: Seed of the augmentation.
        consistency: Weight of the divergence between the model's outputs for the views of a clip.
    """

    def __init__(
        self, model: Classifier, task: Task, *, total: int, cycles: int, max_lr: float, momentum: float, seed: int, consistency: float = 0.0
    ) -> None:
        super().__init__()
        self.model, self.task = model, task
        self.total, self.cycles, self.max_lr, self.momentum = total, cycles, max_lr, momentum
        self.seed, self.consistency = seed, consistency

    def training_step(self, batch: dict[str, Any]) -> Tensor:
        positions = batch["position"].tolist()
        views = batch["logmel"] if batch["logmel"].ndim == 5 else batch["logmel"][:, None]
        targets = self.task.targets(batch, self.model.classes).to(views)
        # All views of a clip are masked, cropped and mixed in the same way, so that only their
        # conditions differ.
        mixed = [self._augment(view, targets, positions) for view in views.unbind(1)]
        logits = self.model(torch.cat([features for features, _ in mixed]))
        loss = self.task.loss(logits, torch.cat([labels for _, labels in mixed]))
        if self.consistency:
            loss = loss + self.consistency * self.task.divergence(logits.view(len(mixed), -1, self.model.classes))
        if not loss.isfinite():
            raise DivergedError(
                f"the loss is {loss.item()} at step {self.global_step}; lower learning_rate, or check the clips of this step "
                "(the last position to resume from is kept)"
            )
        self.log("loss", loss, prog_bar=True)
        self.log("learning_rate", self.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]  # one optimiser
        return loss

    def _augment(self, features: Tensor, targets: Tensor, positions: list[int]) -> tuple[Tensor, Tensor]:
        generators = clip_generators(self.seed, self.global_step, positions)
        if self.model.USES_SPEC_AUGMENT:
            features = spec_augment(features, generators)
        return mixup(random_crop(features, features.shape[-1] - CROP_FRAMES, generators), targets, generators)

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        convolutions = [module.weight for module in self.model.modules() if isinstance(module, nn.Conv2d)]
        convolution_ids = {id(weight) for weight in convolutions}
        others = [parameter for parameter in self.model.parameters() if id(parameter) not in convolution_ids]
        # A penalty L2 * w^2 has the gradient 2 * L2 * w, which torch calls a weight decay of 2 *
        # L2.
        groups: list[dict[str, Any]] = [{"params": convolutions, "weight_decay": 2 * self.model.L2}, {"params": others}]
        optimizer = torch.optim.SGD(groups, lr=1.0, momentum=self.momentum)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._learning_rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _learning_rate(self, step: int) -> float:
        last = min(step, self.total - 1)  # torch also computes it for the step after the last one
        return learning_rate(last, total=self.total, cycles=self.cycles, max_lr=self.max_lr, decay=self.model.DECAY)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["random"] = random_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._random = checkpoint["random"]

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002  # Lightning's signature
        first = self.total - min(BN_RECALIBRATION_STEPS, self.total // 4)
        if self.global_step < first:
            return
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = None  # torch's way to request a plain mean
                if self.global_step == first:
                    module.reset_running_stats()

    def on_train_start(self) -> None:
        if hasattr(self, "_random"):
            set_random_state(self._random)
