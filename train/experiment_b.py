"""Experiment B of the paper: train on mixtures of conditions, evaluate on each, and print Table 3.

    python -m train.experiment_b STORE --rows 1,6 --seeds 3 --epochs 254        as the paper counts cost: epochs
    python -m train.experiment_b STORE --rows 1,6 --seeds 3 --steps 800         the same number of steps for every row

Every run has a folder of its own below the experiment's and is not done twice: the same command again goes on where it
was stopped.
"""

import itertools
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import typer
from rich.console import Console

from streamaug.cli.console import run as run_app
from streamaug.conditions import Condition, parse_conditions
from streamaug.planning.open_plan import open_plan
from streamaug.recipes import load_recipe
from streamaug.store import Store
from train.config import RunConfig, checked
from train.errors import RunError
from train.figures import learning_curves
from train.predictions import read_predictions, write_predictions
from train.report import Picture, Section, Table, Text, page, write_whole
from train.results import TABLE_3, paper_order
from train.run import POSITION, PREDICTIONS, load_run_config, read_log, run_training, versions
from train.tables import Row, Tables, write_rows, write_tables

RECIPES = Path(__file__).parent / "recipes"


def find_recipe(name: str) -> Path:
    """The recipe of a row: of Table 3 by its number, of train/recipes by its name, or any file. Raises RunError."""
    found = [
        path for path in (Path(name), *sorted(RECIPES.rglob(f"row_{name}.yaml")), *sorted(RECIPES.rglob(f"{name}.yaml"))) if path.is_file()
    ]
    if not found:
        known = sorted({path.stem.removeprefix("row_") for path in RECIPES.rglob("*.yaml")})
        raise RunError(f"row '{name}': no such recipe; there are {', '.join(known)}, or give the path of a YAML file")
    return found[0]


def row_name(recipe: Path) -> str:
    """
    >>> row_name(Path("train/recipes/table3/row_6.yaml"))
    '6'
    """
    return recipe.stem.removeprefix("row_")


def default_conditions(store: Store) -> tuple[str, ...]:
    """Those of Table 3, which the store must have, then every other that ends in a codec."""
    coded = [name for name in store.conditions if (steps := Condition.parse(name).steps) and steps[-1].is_codec]
    return tuple(paper_order({*TABLE_3, *coded}))


def folds_of(store: Store, column: str | None) -> tuple[str | None, ...]:
    """Values of the column that folds are held out by; one run over the named splits where there is none. Raises RunError."""
    if column is None:
        return (None,)
    if column not in store.clips.column_names:
        raise RunError(f"--cross-validate {column}: the clips have no such column; there are {', '.join(store.clips.column_names)}")
    values = sorted(map(str, pc.drop_null(store.clips[column]).unique().to_pylist()))
    if len(values) < 2:
        raise RunError(f"--cross-validate {column}: it has {len(values)} value; folds need two at least")
    return tuple(values)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run of the experiment."""

    row: str
    fold: str | None
    config: RunConfig


def jobs(
    recipes: Sequence[Path], seeds: Sequence[int], folds: Sequence[str | None], column: str | None, out: Path, common: dict[str, Any]
) -> Iterator[Job]:
    for seed, fold, recipe in itertools.product(seeds, folds, recipes):
        name = row_name(recipe)
        split = {} if fold is None else {"train_on": f"{column}!={fold}", "evaluate_on": f"{column}={fold}"}
        folder = out / f"row_{name}" / (f"seed_{seed}" if fold is None else f"seed_{seed}_{column}_{fold}")
        config = checked({**common, **split, "recipe": recipe, "seed": seed, "run": folder}, f"row {name}")
        yield Job(row=name, fold=fold, config=config)


def done(job: Job, *, quiet: bool) -> pa.Table:
    """The job's predictions: read where it is finished, else run from where it stands.

    Raises RunError where its folder holds another run.
    """
    folder = job.config.run
    if not folder.exists():
        return run_training(job.config, row=job.row, fold=job.fold, quiet=quiet)
    if load_run_config(folder) != job.config:
        raise RunError(f"{folder} holds a run with other settings; name another folder with --out, or remove this one")
    if (folder / PREDICTIONS).exists():
        return read_predictions(folder / PREDICTIONS)
    resume = (folder / POSITION).exists()
    if not resume:  # it was killed before its first position was kept
        shutil.rmtree(folder)
    return run_training(job.config, row=job.row, fold=job.fold, resume=resume, quiet=quiet)


def experiment(
    recipes: Sequence[Path],
    seeds: Sequence[int],
    column: str | None,
    out: Path,
    common: dict[str, Any],
    console: Console,
    *,
    quiet: bool = True,
) -> Tables:
    """Run every row, seed and fold, and write the experiment's folder. Raises what the runs raise."""
    store = Store.open(common["store"])
    folds = folds_of(store, column)
    planned_jobs = list(jobs(recipes, seeds, folds, column, out, common))
    plans = {job.row: open_plan(load_recipe(job.config.recipe), store, split=job.config.train_on) for job in planned_jobs}
    predictions, curves = [], {}
    for number, job in enumerate(planned_jobs, 1):
        console.print(f"run {number} of {len(planned_jobs)}: {job.config.run}", highlight=False, soft_wrap=True)
        predictions.append(done(job, quiet=quiet))
        if job.config.seed == seeds[0] and job.fold == folds[0]:
            curves[f"row {job.row}"] = read_log(job.config.run)
    by_row = {row: [table for job, table in zip(planned_jobs, predictions, strict=True) if job.row == row] for row in plans}
    write_predictions(out / PREDICTIONS, pa.concat_tables([table for tables in by_row.values() for table in tables]))
    rows = [
        Row(
            name=job.row,
            title=plans[job.row].recipe.title,
            conditions=plans[job.row].conditions,
            clips=plans[job.row].epoch_size(0),
            steps=job.config.total(plans[job.row].epoch_size(0)),
        )
        for job in {job.row: job for job in planned_jobs}.values()
    ]
    write_rows(out / "rows.csv", rows)
    made = write_tables(out)
    drawn = learning_curves(curves)
    write_whole(out / "curves.png", drawn)
    write_whole(out / "report.html", _report(store, made, drawn, seeds, folds, column, common))
    return made


def _report(
    store: Store, made: Tables, curves: bytes, seeds: Sequence[int], folds: Sequence[str | None], column: str | None, common: dict[str, Any]
) -> str:
    how = (
        f"every value of '{column}' held out in turn ({', '.join(map(str, folds))})"
        if column
        else f"trained on '{common.get('train_on', 'train')}', evaluated on '{common.get('evaluate_on', 'evaluate')}'"
    )
    lead = f"Data set {store.meta.name}; {how}; seeds {', '.join(map(str, seeds))}. Mean ± standard deviation over seeds."
    sections = [
        Section(title="Table 3", parts=[made.main, Text(text=made.summary), Picture(png=made.heat, alt="heat map of the accuracies")]),
        *(
            [
                Section(
                    title="How sure the differences are",
                    parts=[
                        Text(text="95 % intervals of a paired bootstrap over groups of clips; a star where zero lies outside."),
                        made.significance,
                    ],
                )
            ]
            if made.significance is not None
            else []
        ),
        Section(title="Training", parts=[Picture(png=curves, alt="loss and learning rate over the steps, first seed")]),
        Section(
            title="To repeat it",
            parts=[
                Text(text=" ".join([Path(sys.executable).name, *sys.orig_argv[1:]]), kind="code"),
                Table(header=["library", "version"], rows=list(versions().items())),
            ],
        ),
    ]
    return page("Experiment B", lead, sections)


def main(
    store: Annotated[str, typer.Argument(help="Path or URL of the store.")],
    rows: Annotated[
        str, typer.Option(help="Rows of Table 3 by number, recipes of train/recipes by name, or paths, with commas between.")
    ] = "1,2,3,4,5,6,7",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each row, seeded 0, 1, ...")] = 3,
    cross_validate: Annotated[str | None, typer.Option(help="Column whose values are held out in turn, such as fold.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps, the same for every row.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs, as the paper counts: rows with more clips take more steps.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("runs/experiment_b"),
    train_on: Annotated[str, typer.Option(help="Split to train on.")] = "train",
    evaluate_on: Annotated[str, typer.Option(help="Split to evaluate on.")] = "evaluate",
    conditions: Annotated[
        str, typer.Option(help="Evaluated conditions; default those of Table 3 and all other coded ones of the store.")
    ] = "",
    model: Annotated[str, typer.Option(help="fcnn, fsfcnn or resnet17.")] = "fcnn",
    width: Annotated[str, typer.Option(help="Width of the model, such as 1 or 1/16.")] = "1",
    cycles: Annotated[int | None, typer.Option(help="Cosine cycles; default the model's own.")] = None,
    accelerator: Annotated[str, typer.Option(help="Lightning's: auto, cpu, gpu.")] = "auto",
    precision: Annotated[str, typer.Option(help="32-true, bf16-mixed or 16-mixed.")] = "32-true",
    threads: Annotated[int | None, typer.Option(help="Threads that decode.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder to keep features in; default <out>/features.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001  # read by streamaug.cli.console.run
) -> None:
    """Experiment B: train the rows of Table 3 and evaluate each under every condition."""
    opened = Store.open(store)
    names = [str(name) for name in parse_conditions(conditions)] if conditions else default_conditions(opened)
    recipes = [find_recipe(name.strip()) for name in rows.split(",")]
    common = {
        "store": store,
        "train_on": train_on,
        "evaluate_on": evaluate_on,
        "conditions": names,
        "model": model,
        "width": width,
        "steps": steps,
        "epochs": epochs,
        "cycles": cycles,
        "accelerator": accelerator,
        "precision": precision,
        "threads": threads,
        "cache": cache or out / "features",
    }
    console = Console()
    made = experiment(recipes, range(seeds), cross_validate, out, common, console)
    console.print(made.markdown(), f"report: {out / 'report.html'}", sep="\n", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)
