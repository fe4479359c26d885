"""Accuracy over the share of lost packets, from an experiment's predictions: a table and a figure.

python -m train.paper.losses FOLDER        reads the predictions of `train.paper.experiment_b`
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer
from matplotlib.figure import Figure

from streamaug.cli.console import run as run_app
from streamaug.cli.console import stdout
from streamaug.condition_names import split_link
from streamaug.files import write_whole
from streamaug.links import Link
from streamaug.links.trace import Trace
from streamaug.pages.page import Table
from streamaug.recipes import load_recipe
from streamaug.stress.bootstrap import ENDS, paired_difference, resampled_means
from train.errors import RunError
from train.paper.tables import Row, read_rows
from train.predictions import by_clip, in_order, read_predictions
from train.results import ORIGINAL, chance_of
from train.run_folder import PREDICTIONS, load_run_config

KINDS = ("no loss", "independent", "bursts", "trace")


@dataclass(frozen=True, kw_only=True)
class Loss:
    """How conditions lose packets.

    Args:
        link: Name of the link; empty if nothing is lost.
        kind: One of `KINDS`.
        share: Share of packets that are lost.
    """

    link: str
    kind: str
    share: float

    @property
    def text(self) -> str:
        return self.kind if not self.link else f"{self.kind}, {100 * self.share:.0f} %"


def loss_of(name: str, links: Mapping[str, Link]) -> Loss:
    """What is lost on a link.

    Args:
        name: The link's name, or an empty one.
        links: The links by name.

    Raises:
        RunError: The link is not among them.
    """
    if not name:
        return Loss(link="", kind=KINDS[0], share=0.0)
    if (link := links.get(name)) is None:
        raise RunError(f"link '{name}' is not in the experiment's recipe; write it under 'links' and run the experiment again")
    if isinstance(link, Trace):
        return Loss(link=name, kind=KINDS[3], share=float(np.unpackbits(np.frombuffer(link.bits, np.uint8), count=link.packets).mean()))
    definition = link.plain()
    return Loss(link=name, kind=KINDS[2] if "burst" in definition else KINDS[1], share=definition["loss"])


@dataclass(frozen=True, kw_only=True)
class Point:
    """Accuracy of an experiment row over several codecs, mean over seeds and codecs.

    Args:
        loss: What was lost.
        right: Share of seeds and codecs that were right, of shape (clips,).
        groups: Group of each clip, of the same shape.
    """

    loss: Loss
    right: np.ndarray
    groups: np.ndarray

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval of a bootstrap over groups of clips."""
        low, high = np.percentile(resampled_means(self.right[:, None], self.groups), ENDS)
        return float(low), float(high)


def points(predictions: pa.Table, row: str, codecs: Sequence[str], losses: Sequence[Loss]) -> list[Point]:
    """Accuracies of an experiment row for each loss.

    Args:
        predictions: The predictions.
        row: The experiment row.
        codecs: Conditions without links, over which the mean is taken.
        losses: What is lost.
    """
    found = []
    for loss in losses:
        each = [by_clip(predictions, row, f"{codec}~{loss.link}" if loss.link else codec) for codec in codecs]
        found.append(Point(loss=loss, right=np.mean([right for _, _, right in each], 0), groups=each[0][1]))
    return found


def loss_table(points_by_row: Mapping[str, Sequence[Point]]) -> Table:
    """Losses x experiment rows: accuracies, and the difference of the last row to the one before it
    with its interval (* excludes zero).

    Args:
        points_by_row: By the rows' names.
    """
    rows = list(points_by_row)
    lines = []
    for at in zip(*points_by_row.values(), strict=True):
        difference = paired_difference(at[-1].right, at[-2].right, at[-1].groups)
        star = " *" if difference.is_significant else ""
        change = f"{difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]{star}"
        lines.append([at[0].loss.text, *(f"{point.right.mean():.3f}" for point in at), change])
    return Table(header=["lost packets", *rows, f"{rows[-1]} - {rows[-2]}"], rows=lines)


def loss_figure(parts: Mapping[str, Mapping[str, Sequence[Point]]], chance: float) -> bytes:
    """PNG of accuracy over loss, one part of the figure next to the other.

    Args:
        parts: By title: the points by experiment row.
        chance: Accuracy of guessing.
    """
    figure = Figure(figsize=(5.2 * len(parts), 4.2), layout="constrained", dpi=110)
    all_axes = np.atleast_1d(figure.subplots(1, len(parts), sharey=True))
    for axes, (title, points_by_row) in zip(all_axes, parts.items(), strict=True):
        for number, (row, each) in enumerate(points_by_row.items()):
            for kind, style in (("independent", "-o"), ("bursts", "--s"), ("trace", "D")):
                chosen = [point for point in each if point.loss.kind in (kind, *([] if kind == "trace" else [KINDS[0]]))]
                if not any(point.loss.kind == kind for point in chosen):
                    continue
                shares = np.array([100 * point.loss.share for point in chosen]) + 0.12 * (number - 1)  # so that intervals can be told apart
                means = np.array([point.right.mean() for point in chosen])
                low, high = np.array([point.interval for point in chosen]).T
                axes.errorbar(
                    shares, means, (means - low, high - means), fmt=style, color=f"C{number}", markersize=4, capsize=2, linewidth=1.2,
                    elinewidth=0.6, label=f"{row}: {kind}",
                )  # fmt: skip
        axes.axhline(chance, color="gray", linewidth=0.8, linestyle=":")
        axes.annotate("guessing", (axes.get_xlim()[1], chance), fontsize=8, color="gray", ha="right", va="bottom")
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("lost packets in %")
    all_axes[0].set_ylabel("accuracy, 95 % intervals over clips")
    all_axes[0].legend(fontsize=7, title="trained on: lost in evaluation", title_fontsize=7)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def parts_of(predictions: pa.Table, rows: Sequence[Row], links: Mapping[str, Link]) -> dict[str, dict[str, list[Point]]]:
    """The points of codecs that are in the training of some row, and of those that are in none.

    Args:
        predictions: The predictions.
        rows: The experiment rows.
        links: Links by name.

    Raises:
        RunError: A link is not among them.
    """
    conditions = [name for name in in_order(predictions, "condition") if name != ORIGINAL]
    losses = sorted({loss_of(split_link(name)[1], links) for name in conditions}, key=lambda loss: (KINDS.index(loss.kind), loss.share))
    seen = {split_link(name)[0] for row in rows for name in row.conditions}
    codecs = dict.fromkeys(split_link(name)[0] for name in conditions)
    groups = {
        "codecs in training": [name for name in codecs if name in seen],
        "codecs left out": [name for name in codecs if name not in seen],
    }
    return {
        f"{title}: {', '.join(names)}": {row.name: points(predictions, row.name, names, losses) for row in rows}
        for title, names in groups.items()
        if names
    }


def main(
    folder: Annotated[Path, typer.Argument(help="Folder of an experiment that evaluated conditions with links.")],
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # noqa: ARG001  # read by streamaug.cli.main.run
) -> None:
    """Print accuracies by loss, and draw them into FOLDER/losses.png."""
    predictions, rows = read_predictions(folder / PREDICTIONS), read_rows(folder / "rows.csv")
    configured = load_run_config(next(iter(sorted(folder.glob("row_*/*/run.yaml")))).parent)
    parts = parts_of(predictions, rows, load_recipe(configured.recipe).links)
    for title, points_by_row in parts.items():
        stdout.print(f"{title}\n\n{loss_table(points_by_row).markdown()}\n")
    write_whole(folder / "losses.png", loss_figure(parts, chance_of(predictions)))
    stdout.print(f"figure: {folder / 'losses.png'}")


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_app(app)
