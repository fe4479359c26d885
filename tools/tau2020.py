"""The paper on its own data, in one command: download TAU Urban Acoustic Scenes 2020 Mobile, build
the store, convert the published weights, run Experiments A and B, and write their tables.

    python -m tools.tau2020 FOLDER --dry-run                 what it takes on this machine, measured
    python -m tools.tau2020 FOLDER --weights DCASE2020_task1 --rows 1,6 --seeds 1

The same command resumes after it was stopped or killed: finished steps are skipped, and the step
that was under way continues. Everything is in FOLDER:

    dataset/  store/  weights/  experiment_a/  experiment_b/  tables.md
    finished/       notes of what is finished
"""

import hashlib
from collections.abc import Mapping
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Annotated, Any

import typer

from streamaug.cli.console import run as run_app
from streamaug.cli.console import stderr, stdout
from streamaug.conditions import parse_conditions
from streamaug.files import write_whole
from streamaug.store import Store
from tools.resumable import Step, run_steps
from tools.tau2020_settings import PUBLISHED, Published, Settings, find_weights
from train.errors import RunError

EVALUATED = "evaluate"
"""Split that Experiment A evaluates."""


def steps_of(settings: Settings) -> list[Step]:
    """The steps, in their order.

    Args:
        settings: What to do.

    Raises:
        CheckpointError: Weights are missing.
        RunError: There is no such row.
        RecipeError: A row's recipe cannot be read.
    """
    folder = settings.folder
    weights = find_weights(settings.weights) if settings.weights else {}
    hashes = {model.file: hashlib.sha256(path.read_bytes()).hexdigest() for model, path in weights.items()}
    steps = [
        Step(
            name="download",
            about="download, check and unpack the archives",
            run=lambda: _download(settings),
            settings=lambda: {"archives": dict(settings.archives)},
            output=folder / "dataset" / "meta.csv",
        ),
        Step(
            name="build",
            about=f"build {len(settings.built)} conditions",
            run=lambda: _build(settings),
            settings=lambda: {"conditions": settings.built, "skip_bad": settings.skip_bad},
            output=folder / "store" / "store.json",
        ),
    ]
    if weights:
        steps += [
            Step(
                name="weights",
                about="convert the published weights",
                run=lambda: _convert(settings, weights),
                settings=lambda: {"files": hashes, "width": settings.width},
                output=folder / "weights",
            ),
            Step(
                name="experiment_a",
                about="evaluate the two-stage ensemble in every condition",
                run=lambda: _experiment_a(settings),
                settings=lambda: {
                    "files": hashes,
                    "width": settings.width,
                    "conditions": settings.table_2,
                    "clips": _clips(settings),
                },
                output=folder / "experiment_a" / "report.html",
            ),
        ]
    return [
        *steps,
        Step(
            name="experiment_b",
            about=f"train and evaluate rows {', '.join(settings.rows)}, {settings.seeds} runs each",
            run=lambda: _experiment_b(settings),
            settings=lambda: {**_run_settings(settings), "clips": _clips(settings)},
            output=folder / "experiment_b" / "report.html",
        ),
    ]


def _clips(settings: Settings) -> str:
    """Names the clips that the store has now."""
    return Store.open(str(settings.folder / "store")).manifest.clips.sha256


def _download(settings: Settings) -> None:
    from tools.download_tau2020 import fetch

    fetch(settings.folder / "dataset", archives=settings.archives, url=settings.url)


def _build(settings: Settings) -> None:
    from tools.shard_tau2020 import shard

    store = str(settings.folder / "store")
    shard(settings.folder / "dataset", store, conditions=",".join(settings.built), skip_bad=settings.skip_bad, workers=settings.workers)


def _convert(settings: Settings, weights: Mapping[Published, Path]) -> None:
    from tools.import_keras_weights import main

    (settings.folder / "weights").mkdir(exist_ok=True)
    for (model, source), target in zip(weights.items(), settings.checkpoints, strict=True):
        main(source, target, model=model.model, classes=model.classes, width=str(model.width * settings.width))


def _experiment_a(settings: Settings) -> None:
    from train.paper.experiment_a import main, parts_folder

    store, out = str(settings.folder / "store"), settings.folder / "experiment_a"
    scenes, coarse = (
        [path for model, path in zip(PUBLISHED, settings.checkpoints, strict=True) if model.classes == classes] for classes in (10, 3)
    )
    if out.exists() and not parts_folder(out, (*scenes, *coarse), Store.open(store), EVALUATED).exists():
        kept = next(path for number in count(1) if not (path := out.with_name(f"{out.name}_before_{number}")).exists())
        out.rename(kept)
        stdout.print(f"weights or clips have changed; the earlier results are in {kept}")
    main(
        store,
        scenes,
        coarse,
        split=EVALUATED,
        conditions=",".join(settings.table_2),
        out=out,
        accelerator=settings.accelerator,
        cache=settings.folder / "features",
    )


def _run_settings(settings: Settings) -> dict[str, Any]:
    """Settings of Experiment B."""
    return {
        "rows": ",".join(settings.rows),
        "seeds": settings.seeds,
        "epochs": settings.epochs,
        "steps": settings.steps,
        "conditions": ",".join(settings.table_3),
        "width": str(settings.width),
        "accelerator": settings.accelerator,
        "precision": settings.precision,
    }


def _experiment_b(settings: Settings) -> None:
    from train.paper.experiment_b import main

    folder = settings.folder
    main(str(folder / "store"), **_run_settings(settings), out=folder / "experiment_b", cache=folder / "features")


def write_tables(settings: Settings) -> Path:
    """Write the tables of both experiments, next to the paper's, into one file; returns its path."""
    from train.paper.tables import write_tables as tables_of

    tables = tables_of(settings.folder / "experiment_b")
    parts = ["# TAU Urban Acoustic Scenes 2020 Mobile"]
    if settings.weights:
        parts += ["## Experiment A: the published weights", (settings.folder / "experiment_a" / "table2.md").read_text(encoding="utf-8")]
    parts += ["## Experiment B: training on mixtures", tables.markdown()]
    path = settings.folder / "tables.md"
    write_whole(path, "\n\n".join(part.strip() for part in parts) + "\n")
    return path


def run_all(settings: Settings) -> None:
    """Do all that is not finished, and write the tables.

    Raises:
        StreamaugError: What a step raises; it says what to do before the command is run again.
    """
    steps = steps_of(settings)
    if settings.weights is None:
        stderr.print("no --weights: Experiment A is left out")
    run_steps(settings.folder, steps)
    path = write_tables(settings)
    stdout.print(f"tables: {path}")


def main(
    folder: Annotated[Path, typer.Argument(help="Folder for the data set, the store and the results.")],
    weights: Annotated[
        Path | None,
        typer.Option(help="Clone of github.com/MihawkHu/DCASE2020_task1, with the published weights. Default: Experiment A is left out."),
    ] = None,
    rows: Annotated[str, typer.Option(help="Comma-separated rows of Table 3.")] = ",".join(Settings.rows),
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each row, with seeds 0, 1, ...")] = Settings.seeds,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs of each run as in the paper. Default: 254, without --steps.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps of each run, the same for every row.")] = None,
    conditions: Annotated[str, typer.Option(help="Conditions to evaluate. Default: those of the paper's Tables 2 and 3.")] = "",
    width: Annotated[str, typer.Option(help="Width of the models: 1 for the paper's, and for the published weights.")] = "1",
    accelerator: Annotated[str, typer.Option(help="Lightning's accelerator: auto, cpu or gpu.")] = "auto",
    precision: Annotated[str, typer.Option(help="Precision: 32-true, bf16-mixed or 16-mixed.")] = "32-true",
    workers: Annotated[int | None, typer.Option(min=1, help="Processes that build. Default: one per core.")] = None,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Build without clips that are missing or broken, and list them.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Measure this machine for some seconds, and print the time and disk that each step takes.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001  # read by streamaug.cli.main.run
) -> None:
    """Download, build, convert, and run Experiments A and B; run the same command again to resume."""
    if epochs is not None and steps is not None:
        raise RunError("--epochs and --steps exclude each other; leave one out")
    try:
        share = Fraction(width)
    except (ValueError, ZeroDivisionError):
        raise RunError(f"--width {width} is not a width; write 1, or a fraction such as 1/16") from None
    settings = Settings(
        folder=folder.absolute(),
        weights=None if weights is None else weights.absolute(),
        rows=tuple(name.strip() for name in rows.split(",")),
        seeds=seeds,
        epochs=None if steps else epochs or Settings.epochs,
        steps=steps,
        conditions=tuple(str(name) for name in parse_conditions(conditions)) if conditions else (),
        width=share,
        accelerator=accelerator,
        precision=precision,
        workers=workers,
        skip_bad=skip_bad,
    )
    if dry_run:
        from tools.tau2020_estimate import print_estimate

        print_estimate(settings)
        return
    run_all(settings)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)
