"""Which codec conditions to train on: those whose log-mel features differ most.

    python -m train.choose_conditions STORE [--count 4] [--split train] [--clips 500]

Measures how far every condition's features lie from the original's and from one another's, by mel band and by class, and
picks conditions one after another, each the farthest from the original and all that were picked before (Gonzalez 1985).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from torch import Tensor

from streamaug.cli.console import run as run_app
from streamaug.conditions import parse_conditions
from streamaug.recipes import Recipe, Schedule, Share
from streamaug.store import Store
from streamaug.streaming import Stream
from train.errors import RunError
from train.figures import curves, matrix
from train.report import Picture, Section, Table, Text, page, write_whole
from train.results import ORIGINAL, paper_order

PAPER = ("mp3_64", "aac_32", "he-aac_16", "he-aac_32")
"""What the paper picked."""

_BATCH = 4


@dataclass(frozen=True, kw_only=True)
class Distances:
    """Root-mean-square differences of log-mel features between conditions, in units of the features' range of 1.

    squared: mean squares by class, mel band and pair, of shape (labels, conditions, conditions, mels). counts: clips by class.
    """

    conditions: tuple[str, ...]
    labels: tuple[str, ...]
    squared: np.ndarray
    counts: np.ndarray

    def _mean(self) -> np.ndarray:
        mean: np.ndarray = np.average(self.squared, axis=0, weights=self.counts)
        return mean

    @property
    def between(self) -> np.ndarray:
        """Over all classes and bands: (conditions, conditions)."""
        distances: np.ndarray = np.sqrt(self._mean().mean(-1))
        return distances

    @property
    def by_band(self) -> np.ndarray:
        """From the original: (conditions, mels)."""
        distances: np.ndarray = np.sqrt(self._mean()[self.conditions.index(ORIGINAL)])
        return distances

    @property
    def by_class(self) -> np.ndarray:
        """From the original: (labels, conditions); NaN for a label without clips."""
        mean = self.squared[:, self.conditions.index(ORIGINAL)].mean(-1)
        distances: np.ndarray = np.where(self.counts[:, None] > 0, np.sqrt(mean), np.nan)
        return distances


def pairwise_squares(static: Tensor) -> Tensor:
    """Mean squared differences over time of each pair of views, by band: (views, mels, frames) to (views, views, mels).

    >>> import torch
    >>> pairwise_squares(torch.tensor([[[0.0, 0.0]], [[1.0, 3.0]]]))[0, 1].tolist()
    [5.0]
    """
    views, mels, _ = static.shape
    squares = static.new_zeros(views, views, mels)
    for first, second in itertools.combinations(range(views), 2):
        squares[first, second] = squares[second, first] = (static[first] - static[second]).square().mean(-1)
    return squares


def measure(store: Store, conditions: Sequence[str], split: str, clips: int, *, seed: int = 0, threads: int | None = None) -> Distances:
    """Distances over up to so many clips of a split, drawn at random. Raises StoreError, RecipeError."""
    mixture = {name: Share(weight=Schedule.of(Fraction(1))) for name in conditions}
    # Every row shows its clip under all conditions.
    recipe = Recipe(title="all conditions of a clip", draw="views", views=len(conditions), mixture=mixture, allow_leakage=True)
    stream = Stream(recipe, store, split=split, seed=seed, batch_size=_BATCH, features="static", tail="keep", threads=threads)
    labels = store.meta.labels
    squared, counts = None, np.zeros(len(labels), np.int64)
    for batch in stream:
        for static, names, label in zip(batch["static"], batch["condition"], batch["label"].tolist(), strict=True):
            ordered = static[[names.index(name) for name in conditions]]
            squares = pairwise_squares(ordered).double().numpy()
            squared = np.zeros((len(labels), *squares.shape)) if squared is None else squared
            counts[label] += 1
            squared[label] += (squares - squared[label]) / counts[label]
        if counts.sum() >= clips:
            break
    if squared is None:
        raise RunError(f"split '{split}' of {store.url} has no clips to measure")
    return Distances(conditions=tuple(conditions), labels=labels, squared=squared, counts=counts)


def farthest(between: np.ndarray, start: int, count: int) -> list[int]:
    """Numbers of the picked conditions, in the order of picking; each maximises the distance to the nearest one so far.

    between: (conditions, conditions). start: the one that counts as picked from the outset.

    >>> farthest(np.abs(np.subtract.outer([0.0, 1.0, 5.0, 6.0], [0.0, 1.0, 5.0, 6.0])), 0, 2)
    [3, 1]
    """
    picked = [start]
    for _ in range(min(count, len(between) - 1)):
        nearest = between[picked].min(0)
        nearest[picked] = -np.inf
        picked.append(int(np.argmax(nearest)))
    return picked[1:]


def main(
    store: Annotated[str, typer.Argument(help="Path or URL of the store.")],
    count: Annotated[int, typer.Option(min=1, help="Conditions to pick.")] = 4,
    conditions: Annotated[str, typer.Option(help="To choose from; default all of the store that hold every clip of the split.")] = "",
    split: Annotated[str, typer.Option(help="Split to measure; never the one you evaluate on.")] = "train",
    clips: Annotated[int, typer.Option(min=1, help="Clips to measure, drawn at random.")] = 500,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("runs/choose_conditions"),
    threads: Annotated[int | None, typer.Option(help="Threads that decode.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001  # read by streamaug.cli.console.run
) -> None:
    """Measure how far conditions move the features, and pick those to train on."""
    if out.exists() and any(out.iterdir()):
        raise RunError(f"{out} is already in use; name another folder with --out")
    opened = Store.open(store)
    asked = [str(name) for name in parse_conditions(conditions)] if conditions else list(opened.conditions)
    whole = [name for name in asked if len(opened.index(name)) == opened.clips.num_rows]
    names = paper_order({ORIGINAL, *whole})
    if len(names) < 2:
        raise RunError(f"{store} has no condition beside the original that holds every clip; build some")
    found = measure(opened, names, split, clips, threads=threads)
    start = names.index(ORIGINAL)
    picked = [names[number] for number in farthest(found.between, start, count)]
    here = [name for name in PAPER if name in names]
    verdict = (
        f"It would pick {', '.join(picked)}. The paper picked {', '.join(PAPER)}"
        + (f", of which the store has {', '.join(here)}." if len(here) < len(PAPER) else ".")
        + (f" Left out, since they lack clips: {', '.join(sorted(set(asked) - set(names)))}." if set(asked) - set(names) else "")
    )
    distances = Table(
        header=["", *names], rows=[[name, *(f"{value:.4f}" for value in line)] for name, line in zip(names, found.between, strict=True)]
    )
    classes = Table(
        header=["class", *names],
        rows=[[label, *(f"{value:.4f}" for value in line)] for label, line in zip(found.labels, found.by_class, strict=True)],
    )
    top = float(found.between.max())
    heat = matrix(
        found.between, names, names, title="Distance between conditions", label="RMS difference of log-mel", low=0, high=top, decimals=3
    )
    bands = curves(
        found.by_band[1:], names[1:], title="Distance from the original by mel band", xlabel="mel band", ylabel="RMS difference of log-mel"
    )
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "distances.csv", distances.csv())
    write_whole(out / "by_class.csv", classes.csv())
    write_whole(out / "distances.png", heat)
    write_whole(out / "by_band.png", bands)
    sections = [
        Section(title="What to train on", parts=[Text(text=verdict), Picture(png=heat, alt="distance matrix"), distances]),
        Section(title="By mel band", parts=[Picture(png=bands, alt="distance by mel band")]),
        Section(title="By class", parts=[classes]),
    ]
    lead = (
        f"{int(found.counts.sum())} clips of '{split}' of {opened.meta.name}; "
        "root-mean-square difference of log-mel features scaled to 0 to 1."
    )
    write_whole(out / "report.html", page("Choice of conditions for training", lead, sections))
    Console().print(distances.markdown(), verdict, f"report: {out / 'report.html'}", sep="\n\n", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)
