"""Choose codec conditions to train on: those whose log-mel features differ most.

    python -m train.paper.choose_conditions STORE [--count 4] [--split train] [--clips 500]

Measures how far every condition's features are from the original's and from one another's, by mel
band and by class, and picks conditions one after another, each the farthest from the original and
all conditions picked before (Gonzalez 1985).
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from torch import Tensor

from streamaug.cli.console import run as run_app
from streamaug.cli.console import stdout
from streamaug.conditions import parse_conditions
from streamaug.files import write_whole
from streamaug.pages.page import Picture, Section, Table, Text, page
from streamaug.recipes import Recipe, Schedule, Share
from streamaug.store import Store
from streamaug.streaming import Stream
from train.errors import RunError
from train.figures import curves, matrix
from train.results import ORIGINAL, paper_order
from train.task import check_one_label

PAPER = ("mp3_64", "aac_32", "he-aac_16", "he-aac_32")
"""Conditions that the paper picked."""

_BATCH = 4


@dataclass(frozen=True, kw_only=True)
class Distances:
    """Root-mean-square differences of log-mel features between conditions, in units of the
    features' range of 1.

    Args:
        conditions: Names of the conditions.
        labels: Names of the classes.
        squared: Mean squares by class, pair and mel band, of shape (labels, conditions, conditions,
            mels).
        counts: Clips by class.
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
        """Distances over all classes and bands: (conditions, conditions)."""
        distances: np.ndarray = np.sqrt(self._mean().mean(-1))
        return distances

    @property
    def by_band(self) -> np.ndarray:
        """Distances from the original by mel band: (conditions, mels)."""
        distances: np.ndarray = np.sqrt(self._mean()[self.conditions.index(ORIGINAL)])
        return distances

    @property
    def by_class(self) -> np.ndarray:
        """Distances from the original by class: (labels, conditions); NaN for a label without
        clips.
        """
        mean = self.squared[:, self.conditions.index(ORIGINAL)].mean(-1)
        distances: np.ndarray = np.where(self.counts[:, None] > 0, np.sqrt(mean), np.nan)
        return distances


def pairwise_squares(static: Tensor) -> Tensor:
    """Mean squared differences over time of each pair of views, by band: (views, mels, frames) to
    (views, views, mels).

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
    """Distances between conditions, over random clips of a split.

    Args:
        store: The opened store.
        conditions: Conditions to compare, with `original`.
        split: Split whose clips are measured.
        clips: Number of clips to measure at most.
        seed: Seed of the random choice.
        threads: Threads to decode in. Default: one process per core instead.

    Raises:
        RunError: The split has no clips.
        StoreError: There is no such condition or split.
        RecipeError: The conditions lack clips of the split.
    """
    mixture = {name: Share(weight=Schedule.of(1)) for name in conditions}
    # Every row shows its clip under all conditions.
    recipe = Recipe(title="all conditions of a clip", draw="views", options={"views": len(conditions)}, mixture=mixture, allow_leakage=True)
    stream = Stream(recipe, store, split=split, seed=seed, batch_size=_BATCH, features="static", tail="keep", threads=threads)
    labels = store.manifest.labels
    squared, counts = None, np.zeros(len(labels), np.int64)
    for batch in stream:
        rows = zip(batch["static"], batch["frames"].tolist(), batch["condition"], batch["label"].tolist(), strict=True)
        for static, frames, names, label in rows:
            ordered = static[[names.index(name) for name in conditions], :, :frames]
            squares = pairwise_squares(ordered).double().numpy()
            squared = np.zeros((len(labels), *squares.shape)) if squared is None else squared
            counts[label] += 1
            squared[label] += (squares - squared[label]) / counts[label]
        if counts.sum() >= clips:
            break
    if squared is None:
        raise RunError(f"split '{split}' of {store.url} has no clips to measure; choose another split")
    return Distances(conditions=tuple(conditions), labels=labels, squared=squared, counts=counts)


def farthest(between: np.ndarray, start: int, count: int) -> list[int]:
    """Numbers of the picked conditions, in the order of picking; each maximises the distance to the
    nearest one so far.

    Args:
        between: Distances, (conditions, conditions).
        start: Number of the condition that counts as picked at the beginning.
        count: Conditions to pick.

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
    count: Annotated[int, typer.Option(min=1, help="Number of conditions to pick.")] = 4,
    conditions: Annotated[str, typer.Option(help="Candidate conditions. Default: all that contain every clip of the store.")] = "",
    split: Annotated[str, typer.Option(help="Split to measure; do not use the one that you evaluate on.")] = "train",
    clips: Annotated[int, typer.Option(min=1, help="Number of random clips to measure.")] = 500,
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("runs/choose_conditions"),
    threads: Annotated[int | None, typer.Option(help="Number of threads to decode in. Default: one process per core instead.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001  # read by streamaug.cli.main.run
) -> None:
    """Measure how much conditions change the features, and pick conditions to train on."""
    if out.exists() and any(out.iterdir()):
        raise RunError(f"{out} is already in use; choose another folder with --out")
    opened = Store.open(store)
    check_one_label(opened)
    candidates = [str(name) for name in parse_conditions(conditions)] if conditions else list(opened.conditions)
    complete = [name for name in candidates if len(opened.index(name)) == opened.clips.num_rows]
    names = paper_order({ORIGINAL, *complete})
    if len(names) < 2:
        raise RunError(f"{store} has no condition besides the original that contains every clip; build one with 'streamaug build'")
    distances = measure(opened, names, split, clips, threads=threads)
    start = names.index(ORIGINAL)
    picked = [names[number] for number in farthest(distances.between, start, count)]
    available = [name for name in PAPER if name in names]
    verdict = (
        f"Picked: {', '.join(picked)}. The paper picked {', '.join(PAPER)}"
        + (f", of which the store has {', '.join(available)}." if len(available) < len(PAPER) else ".")
        + (f" Left out because they lack clips: {', '.join(sorted(set(candidates) - set(names)))}." if set(candidates) - set(names) else "")
    )
    lines = [[name, *(f"{value:.4f}" for value in line)] for name, line in zip(names, distances.between, strict=True)]
    between = Table(header=["condition", *names], rows=lines)
    classes = Table(
        header=["class", *names],
        rows=[[label, *(f"{value:.4f}" for value in line)] for label, line in zip(distances.labels, distances.by_class, strict=True)],
    )
    top = float(distances.between.max())
    heat = matrix(
        distances.between, names, names, title="Distance between conditions", label="RMS difference of log-mel", low=0, high=top, decimals=3
    )
    bands = curves(
        distances.by_band[1:],
        names[1:],
        title="Distance from the original by mel band",
        xlabel="mel band",
        ylabel="RMS difference of log-mel",
    )
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "distances.csv", between.csv())
    write_whole(out / "by_class.csv", classes.csv())
    write_whole(out / "distances.png", heat)
    write_whole(out / "by_band.png", bands)
    sections = [
        Section(title="Conditions to train on", parts=[Text(text=verdict), Picture(png=heat, alt="distance matrix"), between]),
        Section(title="By mel band", parts=[Picture(png=bands, alt="distance by mel band")]),
        Section(title="By class", parts=[classes]),
    ]
    lead = (
        f"{int(distances.counts.sum())} clips of '{split}' of {opened.manifest.name}; "
        "root-mean-square difference of log-mel features scaled to 0 to 1."
    )
    write_whole(out / "report.html", page("Choice of conditions for training", lead, sections))
    stdout.print(between.markdown(), verdict, f"report: {out / 'report.html'}", sep="\n\n")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)
