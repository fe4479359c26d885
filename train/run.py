"""One run: train on a recipe, evaluate in every condition, and keep everything in one folder.

    python -m train.run RUN.yaml [key=value ...]
    python -m train.run --resume FOLDER

The folder gets run.yaml and recipe.yaml (the settings), versions.json, model.safetensors,
predictions.parquet, table.csv, table.md, by_condition.png, mixture.png, curves.png, ledger.csv, the
logs (CSV and TensorBoard) and report.html. During training it also has position.safetensors, from
which a stopped run resumes.
"""

import logging
import warnings
from pathlib import Path
from typing import Annotated, Any

import lightning
import pyarrow as pa
import torch
import typer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from streamaug.cli.console import run as run_app
from streamaug.cli.console import stdout
from streamaug.folder_lock import held
from streamaug.integrations.lightning import StreamCallback
from streamaug.streaming import Stream
from train.config import RunConfig, read_config
from train.errors import RunError
from train.finishing import finish_run
from train.models import MODELS, Classifier
from train.module import Training
from train.preparing import Run, prepare
from train.resume import SafetensorsIO
from train.run_folder import POSITION, check_resumable, create_run_folder, load_run_config, log_parts


class _Progress(RichProgressBar):
    """A bar over the steps of the whole run, with the loss."""

    @property
    def total_train_batches(self) -> int:
        return self.trainer.max_steps

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if self.train_progress_bar_id is None:
            super().on_train_epoch_start(trainer, pl_module)

    def _get_train_description(self, current_epoch: int) -> str:  # noqa: ARG002  # Lightning's signature
        return "training"

    def _update(self, progress_bar_id: Any, current: int, *settings: Any, **more: Any) -> None:
        is_training = progress_bar_id == self.train_progress_bar_id
        super()._update(progress_bar_id, self.trainer.global_step if is_training else current, *settings, **more)

    def get_metrics(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> dict[str, Any]:
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}


def fit(run: Run, *, resume: bool = False, quiet: bool = False) -> Classifier:
    """Train, and save a position to resume from every `checkpoint_every` steps.

    Args:
        run: The prepared run; its folder exists.
        resume: Continue from the folder's position.
        quiet: Show no progress bar.

    Raises:
        DivergedError: The loss is no longer a finite number.
        CheckpointError: The position is not readable.
        StreamaugError: A clip cannot be read or decoded.
    """
    config = run.config
    torch.manual_seed(config.seed)
    model = MODELS[config.model](len(run.store.manifest.labels), config.width)
    training = Training(
        model,
        run.task,
        total=run.total,
        cycles=config.model_cycles,
        max_lr=config.learning_rate,
        momentum=config.momentum,
        seed=config.seed,
        consistency=config.consistency if run.recipe.views else 0.0,
    )
    stream = run.stream()
    trainer = _trainer(run, stream, quiet=quiet)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")  # the run's own folder
        warnings.filterwarnings("ignore", message=".*LeafSpec", module="lightning")  # its own use of a deprecated name
        warnings.filterwarnings("ignore", message="The number of training batches")  # a log that is longer than an epoch is meant
        trainer.fit(training, stream, ckpt_path=run.folder / POSITION if resume else None)
    if trainer.interrupted:
        raise KeyboardInterrupt
    return model


def _trainer(run: Run, stream: Stream, *, quiet: bool) -> lightning.Trainer:
    config = run.config
    checkpoint = ModelCheckpoint(
        dirpath=run.folder, filename=POSITION.split(".")[0], every_n_train_steps=config.checkpoint_every, enable_version_counter=False
    )
    checkpoint.FILE_EXTENSION = ".safetensors"
    callbacks: list[Callback] = [StreamCallback(stream), checkpoint]
    if not quiet:
        callbacks.append(_Progress())
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    return lightning.Trainer(
        max_epochs=-1,
        max_steps=run.total,
        accelerator=config.accelerator,
        devices=config.devices,
        # Spawned: the ranks return, and one process continues with the evaluation.
        strategy="ddp_spawn" if config.devices > 1 else "auto",
        precision=config.precision,
        logger=[
            CSVLogger(run.folder, name="log", version=len(log_parts(run.folder))),
            TensorBoardLogger(run.folder, name="", version="tensorboard"),
        ],
        callbacks=callbacks,
        plugins=[SafetensorsIO()],
        log_every_n_steps=max(1, min(10, run.total // 100)),
        enable_progress_bar=not quiet,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def run_training(config: RunConfig, *, row: str, fold: str | None = None, resume: bool = False, quiet: bool = False) -> pa.Table:
    """Run from start to end: prepare, create the folder, train, evaluate, report.

    Args:
        config: The run's settings.
        row: Name of the experiment row in the predictions.
        fold: Fold that is held out, if folds are.
        resume: Continue the run in `config.run` from its position.
        quiet: Show no progress bar.

    Returns:
        The predictions (`train.predictions.SCHEMA`, or `LABELS_SCHEMA`).

    Raises:
        StreamaugError: Another process trains in the folder; or whatever `prepare`, `create_run_folder`, `fit` and
            `finish_run` raise.
    """
    run = prepare(config)
    if not resume:
        create_run_folder(run)
    with held(run.folder):
        return finish_run(run, fit(run, resume=resume, quiet=quiet), row=row, fold=fold)


def main(
    settings: Annotated[list[str], typer.Argument(help="YAML file of a run, and key=value pairs that override it; or pairs alone.")] = [],  # noqa: B006  # typer's way
    resume: Annotated[Path | None, typer.Option(help="Folder of a stopped run to resume.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001  # read by streamaug.cli.main.run
) -> None:
    """Train on one recipe and evaluate in every condition."""
    if resume is not None:
        config = load_run_config(resume)
        check_resumable(resume)
    else:
        files = [Path(text) for text in settings if "=" not in text]
        if len(files) > 1:
            raise RunError(f"one run has one YAML file, not {len(files)} ({', '.join(map(str, files))}); remove the others")
        config = read_config(files[0] if files else None, [text for text in settings if "=" in text])
    run_training(config, row=config.recipe.stem.removeprefix("row_"), resume=resume is not None)
    stdout.print((config.run / "table.md").read_text() + f"\nreport: {config.run / 'report.html'}")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)
