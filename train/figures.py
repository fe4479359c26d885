"""Draw results, as PNG bytes."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from train.precision import Precisions
from train.results import Accuracies


def _png(figure: Figure) -> bytes:
    sink = io.BytesIO()
    figure.savefig(sink, format="png", dpi=110, bbox_inches="tight", metadata={"Software": None})
    return sink.getvalue()


def matrix(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], *, title: str, label: str, low: float, high: float, decimals: int = 2
) -> bytes:
    """A heat map with its values written in. values: (rows, columns)."""
    figure = Figure(figsize=(2.6 + 0.62 * len(columns), 1.5 + 0.42 * len(rows)))
    axes = figure.subplots()
    image = axes.imshow(values, cmap="viridis", vmin=low, vmax=high, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set_title(title)
    for (row, column), value in np.ndenumerate(values):
        light = (value - low) / ((high - low) or 1) < 0.6
        axes.text(column, row, f"{value:.{decimals}f}", ha="center", va="center", color="white" if light else "black", fontsize=8)
    figure.colorbar(image, ax=axes, label=label)
    return _png(figure)


def accuracy_map(table: Accuracies, names: Mapping[str, str]) -> bytes:
    """Heat map of the mean accuracy over seeds: rows x conditions."""
    rows = [names.get(row, row) for row in table.rows]
    return matrix(
        table.means, rows, table.conditions, title="Accuracy by training row and evaluated condition", label="accuracy", low=0.0, high=1.0
    )


def precision_map(table: Precisions) -> bytes:
    """Heat map of the average precision of each label in each condition."""
    title = "Average precision by label and evaluated condition"
    return matrix(table.values, table.labels, table.conditions, title=title, label="average precision", low=0.0, high=1.0)


def learning_curves(runs: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> bytes:
    """Loss and learning rate by step. runs: steps, losses and learning rates of each run, of the
    same length.
    """
    figure = Figure(figsize=(7.5, 4.5))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for name, (steps, losses, learning_rates) in runs.items():
        window = max(1, len(losses) // 50)
        smooth = np.convolve(losses, np.full(window, 1 / window), "valid")
        (line,) = upper.plot(steps[window - 1 :], smooth, label=name)
        upper.plot(steps, losses, color=line.get_color(), alpha=0.15, linewidth=0.6)
        lower.plot(steps, learning_rates, color=line.get_color())
    upper.set_ylabel("training loss")
    upper.legend(fontsize=8)
    lower.set_ylabel("learning rate")
    lower.set_xlabel("step")
    return _png(figure)


def confusion_map(counts: np.ndarray, labels: Sequence[str], title: str) -> bytes:
    """A confusion matrix, each true class scaled to 1. counts: (true, predicted)."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return matrix(shares, labels, labels, title=title, label="share of the true class", low=0.0, high=1.0)


def log_mel_pictures(pictures: Mapping[str, np.ndarray]) -> bytes:
    """One clip in several conditions. pictures: the static matrix (mels, frames) of each condition,
    in [0, 1].
    """
    columns = min(4, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.3 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in panels.flat[len(pictures) :]:
        axes.set_visible(False)
    for axes, (name, static) in zip(panels.flat, pictures.items(), strict=False):
        axes.imshow(static, origin="lower", aspect="auto", vmin=0, vmax=1, cmap="magma")
        axes.set_title(name, fontsize=9)
    figure.supxlabel("frame", fontsize=9)
    figure.supylabel("mel band", fontsize=9)
    return _png(figure)


def curves(values: np.ndarray, names: Sequence[str], *, title: str, xlabel: str, ylabel: str) -> bytes:
    """One line per name. values: (names, points)."""
    figure = Figure(figsize=(8, 4))
    axes = figure.subplots()
    for name, line in zip(names, values, strict=True):
        axes.plot(line, label=name, linewidth=1.2)
    axes.set_title(title)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.legend(fontsize=7, ncols=2)
    return _png(figure)
