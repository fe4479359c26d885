"""The main job, end to end, in minutes: synthetic scenes, all conditions, rows 1 and 6 of Table 3, one page of results.

    python -m tools.demo [--folder demo]

The same command again goes on where it was stopped.
"""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from streamaug.building.build import Built, build
from streamaug.cli.console import ProgressBar, run
from streamaug.planning.ledger import planned
from streamaug.planning.open_plan import coded, open_plan
from streamaug.recipes import load_recipe
from streamaug.store import Store
from streamaug.streaming import Stream
from tools.make_demo_scenes import make
from train.experiment_b import RECIPES, experiment
from train.figures import log_mel_pictures
from train.report import Picture, Section, Table, Text, page, write_whole
from train.results import paper_order
from train.tables import Tables

SECONDS = 2.5
STEPS = 800
CYCLES = 1
WIDTH = "1/16"

_LEAD = (
    "A classifier of acoustic scenes that was trained on original audio loses accuracy on coded audio; trained on a mixture of coded "
    "shards, with the same number of steps and no file copied, it keeps much of it, but not under coding that cuts the band far lower than "
    "the mixture's. The scenes here are synthetic, so that everything runs in minutes; the paper has recorded ones."
)


def scenes(folder: Path) -> Path:
    """The demo's recordings, made once; their table of clips."""
    table = folder / "clips.csv"
    if not table.is_file():  # the table is written last
        shutil.rmtree(folder, ignore_errors=True)
        make(folder, seed=1, seconds=SECONDS, train_locations=12, evaluate_locations=6, clips=2)
    return table


def recipes(folder: Path, built: Built) -> list[Path]:
    """Rows 1 and 6, the latter without the conditions that this machine cannot make."""
    first, sixth = (RECIPES / "table3" / f"row_{number}.yaml" for number in (1, 6))
    mixture = load_recipe(sixth).conditions
    if set(mixture) <= set(built.conditions):
        return [first, sixth]
    here = [name for name in mixture if name in built.conditions]
    own = folder / "row_6_without_he-aac.yaml"
    write_whole(own, f"title: {' + '.join(here)}\ndraw: union\nmixture: {{{', '.join(f'{name}: 1' for name in here)}}}\n")
    return [first, own]


def one_clip(store: Store, conditions: list[str]) -> tuple[str, Mapping[str, np.ndarray]]:
    """A clip of the evaluation split, and its log-mel matrix under every condition."""
    pictures = {}
    for name in conditions:
        batch = next(iter(Stream.evaluation(store, name, batch_size=1, features="static")))
        pictures[name] = batch["static"][0].numpy()
    return batch["clip_id"][0], pictures


def ledger(store: Store, recipe: Path) -> Table:
    """Rows that a recipe gives in its first epoch, by condition and label."""
    counts = planned(open_plan(load_recipe(recipe), store), {"label": coded(store.clips, "label")})
    lines = [[name, *map(str, line), str(sum(line))] for name, line in zip(counts.values[0], counts.counts.tolist(), strict=True)]
    return Table(header=["condition", *counts.values[1], "all"], rows=lines)


def skipped_conditions(built: Built) -> str:
    """What is missing from the result and why, or nothing."""
    return " ".join(f"Left out: {name} ({reason})." for name, reason in built.skipped_conditions.items())


def write_page(folder: Path, store: Store, built: Built, made: Tables, rows: list[Path]) -> Path:
    """index.html: table, heat map, ledgers and log-mel pictures."""
    clip, pictures = one_clip(store, paper_order(built.conditions))
    first = [made.main, Text(text=made.summary), *([Text(text=skipped_conditions(built))] if built.skipped_conditions else [])]
    sections = [
        Section(
            title="Accuracy by training row and evaluated condition",
            parts=[*first, Picture(png=made.heat, alt="heat map of the accuracies")],
        ),
        *(Section(title=f"Ledger of '{load_recipe(row).title}': rows in an epoch", parts=[ledger(store, row)]) for row in rows),
        Section(
            title=f"Clip {clip} under every condition", parts=[Picture(png=log_mel_pictures(pictures), alt="log-mel matrices of one clip")]
        ),
    ]
    path = folder / "index.html"
    write_whole(path, page("streamaug: what coding does to a classifier, and what a mixture of shards does about it", _LEAD, sections))
    return path


def main(
    folder: Annotated[Path, typer.Option(help="Folder to write.")] = Path("demo"),
    steps: Annotated[int, typer.Option(min=1, help="Training steps of each row.")] = STEPS,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001  # read by streamaug.cli.console.run
) -> None:
    """Build a small data set under every condition, train rows 1 and 6 of Table 3, and show what came of it."""
    console, begun = Console(), time.monotonic()
    table = scenes(folder / "scenes")
    with ProgressBar() as progress:
        built = build(table, str(folder / "store"), name="synthetic scenes", progress=progress)
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
    made = experiment(rows, [0], None, folder / "runs", common, console, quiet=False)
    index = write_page(folder, store, built, made, rows)
    console.print(
        "", made.main.markdown(), "", made.summary, skipped_conditions(built), sep="\n", highlight=False, soft_wrap=True, markup=False
    )
    console.print(f"{index} holds it with pictures; {time.monotonic() - begun:.0f} s", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run(app)
