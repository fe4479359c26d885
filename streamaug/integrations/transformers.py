"""Hugging Face Trainer: a Trainer that trains on a stream, and keeps its position in checkpoints.

    trainer = StreamTrainer(model=model, args=TrainingArguments(...), train_dataset=stream)
    trainer.train(resume_from_checkpoint=True)

The Trainer's own loader would stack whole batches, share their rows among the ranks a second time,
and skip the batches before a checkpoint by reading them.
"""

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import repeat
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader, IterableDataset
from transformers import Trainer
from transformers.trainer_utils import TrainOutput, get_last_checkpoint

from streamaug.errors import StateError, StreamaugError
from streamaug.files import write_whole
from streamaug.streaming.loader import StreamLoader
from streamaug.streaming.steps import Steps
from streamaug.streaming.stream import Stream

POSITION = "stream.json"
"""The file of a checkpoint that holds the position of the stream."""


class StreamTrainer(Trainer):
    """A Trainer whose `train_dataset` is a stream, exact to the row when it resumes.

    The stream decides the batch size, of all ranks together; `per_device_train_batch_size` is not
    used. The settings of workers are those of `TrainingArguments`: `dataloader_num_workers` and the
    like. `data_collator` turns a batch of the stream into the arguments of the model. Default: the
    entries of the batch that the model's `forward` names.

    An epoch is an epoch of the stream. If a schedule gives them different lengths, write
    `max_steps`: the Trainer then counts all steps as one epoch.

    Args:
        arguments: Those of Trainer.

    Raises:
        StreamaugError: `train_dataset` is not a stream.
    """

    def __init__(self, **arguments: Any) -> None:
        if not isinstance(arguments.get("train_dataset"), Stream):
            raise StreamaugError("StreamTrainer trains on a stream; write StreamTrainer(train_dataset=Stream(...)), or use Trainer")
        self.stream: Stream = arguments["train_dataset"]
        self._make_inputs: Callable[[dict[str, Any]], Any] = arguments.get("data_collator") or self._inputs_by_name
        super().__init__(**arguments)
        self._source: StreamLoader | Steps | None = None
        self._resumed: dict[str, Any] | None = None

    def train(
        self, resume_from_checkpoint: str | bool | None = None, trial: Any = None, ignore_keys_for_eval: list[str] | None = None
    ) -> TrainOutput:
        """Train, or resume after the last batch before a checkpoint.

        Args:
            resume_from_checkpoint: Folder of a checkpoint, or True for the last one in
                `output_dir`.
            trial, ignore_keys_for_eval: As for Trainer.train.

        Raises:
            StateError: The checkpoint has no position, or one of another stream.
            StreamaugError: The epochs differ in length and there is no `max_steps`, or
                `ignore_data_skip` is on.
        """
        if self.args.ignore_data_skip:
            raise StreamaugError(
                "ignore_data_skip=True miscounts the steps of an epoch; leave it out: a stream resumes without reading again"
            )
        checkpoint: str | None = resume_from_checkpoint or None if isinstance(resume_from_checkpoint, str) else None
        if resume_from_checkpoint is True:
            checkpoint = get_last_checkpoint(self.args.output_dir)  # type: ignore[no-untyped-call]  # transformers' own
            if checkpoint is None:
                raise ValueError(f"no checkpoint in {self.args.output_dir}; call train() without resume_from_checkpoint")
        self._resumed = _read_position(Path(checkpoint)) if checkpoint else None
        return super().train(checkpoint, trial, ignore_keys_for_eval)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Batches of the stream as arguments of the model, from where training begins or resumes."""
        stream, args = self.stream, self.args
        context = args.dataloader_multiprocessing_context
        loader = StreamLoader(
            stream,
            num_workers=args.dataloader_num_workers,
            **(
                {"multiprocessing_context": context, "prefetch_factor": args.dataloader_prefetch_factor}
                if args.dataloader_num_workers
                else {}
            ),
            pin_memory=args.dataloader_pin_memory,
        )
        state = self._resumed
        self._source = loader if self._have_equal_length(stream, state) else loader.steps(args.max_steps * args.gradient_accumulation_steps)
        skipped = 0
        if state is not None:
            self._source.load_state_dict(state)
            if isinstance(self._source, Steps):
                skipped = self._source.served
            else:
                skipped = stream.rank_batches(state["epoch"]) - stream.rank_batches(state["epoch"], state["rows"])
        return DataLoader(_Inputs(self._source, self._make_inputs, skipped), batch_size=None, collate_fn=_as_it_is)

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save the model, and in a checkpoint the position of the stream."""
        super().save_model(output_dir, _internal_call)
        if _internal_call and self.args.should_save and output_dir is not None and self._source is not None:
            write_whole(Path(output_dir) / POSITION, json.dumps(self._source.state_dict()).encode())

    def _inputs_by_name(self, batch: dict[str, Any]) -> dict[str, Any]:
        names = inspect.signature(self.model.forward).parameters  # type: ignore[union-attr]  # there is a model when there are batches
        return {name: value for name, value in batch.items() if name in names}

    def _have_equal_length(self, stream: Stream, state: Mapping[str, Any] | None) -> bool:
        """Whether all epochs of this training have the same length.

        Raises StreamaugError if not, without `max_steps`.
        """
        if state is not None and "served" in state:  # of a training that counts steps
            return False
        args = self.args
        first = int((state or stream.position_dict())["epoch"])
        length = stream.rank_batches(first)
        epochs = -(-args.max_steps * args.gradient_accumulation_steps // max(length, 1)) if args.max_steps > 0 else args.num_train_epochs
        if all(stream.rank_batches(first + epoch) == length for epoch in range(int(-(-epochs // 1)))):
            return True
        if args.max_steps <= 0:
            raise StreamaugError(
                "the epochs of this recipe differ in length, and Trainer takes every epoch to be as long as the first one; write "
                "TrainingArguments(max_steps=...)"
            )
        return False


class _Inputs(IterableDataset[Any]):
    """What the model takes of each batch.

    Trainer drops the batches before a checkpoint; these are None, and nothing is read.
    """

    def __init__(self, source: StreamLoader | Steps, make_inputs: Callable[[dict[str, Any]], Any], skipped: int) -> None:
        self._source, self._make_inputs, self._skipped = source, make_inputs, skipped

    def __len__(self) -> int:
        return len(self._source)

    def __iter__(self) -> Iterator[Any]:
        skipped, self._skipped = self._skipped, 0
        yield from repeat(None, skipped)
        yield from map(self._make_inputs, self._source)


def _as_it_is(inputs: Any) -> Any:
    return inputs


def _read_position(folder: Path) -> dict[str, Any]:
    try:
        position: dict[str, Any] = json.loads((folder / POSITION).read_text())
    except (OSError, ValueError) as error:
        raise StateError(f"{folder / POSITION}: no readable position of a stream; resume from a checkpoint of StreamTrainer") from error
    return position
