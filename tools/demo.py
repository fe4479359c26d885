"""Run the whole toolkit in minutes: synthetic scenes, all conditions, rows 1 and 6 of Table 3, one
page of results, and the card of the model that was trained on the mixture.

    python -m tools.demo [--folder demo]

Run the same command again to resume.
"""

import shutil
import time
from pathlib import Path
from typing import Annotated

import typer

from streamaug.building.build import Built, build
from streamaug.cli.console import ProgressBar, run, stdout
from streamaug.files import write_whole
from streamaug.planning.open_plan import open_plan
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.stress.card import CARD_PAGE, write_card
from streamaug.stress.models import open_model
from streamaug.stress.run import prepare, run_all
from tools.demo_page import Comparison, headline, model_of, result_table, write_page
from tools.make_demo_scenes import make
from train.paper.experiment_b import TABLE_3_RECIPES, experiment, row_name
from train.predictions import read_predictions
from train.results import paper_order
from train.run_folder import PREDICTIONS

SECONDS = 2.5
STEPS = 800
CYCLES = 1
WIDTH = "1/16"


def scenes(folder: Path) -> Path:
    """The table of the demo's clips, which are synthesised once."""
    table = folder / "clips.csv"
    if not table.is_file():  # the table is written last
        shutil.rmtree(folder, ignore_errors=True)
        make(folder, seed=1, seconds=SECONDS, train_locations=12, evaluate_locations=6, clips=2)
    return table


def recipes(folder: Path, built: Built) -> list[Path]:
    """Rows 1 and 6, the latter without the conditions that this machine cannot encode."""
    first, sixth = (TABLE_3_RECIPES / f"row_{number}.yaml" for number in (1, 6))
    mixture = load_recipe(sixth).conditions
    if set(mixture) <= set(built.conditions):
        return [first, sixth]
    available = [name for name in mixture if name in built.conditions]
    own = folder / "row_6_without_he-aac.yaml"
    write_whole(own, f"title: {' + '.join(available)}\ndraw: union\nmixture: {{{', '.join(f'{name}: 1' for name in available)}}}\n")
    return [first, own]


def skipped_conditions(built: Built) -> str:
    """Conditions that are missing from the result, with the reason; empty if there are none."""
    return " ".join(f"Left out: {name} ({reason})." for name, reason in built.skipped_conditions.items())


def write_card_of(folder: Path, model: Path, store: Store, recipe: Path) -> Path:
    """The card of a trained model, as `streamaug stress` writes it."""
    opened = open_model(str(model), opener="train.stress:classifier", device="cpu")
    run = prepare(opened, store, features="logmel")
    with ProgressBar() as progress:
        predictions = run_all(run, folder, progress=progress)
    assert predictions is not None  # this process is the only rank
    write_card(folder, predictions, store, run.settings, recipe=load_recipe(recipe))
    return folder / CARD_PAGE


def main(
    folder: Annotated[Path, typer.Option(help="Folder to write.")] = Path("demo"),
    steps: Annotated[int, typer.Option(min=1, help="Training steps of each row.")] = STEPS,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001  # read by streamaug.cli.main.run
) -> None:
    """Build a small data set in every condition, train rows 1 and 6 of Table 3, and show the
    results.
    """
    console, begun = stdout, time.monotonic()
    clips = scenes(folder / "scenes")
    with ProgressBar() as progress:
        built = build(clips, str(folder / "store"), name="synthetic scenes", progress=progress)
    store = Store.open(folder / "store")
    rows = recipes(folder, built)
    common = {
        "store": str(folder / "store"),
        "conditions": paper_order(built.conditions),
        "width": WIDTH,
        "steps": steps,
        "cycles": CYCLES,
        "accelerator": "cpu",
        "cache": folder / "features",
    }
    tables = experiment(rows, [0], None, folder / "runs", common, console, quiet=False)
    plan = open_plan(load_recipe(rows[1]), store)
    compared = Comparison(
        predictions=read_predictions(folder / "runs" / PREDICTIONS),
        before=row_name(rows[0]),
        after=row_name(rows[1]),
        mixture=plan.conditions,
        conditions=store.conditions,
    )
    left_out = skipped_conditions(built)
    card = write_card_of(folder / "card", model_of(folder, compared.after), store, rows[1])
    index = write_page(folder, store, compared, tables, plan, rows[1], left_out)
    console.print("", headline(compared), "", result_table(compared).markdown(), "", sep="\n")
    if left_out:
        console.print(left_out)
    console.print(f"the page, to see and to hear: {index}")
    console.print(f"the card of the model that was trained on the mixture: {card} ({time.monotonic() - begun:.0f} s)")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run(app)
