"""Experiment B of the paper: train on mixtures of conditions, evaluate in each condition, and print
Table 3.

    python -m train.paper.experiment_b STORE --rows 1,6 --seeds 3 --epochs 254        as the paper counts cost: epochs
    python -m train.paper.experiment_b STORE --rows 1,6 --seeds 3 --steps 800         the same number of steps for every row

Every run has its own folder inside the experiment's, and a finished run is not repeated: run the
same command again to resume.
"""

import itertools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import typer

from streamaug.cli.console import Terminal, note, stdout
from streamaug.cli.console import run as run_app
from streamaug.condition_names import split_link
from streamaug.conditions import Condition
from streamaug.files import write_whole
from streamaug.folder_lock import held
from streamaug.pages.page import Picture, Section, Table, Text, page
from streamaug.planning.open_plan import open_plan
from streamaug.recipes import load_recipe
from streamaug.store import Store
from train.config import settings, validated
from train.errors import RunError
from train.figures import learning_curves
from train.paper.jobs import Job, run_jobs
from train.paper.tables import INTERVALS, PAPER, Row, Tables, column_of, write_rows, write_tables
from train.predictions import write_predictions
from train.results import TABLE_3, paper_order
from train.run_folder import PREDICTIONS, load_run_config, read_log
from train.task import check_one_label
from train.versions import versions

TABLE_3_RECIPES = Path(__file__).parent / "recipes" / "table3"
RECIPES = (TABLE_3_RECIPES, Path(__file__).parents[1] / "recipes")
"""Folders in which a recipe is found by its name."""


def find_recipe(name: str) -> Path:
    """The recipe of an experiment row.

    Args:
        name: A row of Table 3 by its number, a recipe of train/recipes by its name, or the path of
            a YAML file.

    Raises:
        RunError: There is no such recipe.
    """
    candidates = (Path(name), *(folder / file for file in (f"row_{name}.yaml", f"{name}.yaml") for folder in RECIPES))
    for path in candidates:
        if path.is_file():
            return path
    known = sorted({row_name(path) for folder in RECIPES for path in folder.glob("*.yaml")})
    raise RunError(f"row '{name}': no such recipe; choose one of {', '.join(known)}, or give the path of a YAML file")


def row_name(recipe: Path) -> str:
    """Name of the experiment row that a recipe makes.

    >>> row_name(Path("train/paper/recipes/table3/row_6.yaml"))
    '6'
    """
    return recipe.stem.removeprefix("row_")


def default_conditions(store: Store) -> tuple[str, ...]:
    """Conditions of Table 3, which the store must have, then all others that end in a codec."""
    coded = [name for name in store.conditions if (steps := Condition.parse(name).steps) and steps[-1].is_codec]
    return tuple(paper_order({*TABLE_3, *coded}))


def folds_of(store: Store, column: str | None) -> tuple[str | None, ...]:
    """Folds to hold out in turn.

    Args:
        store: The opened store.
        column: Column whose values are the folds, or None for one run on the named splits.

    Raises:
        RunError: There is no such column, or it has fewer than two values.
    """
    if column is None:
        return (None,)
    if column not in store.clips.column_names:
        raise RunError(f"--cross-validate {column}: the clips have no such column; choose one of {', '.join(store.clips.column_names)}")
    values = sorted(map(str, pc.drop_null(store.clips[column]).unique().to_pylist()))
    if len(values) < 2:
        raise RunError(f"--cross-validate {column}: the column has {len(values)} value, but folds need two or more; choose another column")
    return tuple(values)


def jobs(
    recipes: Sequence[Path], seeds: Sequence[int], folds: Sequence[str | None], column: str | None, out: Path, common: dict[str, Any]
) -> Iterator[Job]:
    """The experiment's runs, seed by seed and fold by fold. common: settings that all runs share."""
    for seed, fold, recipe in itertools.product(seeds, folds, recipes):
        name = row_name(recipe)
        split = {} if fold is None else {"train_on": f"{column}!={fold}", "evaluate_on": f"{column}={fold}"}
        folder = out / f"row_{name}" / (f"seed_{seed}" if fold is None else f"seed_{seed}_{column}_{fold}")
        config = validated({**common, **split, "recipe": recipe, "seed": seed, "run": folder}, f"row {name}")
        yield Job(row=name, fold=fold, config=config)


def _snapshot(out: Path) -> str | None:
    """The snapshot that the experiment in a folder began with; None if it has no run yet."""
    begun = sorted(out.glob("row_*/*/run.yaml"))
    snapshot = load_run_config(begun[0].parent).snapshot if begun else None
    if isinstance(snapshot, dict):
        raise RunError(f"{out} has runs on several stores, but an experiment runs on one; choose another folder with --out")
    return snapshot


def _anew(out: Path) -> str:
    return f"remove {out} to begin again, or choose another folder with --out"


def _compare_with_newest(store: Store, recipes: Sequence[Path], out: Path) -> None:
    """Say so if clips have changed since the experiment began.

    Raises:
        RunError: A recipe needs a condition that was built later.
    """
    newest = Store.open(store.url)
    if newest.manifest.clips.sha256 != store.manifest.clips.sha256:
        note(
            f"the clips of {store.url} have changed since the experiment in {out} began; all its runs stay with those of that time; "
            f"to train on the new ones, {_anew(out)}"
        )
    added = [name for name in newest.conditions if name not in store.conditions]
    for recipe in recipes:
        if late := [name for name in load_recipe(recipe).conditions if split_link(name)[0] in added]:
            raise RunError(
                f"row {row_name(recipe)} needs '{late[0]}', which was built after the experiment in {out} had begun, and all its runs "
                f"train on the store as it was then; {_anew(out)}"
            )


def experiment(
    recipes: Sequence[Path],
    seeds: Sequence[int],
    column: str | None,
    out: Path,
    common: dict[str, Any],
    console: Terminal,
    *,
    processes: int | None = None,
    quiet: bool = True,
) -> Tables:
    """Run every row, seed and fold, and write the experiment's folder.

    Args:
        recipes: One recipe per experiment row.
        seeds: Seeds of the runs of each row.
        column: Column whose values are held out in turn, or None.
        out: Folder to write.
        common: Settings (`RunConfig`) that all runs share.
        console: Where progress is printed.
        processes: Runs at a time, as for `run_jobs`. Default: one after the other.
        quiet: Show no progress bar for each run.

    Raises:
        StreamaugError: Another process runs the experiment; or whatever a run raises.
    """
    store = Store.open(common["store"], snapshot=_snapshot(out))
    check_one_label(store)
    common = {**common, "snapshot": store.snapshot}  # all runs train on the same, whatever is built in the meantime
    _compare_with_newest(store, recipes, out)
    folds = folds_of(store, column)
    planned_jobs = list(jobs(recipes, seeds, folds, column, out, common))
    plans = {job.row: open_plan(load_recipe(job.config.recipe), store, split=job.config.train_on) for job in planned_jobs}
    steps = [job.config.total(plans[job.row].epoch_size(0)) for job in planned_jobs]
    out.mkdir(parents=True, exist_ok=True)
    with held(out):  # a run without a saved position is begun again, so nobody else may be at it
        predictions = run_jobs(planned_jobs, steps, console, processes=processes, quiet=quiet)
    first = [job for job in planned_jobs if job.config.seed == seeds[0] and job.fold == folds[0]]
    curves = {column_of(job.row): read_log(job.config.run) for job in first}
    by_row = [table for row in plans for job, table in zip(planned_jobs, predictions, strict=True) if job.row == row]
    write_predictions(out / PREDICTIONS, pa.concat_tables(by_row))
    rows = [
        Row(
            name=job.row,
            title=plans[job.row].recipe.title,
            conditions=plans[job.row].conditions,
            clips=plans[job.row].epoch_size(0),
            steps=total,
        )
        for job, total in {job.row: (job, total) for job, total in zip(planned_jobs, steps, strict=True)}.values()
    ]
    write_rows(out / "rows.csv", rows)
    tables = write_tables(out)
    picture = learning_curves(curves)
    write_whole(out / "curves.png", picture)
    lead = _lead(store, seeds, folds, column, common)
    write_whole(out / "report.html", _report(lead, tables, picture))
    return tables


def _lead(store: Store, seeds: Sequence[int], folds: Sequence[str | None], column: str | None, common: dict[str, Any]) -> str:
    splits = (
        f"every value of '{column}' held out in turn ({', '.join(map(str, folds))})"
        if column
        else f"trained on '{common.get('train_on', 'train')}', evaluated on '{common.get('evaluate_on', 'evaluate')}'"
    )
    return f"Data set {store.manifest.name}; {splits}; seeds {', '.join(map(str, seeds))}. Mean ± standard deviation over seeds."


def _report(lead: str, tables: Tables, curves: bytes) -> str:
    sections = [
        Section(
            title="Accuracy by condition",
            parts=[Text(text=lead), Picture(png=tables.chart, alt="the first and the last row of the table as a chart"), tables.main],
        ),
        Section(title="Experiment rows", parts=[tables.rows]),
    ]
    if tables.significance is not None:
        sections.append(Section(title="Differences between rows", parts=[Text(text=f"{INTERVALS}."), tables.significance]))
        sections.append(Section(title="All rows", parts=[Picture(png=tables.heat, alt="accuracies as a heat map")]))
    if tables.paper is not None:
        sections.append(Section(title="The paper", parts=[Text(text=f"{PAPER}."), tables.paper]))
    sections += [
        Section(title="Training", parts=[Picture(png=curves, alt="loss and learning rate by step, first seed")]),
        Section(
            title="How to repeat this experiment",
            parts=[
                Text(text=" ".join([Path(sys.executable).name, *sys.orig_argv[1:]]), kind="code"),
                Table(header=["library", "version"], rows=list(versions().items())),
            ],
        ),
    ]
    return page("Experiment B: training on mixtures of conditions", tables.summary or lead, sections)


def main(
    store: Annotated[str, typer.Argument(help="Path or URL of the store.")],
    rows: Annotated[
        str, typer.Option(help="Comma-separated rows of Table 3 (numbers), recipes of train/recipes (names), or paths.")
    ] = "1,2,3,4,5,6,7",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each row, with seeds 0, 1, ...")] = 3,
    cross_validate: Annotated[str | None, typer.Option(help="Column whose values are held out in turn, such as fold.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps, the same for every row.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs as in the paper: rows with more clips take more steps.")] = None,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("runs/experiment_b"),
    train_on: Annotated[str, typer.Option(help="Split to train on.")] = "train",
    evaluate_on: Annotated[str, typer.Option(help="Split to evaluate on.")] = "evaluate",
    conditions: Annotated[
        str,
        typer.Option(
            help="Comma-separated conditions to evaluate, also with links of the recipes, such as alaw_64~loss10. Default: those of Table "
            "3, and all other coded conditions of the store."
        ),
    ] = "",
    model: Annotated[str, typer.Option(help="Model: fcnn, fsfcnn or resnet17.")] = "fcnn",
    width: Annotated[str, typer.Option(help="Width of the model, such as 1 or 1/16.")] = "1",
    cycles: Annotated[int | None, typer.Option(help="Cosine cycles. Default: the model's own.")] = None,
    accelerator: Annotated[str, typer.Option(help="Lightning's accelerator: auto, cpu or gpu.")] = "auto",
    precision: Annotated[str, typer.Option(help="Precision: 32-true, bf16-mixed or 16-mixed.")] = "32-true",
    threads: Annotated[int | None, typer.Option(help="Number of threads to decode in. Default: one process per core instead.")] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Runs at a time, each with one thread of torch. Default: one run with all cores.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Folder for cached features. Default: <out>/features.")] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Another setting of all runs, such as 'crop={seconds: 1}'. May be repeated.")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001  # read by streamaug.cli.main.run
) -> None:
    """Experiment B: train the rows of Table 3 and evaluate each in every condition."""
    begun = Store.open(store, snapshot=_snapshot(out))  # what has been built since is not evaluated
    names = tuple(name.strip() for name in conditions.split(",")) if conditions else default_conditions(begun)
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
        "threads": threads or (1 if processes else None),
        "cache": cache or out / "features",
        **settings(overrides or ()),
    }
    console: Terminal = stdout
    tables = experiment(recipes, range(seeds), cross_validate, out, common, console, processes=processes, quiet=not console.is_terminal)
    console.print(tables.markdown(), f"report: {out / 'report.html'}", sep="\n")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)
