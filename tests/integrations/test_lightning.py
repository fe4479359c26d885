"""StreamCallback in Lightning's own Trainer: every kind of checkpoint, limits, schedules, refusals."""

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from streamaug.errors import StateError, StreamaugError
from streamaug.integrations.lightning import StreamCallback
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from tests.streaming.conftest import write_recipe

UP_AND_DOWN = "draw: union\nmixture: {original: {0: 0.25, 1: 1, 2: 0.5}, mp3_64: 1}\n"


class Model(lightning.LightningModule):
    """Notes the epoch and positions of what it is shown, and when it is validated."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.rows: list[tuple[int, int]] = []
        self.validated: list[int] = []

    def training_step(self, batch: dict[str, Any], _: int) -> torch.Tensor:
        self.rows += [(batch["epoch"], position) for position in batch["position"].tolist()]
        return self.layer(batch["label"][:, None].float()).mean()

    def validation_step(self, batch: Any, _: int) -> None:
        self.validated.append(self.current_epoch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        self.estimate = self.trainer.estimated_stepping_batches
        return torch.optim.SGD(self.parameters(), lr=0.1)


def stream(recipe: Recipe, store: Store) -> Stream:
    return Stream(recipe, store, batch_size=8, features="waveform", threads=1)


def fit(source: Stream, folder: Path, *, workers: int = 0, resume: bool = False, saving: dict | None = None, **settings: Any) -> Model:
    callbacks = [StreamCallback(source), ModelCheckpoint(folder, "saved", **(saving or {}), enable_version_counter=False)]
    trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False, callbacks=callbacks, **settings
    )
    model = Model()
    loader = DataLoader(source, batch_size=None, num_workers=workers) if workers else source
    validation = [torch.zeros(1)] if "check_val_every_n_epoch" in settings else None
    path = folder / "saved.ckpt" if resume else None
    trainer.fit(model, loader, validation, ckpt_path=path, weights_only=False)
    return model


def planned(source: Stream, epochs: int, batches: int | None = None) -> list[tuple[int, int]]:
    return [(epoch, position) for epoch in range(epochs) for position in range(8 * min(batches or 1000, source.rank_batches(epoch)))]


STOPS = {
    "the default checkpoint of an epoch's end": ({}, {"max_epochs": 1}, {}),
    "the default checkpoint after max_steps": ({}, {"max_steps": 17}, {}),
    "a step checkpoint in an epoch": ({"every_n_train_steps": 5}, {"max_steps": 5}, {}),
    "a step checkpoint at an epoch's end": ({"every_n_train_steps": 12}, {"max_steps": 12}, {}),
    "an epoch's end by limit_train_batches": ({}, {"max_epochs": 1}, {"limit_train_batches": 5}),
    "a step checkpoint under limit_train_batches": ({"every_n_train_steps": 7}, {"max_steps": 7}, {"limit_train_batches": 5}),
}


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", STOPS)
def test_every_kind_of_checkpoint_resumes_with_the_plans_rows(
    store: Store, recipe: Recipe, tmp_path: Path, kind: str, workers: int
) -> None:
    saving, until, both = STOPS[kind]
    before = fit(stream(recipe, store), tmp_path, workers=workers, saving=saving, **until, **both)
    after = fit(stream(recipe, store), tmp_path, workers=workers, resume=True, max_epochs=3, **both)
    assert before.rows + after.rows == planned(stream(recipe, store), 3, both.get("limit_train_batches"))


@pytest.mark.parametrize("workers", [0, 2])
def test_epochs_of_different_lengths_are_trained_whole_and_validated_once(store: Store, tmp_path: Path, workers: int) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml", UP_AND_DOWN)
    model = fit(stream(recipe, store), tmp_path, workers=workers, max_epochs=3, num_sanity_val_steps=0, check_val_every_n_epoch=1)
    assert model.rows == planned(stream(recipe, store), 3)
    assert model.validated == [0, 1, 2]


def test_a_step_checkpoint_at_the_end_of_a_shorter_epoch_resumes_with_the_whole_next_one(store: Store, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml", UP_AND_DOWN)
    first = stream(recipe, store).rank_batches(0)
    before = fit(stream(recipe, store), tmp_path, saving={"every_n_train_steps": first}, max_steps=first)
    after = fit(stream(recipe, store), tmp_path, resume=True, max_epochs=3)
    assert before.rows + after.rows == planned(stream(recipe, store), 3)


def test_the_estimate_of_steps_counts_epochs_of_different_lengths(store: Store, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml", UP_AND_DOWN)
    source = stream(recipe, store)
    model = fit(source, tmp_path, max_epochs=3)
    assert model.estimate == sum(source.rank_batches(epoch) for epoch in range(3)) == model.trainer.global_step


def test_a_checkpoint_without_a_position_is_refused(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    settings = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    lightning.Trainer(max_epochs=1, callbacks=[ModelCheckpoint(tmp_path, "saved")], **settings).fit(Model(), stream(recipe, store))
    with pytest.raises(StreamaugError, match="no position of the stream 'train'"):
        fit(stream(recipe, store), tmp_path, resume=True, max_epochs=2)


def test_a_checkpoint_of_another_recipe_is_refused(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    fit(stream(recipe, store), tmp_path, max_epochs=1)
    other = write_recipe(tmp_path / "other.yaml", "draw: union\nmixture: {original: 1}\n")
    with pytest.raises(StateError, match="recipe has another content"):
        fit(stream(other, store), tmp_path, resume=True, max_epochs=2)


def test_a_batch_that_is_not_the_next_one_is_refused(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    source = stream(recipe, store)

    class Meddling(Model):
        def on_train_epoch_start(self) -> None:
            next(iter(source))

    callbacks = [StreamCallback(source)]
    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, callbacks=callbacks)
    with pytest.raises(StreamaugError, match="let nothing else iterate the stream"):
        trainer.fit(Meddling(), source)


def test_steps_of_a_stream_are_refused_with_what_to_write(store: Store, recipe: Recipe) -> None:
    source = stream(recipe, store)
    callbacks = [StreamCallback(source)]
    trainer = lightning.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False, callbacks=callbacks)
    with pytest.raises(StreamaugError, match="max_epochs=-1"):
        trainer.fit(Model(), source.steps(5))
