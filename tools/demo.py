"""Run the whole toolkit in minutes: synthetic scenes, all conditions, rows 1 and 6 of Table 3, one
page of results.

    python -m tools.demo [--folder demo]

Run the same command again to resume.
"""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from streamaug.building.build import Built, build
from streamaug.cli.console import ProgressBar, run, stdout
from streamaug.files import write_whole
from streamaug.pages.page import Picture, Section, Table, Text, page
from streamaug.planning.open_plan import open_plan
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from tools.make_demo_scenes import make
from train.figures import log_mel_pictures
from train.finishing import ledger_table
from train.paper.experiment_b import TABLE_3_RECIPES, experiment
from train.paper.tables import Tables
from train.results import paper_order

SECONDS = 2.5
STEPS = 800
CYCLES = 1
WIDTH = "1/16"

_LEAD = (
    "A classifier of acoustic scenes that is trained on original audio loses accuracy on coded audio. Trained on a mixture of coded "
    "shards, with the same number of steps and without copying a file, it keeps much of that accuracy, except under codecs that cut the "
    "band far lower than those of the mixture. These scenes are synthetic, so that everything runs in minutes; the paper uses recordings."
)


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


def one_clip(store: Store, conditions: list[str]) -> tuple[str, Mapping[str, np.ndarray]]:
    """A clip of the evaluation split, and its log-mel matrix in every condition."""
    pictures = {}
    for name in conditions:
        batch = next(iter(Stream.evaluation(store, name, batch_size=1, features="static")))
        pictures[name] = batch["static"][0].numpy()
    return batch["clip_id"][0], pictures


def skipped_conditions(built: Built) -> str:
    """Conditions that are missing from the result, with the reason; empty if there are none."""
    return " ".join(f"Left out: {name} ({reason})." for name, reason in built.skipped_conditions.items())


def write_page(folder: Path, store: Store, built: Built, tables: Tables, rows: list[Path]) -> Path:
    """Write index.html: table, heat map, ledgers and log-mel pictures."""
    clip, pictures = one_clip(store, paper_order(built.conditions))
    results: list[Text | Table | Picture] = [tables.main, Text(text=tables.summary)]
    if built.skipped_conditions:
        results.append(Text(text=skipped_conditions(built)))
    results.append(Picture(png=tables.heat, alt="heat map of the accuracies"))
    plans = [open_plan(load_recipe(row), store) for row in rows]
    sections = [
        Section(title="Accuracy by training row and evaluated condition", parts=results),
        *(Section(title=f"Ledger of '{plan.recipe.title}': rows in an epoch", parts=[ledger_table(plan, store)]) for plan in plans),
        Section(
            title=f"Clip {clip} in every condition", parts=[Picture(png=log_mel_pictures(pictures), alt="log-mel matrices of one clip")]
        ),
    ]
    path = folder / "index.html"
    write_whole(path, page("streamaug: how coded audio affects a classifier, and how a mixture of shards helps", _LEAD, sections))
    return path


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
    index = write_page(folder, store, built, tables, rows)
    console.print("", tables.main.markdown(), "", tables.summary, skipped_conditions(built), sep="\n")
    console.print(f"report with figures: {index} ({time.monotonic() - begun:.0f} s)")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run(app)
