"""Run the whole toolkit in minutes: synthetic scenes, all conditions, three trainings, one page of
results, and the card of a robust model.

    python -m tools.demo [--folder demo]

The trainings are on original audio (row 1 of the paper's Table 3), on the paper's mixture (row 6) and
on the recipe that docs/results.md found best, a curriculum of bitrates. Run the same command again to
resume.
"""

import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
import typer
import yaml

from streamaug.building.build import Built, build
from streamaug.cli.console import ProgressBar, run, stdout
from streamaug.files import write_whole
from streamaug.machine import cores
from streamaug.planning import Plan
from streamaug.planning.open_plan import open_plan
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.stress.card import CARD_PAGE, write_card
from streamaug.stress.models import open_model
from streamaug.stress.run import prepare, run_all
from tools.demo_page import Comparison, Training, headline, model_of, result_table, seeds_table, write_page
from tools.make_demo_scenes import make
from train.curriculum import mixture_of
from train.figures import mixture_over_time
from train.paper.experiment_b import experiment, find_recipe, row_name
from train.paper.tables import Tables, make_tables, read_rows
from train.predictions import read_predictions
from train.preparing import CLIPS_PER_STEP
from train.results import paper_order
from train.run_folder import PREDICTIONS

SECONDS = 2.5
STEPS = 400
"""As many as three trainings of three seeds may take in six minutes on two cores."""

RECIPE_STEPS = 800
"""Steps of the trainings in docs/results.md, for which the curriculum's epochs were chosen."""

SEEDS = 3
CYCLES = 1
WIDTH = "1/16"
ROWS = ("1", "6", "bitrate_curriculum")
NAMES = ("originals", "row 6", "curriculum")
"""What the page calls the rows."""


def scenes(folder: Path) -> Path:
    """The table of the demo's clips, which are synthesised once."""
    table = folder / "clips.csv"
    if not table.is_file():  # the table is written last
        shutil.rmtree(folder, ignore_errors=True)
        make(folder, seed=1, seconds=SECONDS, train_locations=12, evaluate_locations=6, clips=2)
    return table


def recipes(folder: Path, built: Built, steps: int) -> list[Path]:
    """The recipes of `ROWS`, or copies that fit the demo.

    A copy lacks the conditions that this machine cannot encode, and its weights change as early in
    the training as those of the recipe do.

    Args:
        folder: Where copies are written.
        built: What the store has.
        steps: Steps of each training.
    """
    return [_adapted(folder, find_recipe(row), built, steps) for row in ROWS]


def _adapted(folder: Path, recipe: Path, built: Built, steps: int) -> Path:
    content = load_recipe(recipe).plain()
    missing = [name for name in content["mixture"] if name not in built.conditions]
    mixture = {name: _earlier(weight, steps) for name, weight in content["mixture"].items() if name not in missing}
    if mixture == content["mixture"]:
        return recipe
    without = f", without {' and '.join(missing)}" if missing else ""
    own = folder / f"{'_without_'.join([recipe.stem, *missing])}.yaml"
    write_whole(own, yaml.safe_dump(content | {"title": content["title"] + without, "mixture": mixture}, sort_keys=False))
    return own


def _earlier(weight: Any, steps: int) -> Any:
    """A weight whose changes, if it has any, are as early in the training as in one of `RECIPE_STEPS`.

    >>> _earlier({0: 1, 20: 0.5, 40: 0.25}, 400)
    {0: 1, 10: 0.5, 20: 0.25}
    """
    return {round(epoch * steps / RECIPE_STEPS): value for epoch, value in weight.items()} if isinstance(weight, dict) else weight


def skipped_conditions(built: Built) -> str:
    """Conditions that are missing from the result, with the reason; empty if there are none."""
    return " ".join(f"Left out: {name} ({reason})." for name, reason in built.skipped_conditions.items())


def write_card_of(folder: Path, model: Path, name: str, store: Store, recipe: Path) -> Path:
    """The card of a trained model, as `streamaug stress --name NAME` writes it."""
    opened = open_model(str(model), opener="train.stress:classifier", name=name, device="cpu")
    run = prepare(opened, store, features="logmel", threads=cores())
    with ProgressBar() as progress:
        predictions = run_all(run, folder, progress=progress)
    assert predictions is not None  # this process is the only rank
    write_card(folder, predictions, store, run.settings, recipe=load_recipe(recipe))
    return folder / CARD_PAGE


def comparison(predictions: pa.Table, rows: list[Path], store: Store) -> Comparison:
    """The trainings side by side."""
    before, paper, best = (
        Training(row=row_name(recipe), name=name, conditions=load_recipe(recipe).conditions)
        for recipe, name in zip(rows, NAMES, strict=True)
    )
    return Comparison(predictions=predictions, before=before, paper=paper, best=best, conditions=store.conditions)


def of_paper(folder: Path, compared: Comparison) -> Tables:
    """Tables of the rows that the paper has, too. folder: the experiment's."""
    own = (compared.before.row, compared.paper.row)
    predictions = compared.predictions.filter(pc.is_in(compared.predictions["row"], pa.array(own)))
    return make_tables(predictions, [row for row in read_rows(folder / "rows.csv") if row.name in own])


def mixture_picture(plan: Plan, steps: int) -> bytes:
    """What a plan mixes over a training, as PNG."""
    rows, times = mixture_of(plan, steps=steps, batch=CLIPS_PER_STEP)
    return mixture_over_time(plan.conditions, rows, times, unit=plan.recipe.unit)


def main(
    folder: Annotated[Path, typer.Option(help="Folder to write.")] = Path("demo"),
    steps: Annotated[int, typer.Option(min=1, help="Steps of each training.")] = STEPS,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings on each recipe.")] = SEEDS,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001  # read by streamaug.cli.main.run
) -> None:
    """Build a small data set in every condition, train on three recipes, and show the results."""
    console, begun = stdout, time.monotonic()
    clips = scenes(folder / "scenes")
    with ProgressBar() as progress:
        built = build(clips, str(folder / "store"), name="synthetic scenes", progress=progress)
    store = Store.open(folder / "store")
    rows = recipes(folder, built, steps)
    common = {
        "store": str(folder / "store"),
        "conditions": paper_order(built.conditions),
        "width": WIDTH,
        "steps": steps,
        "cycles": CYCLES,
        "accelerator": "cpu",
        "threads": 1,
        "cache": folder / "features",
    }
    experiment(rows, range(seeds), None, folder / "runs", common, console, processes=cores())
    compared = comparison(read_predictions(folder / "runs" / PREDICTIONS), rows, store)
    left_out = skipped_conditions(built)
    card = write_card_of(folder / "card", model_of(folder, compared.best.row, 0), compared.best.name, store, rows[-1])
    mixture = mixture_picture(open_plan(load_recipe(rows[-1]), store), steps)
    index = write_page(folder, store, compared, of_paper(folder / "runs", compared), rows[-1], mixture, left_out)
    console.print("", headline(compared), "", result_table(compared).markdown(), "", sep="\n")
    if seeds > 1:
        console.print(seeds_table(compared).markdown(), "", sep="\n")
    if left_out:
        console.print(left_out)
    console.print(f"the page, to see and to hear: {index}")
    console.print(f"the card of the curriculum's first model: {card} ({time.monotonic() - begun:.0f} s)")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run(app)
