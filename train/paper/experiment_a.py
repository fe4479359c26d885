"""Experiment A of the paper: evaluate a classifier that was trained without coding in coded
conditions, and print Table 2.

    python -m train.paper.experiment_a STORE --model fcnn.safetensors
    python -m train.paper.experiment_a STORE --model resnet.safetensors --model fcnn.safetensors
    --model fsfcnn.safetensors \
        --coarse resnet3.safetensors --coarse fcnn3.safetensors        the two-stage ensemble

Several models without --coarse are an ensemble that sums their class probabilities. The answers in
each condition are kept in the folder: run the same command again to resume.
"""

import csv
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import torch
import typer

from streamaug.cli.console import ProgressBar, stdout
from streamaug.cli.console import run as run_app
from streamaug.conditions import parse_conditions
from streamaug.files import write_whole
from streamaug.pages.page import Picture, Section, Table, Text, page
from streamaug.progress import Progress
from streamaug.store import Store
from streamaug.streaming import Cache
from train.checkpoint import load_model, refuse_pickle
from train.errors import RunError
from train.evaluate import check_labels, predictions_of, probabilities_of
from train.figures import confusion_map
from train.models import Classifier
from train.paper.fusion import COARSE, GROUPS, two_stage
from train.predictions import correct, in_order, read_predictions, write_predictions
from train.results import ORIGINAL, confusion
from train.task import check_one_label
from train.versions import versions

TABLE_2 = (ORIGINAL, "aac_64", "mp3_64", "opus_32", "he-aac_32", "sbc_64", "mp3_32")
"""Evaluated conditions of Experiment A, in the paper's order."""

CACHE_BYTES = 50_000_000_000

PARTS = "parts"
"""Folder of the predictions of single conditions."""


def paper_accuracies() -> dict[str, float]:
    """The paper's Table 2.

    >>> paper_accuracies()["mp3_32"]
    0.352
    """
    with (Path(__file__).parent / "table2.csv").open(newline="") as file:
        return {
            row["codec"] if row["codec"] == ORIGINAL else f"{row['codec']}_{row['kbps']}": float(row["accuracy"])
            for row in csv.DictReader(file)
        }


def by_condition(predictions: pa.Table) -> dict[str, float]:
    """Accuracy under each condition, in the order of the predictions."""
    right = correct(predictions)
    names = predictions["condition"].to_numpy()
    return {name: float(right[names == name].mean()) for name in in_order(predictions, "condition")}


def table_2(accuracies: dict[str, float]) -> Table:
    """Accuracy and its relative decrease from the original, next to the paper's."""
    paper = paper_accuracies()
    rows = []
    for name, value in accuracies.items():
        theirs = paper.get(name)
        rows.append(
            [
                name,
                f"{value:.3f}",
                "" if name == ORIGINAL else f"{_loss(value, accuracies[ORIGINAL]):.1f}",
                "" if theirs is None else f"{theirs:.3f}",
                "" if theirs is None or name == ORIGINAL else f"{_loss(theirs, paper[ORIGINAL]):.1f}",
            ]
        )
    return Table(header=["condition", "accuracy", "relative decrease, %", "the paper's accuracy", "its decrease, %"], rows=rows)


def _loss(value: float, original: float) -> float:
    return 100 * (1 - value / original) if original else float("nan")


def by_column(predictions: pa.Table, values: Sequence[str], what: str) -> Table:
    """Accuracy by value and condition.

    Args:
        predictions: Of one model.
        values: The value of each prediction.
        what: Heading of the values.
    """
    right, conditions, of = correct(predictions), predictions["condition"].to_numpy(), np.asarray(values, object)
    names = in_order(predictions, "condition")
    rows = [
        [str(value), *(f"{right[(of == value) & (conditions == name)].mean():.3f}" for name in names)]
        for value in dict.fromkeys(sorted(values))
    ]
    return Table(header=[what, *names], rows=rows)


def load_models(paths: Sequence[Path], labels: Sequence[str], accelerator: str) -> list[Classifier]:
    """Models in evaluation mode, on a GPU if there is one. Raises CheckpointError."""
    device = "cuda" if accelerator != "cpu" and torch.cuda.is_available() else "cpu"
    return [load_model(path, labels)[0].to(device) for path in paths]


def coarse_groups(labels: Sequence[str]) -> list[int]:
    """The coarse class of each label. Raises RunError for labels that are not acoustic scenes of
    the paper.
    """
    foreign = [label for label in labels if label not in GROUPS]
    if foreign:
        raise RunError(f"--coarse is for the ten scenes of TAU 2020 Mobile, but the store has the label '{foreign[0]}'; leave --coarse out")
    return [GROUPS[label] for label in labels]


def experiment(
    store: Store,
    scenes: Sequence[Classifier],
    coarse: Sequence[Classifier],
    conditions: Sequence[str],
    split: str,
    *,
    name: str,
    threads: int | None,
    cache: Cache | None,
    parts: Path,
    progress: Progress,
) -> pa.Table:
    """Predictions of a model or of an ensemble in every condition; those that a folder has are read.

    Args:
        store: The opened store.
        scenes: Models of the store's labels; the probabilities of several are summed.
        coarse: Three-class models, for the two-stage ensemble.
        conditions: Conditions to evaluate.
        split: Split to evaluate.
        name: Name of the experiment row in the predictions.
        threads: Threads to decode in. Default: one process per core instead.
        cache: Local cache of features.
        parts: Folder of the predictions of single conditions, of these models alone.
        progress: Who gets to see the progress.

    Raises:
        RunError: A condition lacks clips of the split.
    """
    groups = coarse_groups(store.manifest.labels) if coarse else []
    parts.mkdir(parents=True, exist_ok=True)
    progress.begin("evaluating models in conditions", len(conditions) * (len(scenes) + len(coarse)))
    tables = []
    for condition in conditions:
        # A condition whose bitstreams were built again has another digest.
        part = parts / f"{condition}-{store.locations(condition).digest}.parquet"
        if not part.exists():
            probabilities = []
            for model in (*scenes, *coarse):
                probabilities.append(probabilities_of(model, store, condition, split, threads=threads, cache=cache))
                progress.advance(1)
            first, second = probabilities[: len(scenes)], probabilities[len(scenes) :]
            scores = two_stage(first, second, groups) if coarse else np.sum(first, axis=0)
            scores /= scores.sum(1, keepdims=True)
            write_predictions(part, predictions_of(store, split, condition, scores.astype(np.float32), row=name, seed=0))
        else:
            progress.advance(len(scenes) + len(coarse))
        tables.append(read_predictions(part))
    return pa.concat_tables(tables)


def parts_folder(out: Path, checkpoints: Sequence[Path], store: Store, split: str) -> Path:
    """The folder in `out` for predictions of these models on these clips.

    Args:
        out: Folder of the experiment.
        checkpoints: Of all models.
        store: The opened store.
        split: Split to evaluate.
    """
    decides = [split, store.manifest.clips.sha256, *(hashlib.sha256(path.read_bytes()).hexdigest() for path in checkpoints)]
    return out / PARTS / hashlib.sha256("\n".join(decides).encode()).hexdigest()[:16]


def check_unused(out: Path, parts: Path) -> None:
    """Raises RunError if a folder has an experiment with other models or clips, or other files.

    Args:
        out: Folder of the experiment.
        parts: Where its predictions are to be (`parts_folder`).
    """
    if not parts.exists() and out.exists() and any(path.name != "features" for path in out.iterdir()):
        raise RunError(f"{out} is already in use, for other models or clips; choose another folder with --out")


def main(
    store: Annotated[str, typer.Argument(help="Path or URL of the store.")],
    model: Annotated[list[Path], typer.Option(help="Checkpoint of a model for the store's labels; repeat for an ensemble.")],
    coarse: Annotated[list[Path], typer.Option(help="Checkpoint of a three-class model for the two-stage ensemble; repeatable.")] = [],  # noqa: B006  # typer's way
    split: Annotated[str, typer.Option(help="Split to evaluate on.")] = "evaluate",
    conditions: Annotated[str, typer.Option(help="Conditions to evaluate. Default: those of Table 2.")] = ",".join(TABLE_2),
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("runs/experiment_a"),
    accelerator: Annotated[str, typer.Option(help="Accelerator: auto or cpu.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Number of threads to decode in. Default: one process per core instead.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for cached features. Default: <out>/features.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001  # read by streamaug.cli.main.run
) -> None:
    """Experiment A: evaluate a trained model, or the two-stage ensemble, in every condition of
    Table 2.
    """
    opened = Store.open(store)
    check_one_label(opened)
    names = [str(name) for name in parse_conditions(conditions)]
    if ORIGINAL not in names:
        raise RunError("--conditions lacks 'original', which the others are compared with; add it")
    check_labels(opened, split)
    labels = opened.manifest.labels
    for path in (*model, *coarse):
        refuse_pickle(path)  # which also says that there is no such file
    parts = parts_folder(out, (*model, *coarse), opened, split)
    check_unused(out, parts)
    scenes, three = load_models(model, labels, accelerator), load_models(coarse, COARSE, accelerator)
    title = " + ".join(path.stem for path in (*model, *coarse))
    with ProgressBar() as progress:
        predictions = experiment(
            opened,
            scenes,
            three,
            names,
            split,
            name=title,
            threads=threads,
            cache=Cache(folder=cache or out / "features", bound=CACHE_BYTES),
            parts=parts,
            progress=progress,
        )
    table = table_2(by_condition(predictions))
    classes = by_column(predictions, predictions["label"].to_pylist(), "class")
    sections = [Section(title="Table 2", parts=[table]), Section(title="Accuracy by class", parts=[classes])]
    if "device" in opened.clips.column_names:
        device = dict(zip(opened.clips["clip_id"].to_pylist(), map(str, opened.clips["device"].to_pylist()), strict=True))
        devices = by_column(predictions, [device[clip_id] for clip_id in predictions["clip_id"].to_pylist()], "device")
        write_whole(out / "by_device.csv", devices.csv())
        sections.append(Section(title="Accuracy by device", parts=[devices]))
    maps = {name: confusion_map(confusion(predictions, labels, name), labels, name) for name in names}
    for name, png in maps.items():
        write_whole(out / f"confusion_{name}.png", png)
    pictures = [Picture(png=png, alt=f"confusion matrix under {name}") for name, png in maps.items()]
    repeat: list[Text | Table] = [
        Text(text=" ".join([Path(sys.executable).name, *sys.orig_argv[1:]]), kind="code"),
        Table(header=["library", "version"], rows=list(versions().items())),
    ]
    sections += [Section(title="Confusion matrices", parts=pictures), Section(title="How to repeat this experiment", parts=repeat)]
    lead = f"{title}, evaluated on '{split}' of {opened.manifest.name}, {len(predictions) // len(names)} clips in each condition."
    write_predictions(out / "predictions.parquet", predictions)
    write_whole(out / "table2.csv", table.csv())
    write_whole(out / "table2.md", table.markdown() + "\n")
    write_whole(out / "by_class.csv", classes.csv())
    write_whole(out / "report.html", page("Experiment A", lead, sections))
    stdout.print(table.markdown(), f"report: {out / 'report.html'}", sep="\n")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)
