"""What accelerate and Hugging Face's Trainer would get wrong is refused, with the line to write."""

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.data_loader import prepare_data_loader
from torch.utils.data import DataLoader, IterableDataset
from transformers import Trainer, TrainingArguments

from streamaug.errors import StateError, StreamaugError
from streamaug.integrations.accelerate import prepare
from streamaug.integrations.transformers import StreamTrainer
from streamaug.recipes import Recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from tests.streaming.conftest import write_recipe


class Tensors(IterableDataset):
    """A dataset of the user's over the stream."""

    def __init__(self, source: Stream) -> None:
        self.source = source

    def __iter__(self) -> Any:
        return ({"label": batch["label"]} for batch in self.source)

    def __len__(self) -> int:
        return len(self.source)


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, label: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": self.layer(label[:, None].float()).mean()}


def stream(recipe: Recipe, store: Store) -> Stream:
    return Stream(recipe, store, batch_size=24, features="waveform", threads=1)


@pytest.mark.parametrize("context", [None, "fork", "spawn"])
@pytest.mark.parametrize("wrap", [lambda source: source, Tensors])
@pytest.mark.parametrize("dispatch", [True, False])
def test_accelerates_own_loaders_are_refused(store: Store, recipe: Recipe, wrap: Any, dispatch: bool, context: str | None) -> None:
    loader = DataLoader(wrap(stream(recipe, store)), batch_size=None, num_workers=int(context is not None), multiprocessing_context=context)
    ranks = 1 if dispatch else 2  # the dispatcher needs a process group to have more
    settings = {"num_processes": ranks, "process_index": 0, "put_on_device": True, "dispatch_batches": dispatch}
    Accelerator(cpu=True)
    with pytest.raises(StreamaugError, match=r"keep its loader out of accelerator.prepare"):
        next(iter(prepare_data_loader(loader, torch.device("cpu"), **settings)))


def test_prepare_refuses_what_is_not_a_stream(store: Store, recipe: Recipe) -> None:
    with pytest.raises(StreamaugError, match="not DataLoader"):
        prepare(Accelerator(cpu=True), DataLoader(stream(recipe, store), batch_size=None))


def test_accelerate_steps_at_the_last_batch_of_an_epoch(store: Store, recipe: Recipe) -> None:
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=3)
    loader = prepare(accelerator, stream(recipe, store))
    steps = []
    for _ in loader:
        with accelerator.accumulate(torch.nn.Linear(1, 1)):
            steps.append(accelerator.sync_gradients)
    assert steps == [False, False, True, True]


def trainer(recipe: Recipe, store: Store, folder: Path, kind: Any = StreamTrainer, **settings: Any) -> Trainer:
    arguments = TrainingArguments(str(folder / "checkpoints"), use_cpu=True, report_to="none", disable_tqdm=True, **settings)
    return kind(model=Model(), args=arguments, train_dataset=stream(recipe, store))


def test_hugging_faces_own_trainer_is_refused(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(StreamaugError, match="StreamTrainer instead of Trainer"):
        trainer(recipe, store, tmp_path, Trainer).train()


def test_epochs_of_different_lengths_need_max_steps(store: Store, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.yaml", "draw: union\nmixture: {original: {0: 1, 1: 2}}\n")
    with pytest.raises(StreamaugError, match="max_steps"):
        trainer(recipe, store, tmp_path, num_train_epochs=2).train()
    training = trainer(recipe, store, tmp_path, max_steps=3)
    training.train()
    assert training.state.global_step == 3
    assert training._source.state_dict()["served"] == 3


def test_a_checkpoint_without_a_position_is_refused_by_stream_trainer(store: Store, recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "checkpoints" / "checkpoint-2").mkdir(parents=True)
    with pytest.raises(StateError, match="no readable position"):
        trainer(recipe, store, tmp_path).train(resume_from_checkpoint=True)
