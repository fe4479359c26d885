"""One run: train a recipe, evaluate every condition, leave everything in one folder.

    python -m train.run RUN.yaml [key=value ...]
    python -m train.run --resume FOLDER

The folder gets run.yaml and recipe.yaml (what was asked), versions.json, model.safetensors, predictions.parquet, table.csv,
table.md, heatmap.png, curves.png, ledger.csv, the logs (CSV and TensorBoard) and report.html. While it trains it holds
position.safetensors, from which a run that was killed goes on.
"""

import json
import logging
import platform
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import lightning
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import torch
import typer
import yaml
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from rich.console import Console

from streamaug.cli.console import run as run_app
from streamaug.features import EDGE, LogMel
from streamaug.planning import Plan
from streamaug.planning.ledger import planned
from streamaug.planning.open_plan import coded, open_plan
from streamaug.recipes import Recipe, load_recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from train.augment import CROP_FRAMES
from train.checkpoint import save_model
from train.config import RunConfig, read_config
from train.errors import RunError
from train.evaluate import BATCH, check_labels, predictions_of, probabilities_of
from train.figures import accuracy_map, confusion_map, learning_curves
from train.models import MODELS, Classifier
from train.module import Training
from train.predictions import write_predictions
from train.report import Picture, Section, Table, Text, page, write_whole
from train.results import accuracies, confusion, familiarity, paper_order
from train.resume import SafetensorsIO
from train.steps import Steps

FEWEST_FRAMES = 16
"""Frames of a crop that the models' four halvings leave one of."""

POSITION = "position.safetensors"
PREDICTIONS = "predictions.parquet"
LIBRARIES = ("streamaug", "torch", "torchaudio", "torchcodec", "av", "lightning", "numpy", "pyarrow", "soxr")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run with everything opened and checked, before it starts."""

    config: RunConfig
    store: Store
    plan: Plan
    conditions: tuple[str, ...]
    total: int

    @property
    def folder(self) -> Path:
        return self.config.run

    @property
    def recipe(self) -> Recipe:
        return self.plan.recipe

    def stream(self) -> Stream:
        """What the plan gives, from its start, on this rank. Raises StreamaugError where an epoch fills no step."""
        return Stream(
            self.plan,
            self.store,
            split=self.config.train_on,
            seed=self.config.seed,
            batch_size=BATCH // self.plan.views,  # a step takes 64 clips, whatever a row shows
            tail="drop",
            threads=self.config.threads,
            feature_cache=self.config.feature_cache,
        )


class _Data(lightning.LightningDataModule):
    """Opens the stream on each rank, where its place in the epoch is kept."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def train_dataloader(self) -> Steps:
        return Steps(self._run.stream(), self._run.total)


def prepare(config: RunConfig) -> Run:
    """Open and check all that a run needs. Raises RunError, RecipeError, StoreError and what else opening raises."""
    store = Store.open(config.store)
    recipe = load_recipe(config.recipe)
    conditions = tuple(paper_order(config.conditions or store.conditions))
    for condition in conditions:
        store.index(condition)
    for split in (config.train_on, config.evaluate_on):
        check_labels(store, split)
    plan = open_plan(recipe, store, split=config.train_on, seed=config.seed)
    check_length(store)
    run = Run(config=config, store=store, plan=plan, conditions=conditions, total=config.total(plan.epoch_size(0)))
    run.stream()  # what it refuses is better known before the folder is made
    return run


def check_length(store: Store) -> None:
    """Raise RunError where the store's clips are too short to be cropped and pooled."""
    shortest = int(pc.min(store.clips["samples"]).as_py())
    frames = LogMel(rate=store.meta.rate).frames(shortest) - 2 * EDGE - CROP_FRAMES
    if frames < FEWEST_FRAMES:
        needed = (FEWEST_FRAMES + 2 * EDGE + CROP_FRAMES - 1) * LogMel().hop / store.meta.rate
        raise RunError(
            f"{store.url}: clips of {shortest / store.meta.rate:.2f} s are too short; the models take {needed:.2f} s or more, "
            "so build the store with --seconds of that"
        )


def create_run_folder(run: Run) -> None:
    """Make the run folder and write what was asked. Raises RunError where a folder of that name holds anything."""
    folder = run.folder
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"{folder} is already in use; name another folder with run=..., or go on with it by --resume {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "run.yaml", yaml.safe_dump(json.loads(run.config.model_dump_json()), sort_keys=False))
    write_whole(folder / "recipe.yaml", run.recipe.to_yaml())
    write_whole(folder / "versions.json", json.dumps(versions(), indent=1))


def versions() -> dict[str, str]:
    """What the run depends on."""
    return {"python": platform.python_version(), "machine": platform.machine()} | {name: metadata.version(name) for name in LIBRARIES}


class _Progress(RichProgressBar):
    """A bar over the steps, with the loss."""

    def get_metrics(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> dict[str, Any]:
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}


def fit(run: Run, *, resume: bool = False, quiet: bool = False) -> Classifier:
    """Train; the position to resume from is renewed on the way. Raises DivergedError, CheckpointError and what the stream raises."""
    config = run.config
    torch.manual_seed(config.seed)
    model = MODELS[config.model](len(run.store.meta.labels), config.width)
    training = Training(
        model,
        total=run.total,
        cycles=config.model_cycles,
        high=config.learning_rate,
        momentum=config.momentum,
        seed=config.seed,
        consistency=config.consistency if run.recipe.views else 0.0,
    )
    checkpoint = ModelCheckpoint(
        dirpath=run.folder, filename=POSITION.split(".")[0], every_n_train_steps=config.checkpoint_every, enable_version_counter=False
    )
    checkpoint.FILE_EXTENSION = ".safetensors"
    callbacks: list[Callback] = [checkpoint] if quiet else [checkpoint, _Progress()]
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    trainer = lightning.Trainer(
        max_epochs=1,  # of Steps, which is the whole run
        accelerator=config.accelerator,
        devices=config.devices,
        # Spawned: the ranks come back, and one process goes on to evaluate.
        strategy="ddp_spawn" if config.devices > 1 else "auto",
        precision=config.precision,
        logger=[
            CSVLogger(run.folder, name="log", version=len(_log_parts(run.folder))),
            TensorBoardLogger(run.folder, name="", version="tensorboard"),
        ],
        callbacks=callbacks,
        plugins=[SafetensorsIO()],
        log_every_n_steps=max(1, min(10, run.total // 100)),
        enable_progress_bar=not quiet,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")  # the run folder, which is claimed
        warnings.filterwarnings("ignore", message=".*LeafSpec", module="lightning")  # its own use of a deprecated name
        trainer.fit(training, datamodule=_Data(run), ckpt_path=run.folder / POSITION if resume else None)
    if trainer.interrupted:
        raise KeyboardInterrupt
    return model


def finish(run: Run, model: Classifier, *, row: str, fold: str | None = None) -> pa.Table:
    """Evaluate a trained model and write the rest of the folder; its predictions."""
    config, folder = run.config, run.folder
    save_model(folder / "model.safetensors", model, run.store.meta.labels)
    model.eval()
    tables = []
    for condition in run.conditions:
        probabilities = probabilities_of(
            model, run.store, condition, config.evaluate_on, threads=config.threads, cache=config.feature_cache
        )
        tables.append(predictions_of(run.store, config.evaluate_on, condition, probabilities, row=row, seed=config.seed, fold=fold))
    predictions = pa.concat_tables(tables)
    table = accuracies(predictions)
    shown = Table(
        header=["", *table.conditions],
        rows=[
            [run.recipe.title, *(f"{value:.3f}" for value in table.means[0])],
            ["trained on it?", *(familiarity(name, run.recipe.conditions) for name in table.conditions)],
        ],
    )
    ends = [table.conditions[int(place)] for place in (table.means[0].argmax(), table.means[0].argmin())]
    heat, curves, ledger = accuracy_map(table, {row: run.recipe.title}), learning_curves({row: read_log(folder)}), ledger_of(run)
    write_whole(folder / "table.csv", shown.csv())
    write_whole(folder / "table.md", shown.markdown() + "\n")
    write_whole(folder / "heatmap.png", heat)
    write_whole(folder / "curves.png", curves)
    write_whole(folder / "ledger.csv", ledger.csv())
    sections = [
        Section(title="Accuracy", parts=[shown, Picture(png=heat, alt="heat map of the accuracies")]),
        Section(title="Confusion matrices, under the best and the worst condition", parts=_confusions(run, predictions, ends)),
        Section(title="Training", parts=[Picture(png=curves, alt="loss and learning rate over the steps")]),
        Section(title="Ledger: rows that the recipe gives in an epoch", parts=[ledger]),
        Section(
            title="To repeat it",
            parts=[
                Text(text=(folder / "run.yaml").read_text(), kind="code"),
                Text(text=f"python -m train.run {folder}/run.yaml run=ANOTHER_FOLDER", kind="code"),
            ],
        ),
        Section(
            title="Recipe and versions",
            parts=[Text(text=run.recipe.to_yaml(), kind="code"), Text(text=json.dumps(versions(), indent=1), kind="code")],
        ),
    ]
    lead = (
        f"{config.model} at width {config.width}, {run.total} steps of {BATCH} clips, seed {config.seed}, "
        f"trained on '{config.train_on}' and evaluated on '{config.evaluate_on}' of {run.store.meta.name}."
    )
    write_whole(folder / "report.html", page(run.recipe.title, lead, sections))
    write_predictions(folder / PREDICTIONS, predictions)  # last: the run is finished when it is there
    (folder / POSITION).unlink(missing_ok=True)
    return predictions


def _confusions(run: Run, predictions: pa.Table, conditions: Sequence[str]) -> list[Picture]:
    """Confusion matrices under some conditions, each once."""
    labels = run.store.meta.labels
    return [
        Picture(png=confusion_map(confusion(predictions, labels, name), labels, name), alt=f"confusion matrix under {name}")
        for name in dict.fromkeys(conditions)
    ]


def _log_parts(folder: Path) -> list[Path]:
    """The run's logs, one from its start and one from each time that it was resumed."""
    return sorted((folder / "log").glob("version_*/metrics.csv"), key=lambda path: int(path.parent.name.removeprefix("version_")))


def read_log(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Steps, losses and learning rates of a run; what was done again after resuming counts once."""
    parts = [pacsv.read_csv(path) for path in _log_parts(folder)]
    ends = [part["step"][0].as_py() for part in parts[1:]] + [np.inf]
    kept = [part.filter(pc.less(part["step"], end)) for part, end in zip(parts, ends, strict=True)]
    log = pa.concat_tables([part.select(["step", "loss", "learning_rate"]) for part in kept])
    return log["step"].to_numpy(), log["loss"].to_numpy(), log["learning_rate"].to_numpy()


def ledger_of(run: Run) -> Table:
    """Planned rows of the first epoch by condition and label."""
    ledger = planned(run.plan, {"label": coded(run.store.clips, "label")})
    rows = [
        [condition, *map(str, counts), str(sum(counts))] for condition, counts in zip(ledger.values[0], ledger.counts.tolist(), strict=True)
    ]
    return Table(header=["condition", *ledger.values[1], "all"], rows=rows)


def run_training(config: RunConfig, *, row: str, fold: str | None = None, resume: bool = False, quiet: bool = False) -> pa.Table:
    """Do a run from start to end; its predictions. Raises whatever `prepare`, `claim`, `fit` and `finish` raise."""
    run = prepare(config)
    if not resume:
        create_run_folder(run)
    return finish(run, fit(run, resume=resume, quiet=quiet), row=row, fold=fold)


def load_run_config(folder: Path) -> RunConfig:
    """What was asked of the run that a folder holds. Raises RunError."""
    if not (folder / "run.yaml").is_file():
        raise RunError(f"{folder} holds no run to go on with; start one with 'python -m train.run RUN.yaml run={folder}'")
    return read_config(folder / "run.yaml")


def main(
    asked: Annotated[list[str], typer.Argument(help="A run's YAML, then key=value pairs that override it; or pairs alone.")] = [],  # noqa: B006  # typer's way
    resume: Annotated[Path | None, typer.Option(help="Folder of a run to go on with.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001  # read by streamaug.cli.console.run
) -> None:
    """Train one recipe and evaluate it on every condition."""
    if resume is not None:
        config = load_run_config(resume)
        if (resume / PREDICTIONS).exists():
            raise RunError(f"{resume} is finished; see {resume}/report.html")
        if not (resume / POSITION).exists():
            raise RunError(f"{resume} was killed before its first position was kept; start it again in another folder")
    else:
        files = [Path(text) for text in asked if "=" not in text]
        if len(files) > 1:
            raise RunError(f"one YAML a run; {', '.join(map(str, files))} were given")
        config = read_config(files[0] if files else None, [text for text in asked if "=" in text])
    run_training(config, row=config.recipe.stem.removeprefix("row_"), resume=resume is not None)
    Console().print((config.run / "table.md").read_text() + f"\nreport: {config.run / 'report.html'}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)
