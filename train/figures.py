"""Draw results, as PNG bytes."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps

from streamaug.pages.png import new_figure, plain, png_of
from train.precision import Precisions
from train.results import Accuracies

_MOST_WRITTEN = 12
"""Columns up to which a heat map of a page's width has room for its values."""


def matrix(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    title: str,
    label: str,
    low: float | None = None,
    high: float | None = None,
    decimals: int = 2,
    axes_names: tuple[str, str] = ("", ""),
    colours: str = "viridis",
) -> bytes:
    """A heat map, with its values written in if there is room. values: (rows, columns).

    Args:
        values: Of shape (rows, columns); NaN is left blank.
        rows: Names of the rows.
        columns: Names of the columns.
        title: What it shows.
        label: Of the colour bar, with the unit.
        low: Where the colours begin. Default: at the smallest value.
        high: Where they end. Default: at the largest value.
        decimals: Of the values that are written in.
        axes_names: What the rows and the columns are, for those that need to be told apart.
        colours: Name of the colour map.
    """
    low, high = float(np.nanmin(values)) if low is None else low, float(np.nanmax(values)) if high is None else high
    is_written = len(columns) <= _MOST_WRITTEN
    small = 9 if len(rows) <= 30 else 6
    figure = new_figure(1.9 + (0.34 if small == 9 else 0.12) * len(rows))
    axes = figure.subplots()
    image = axes.imshow(values, cmap=colours, vmin=low, vmax=high, aspect="auto")
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if is_written else {"rotation": 90}
    axes.set_xticks(range(len(columns)), map(plain, columns), fontsize=small, **slanted)
    axes.set_yticks(range(len(rows)), map(plain, rows), fontsize=small)
    axes.set_ylabel(axes_names[0])
    axes.set_xlabel(axes_names[1])
    axes.set_title(title, fontsize=11, loc="left")
    for (row, column), value in np.ndenumerate(values):
        if is_written and np.isfinite(value):
            red, green, blue, _ = image.cmap(image.norm(value))
            ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
            axes.text(column, row, _short(value, decimals), ha="center", va="center", color=ink, fontsize=8)
    figure.colorbar(image, ax=axes, label=label)
    return png_of(figure)


def _short(value: float, decimals: int) -> str:
    """A number for a small cell.

    >>> [_short(value, 2) for value in (0.5, -0.25, 1.0)], _short(0.4, 0)
    (['.50', '-.25', '1.00'], '0')
    """
    text = f"{value:.{decimals}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and decimals else text


def accuracy_map(table: Accuracies, names: Mapping[str, str]) -> bytes:
    """Heat map of the mean accuracy over seeds, conditions x experiment rows, from the lowest to the
    highest."""
    columns = [names.get(row, row) for row in table.rows]
    return matrix(table.means.T, table.conditions, columns, title="Accuracy by condition and experiment row", label="accuracy")


def precision_map(table: Precisions) -> bytes:
    """Heat map of the average precision of each label in each condition, from the lowest to the
    highest."""
    title = "Average precision by condition and label"
    return matrix(table.values.T, table.conditions, table.labels, title=title, label="average precision")


def learning_curves(runs: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> bytes:
    """Loss and learning rate by step. runs: steps, losses and learning rates of each run, of the
    same length.
    """
    figure = new_figure(4.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for name, (steps, losses, learning_rates) in runs.items():
        window = max(1, len(losses) // 50)
        smooth = np.convolve(losses, np.full(window, 1 / window), "valid")
        (line,) = upper.plot(steps[window - 1 :], smooth, label=plain(name))
        upper.plot(steps, losses, color=line.get_color(), alpha=0.15, linewidth=0.6)
        lower.plot(steps, learning_rates, color=line.get_color())
    upper.set_ylabel("training loss")
    if len(runs) > 1:
        upper.legend()
    lower.set_ylabel("learning rate")
    lower.set_xlabel("step")
    return png_of(figure)


def confusion_map(counts: np.ndarray, labels: Sequence[str], title: str) -> bytes:
    """A confusion matrix in percent of each true class, from 0 to the largest. counts: (true,
    predicted)."""
    return matrix(_percent(counts), labels, labels, title=title, label="% of the true class", low=0, decimals=0, axes_names=_CLASSES)


def confusion_change(before: np.ndarray, after: np.ndarray, labels: Sequence[str], title: str) -> bytes:
    """How a confusion matrix changes, in percentage points of each true class. before, after: (true,
    predicted)."""
    change = _percent(after) - _percent(before)
    end = float(np.abs(change).max()) or 1.0
    return matrix(
        change,
        labels,
        labels,
        title=title,
        label="percentage points",
        low=-end,
        high=end,
        decimals=0,
        axes_names=_CLASSES,
        colours="RdBu_r",
    )


_CLASSES = ("true class", "predicted class")


def _percent(counts: np.ndarray) -> np.ndarray:
    shares: np.ndarray = 100 * counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return shares


def mixture_over_time(conditions: Sequence[str], rows: np.ndarray, times: np.ndarray, *, unit: str) -> bytes:
    """The share of each condition in the rows of a training, as a recipe's curriculum makes it.

    Args:
        conditions: Names of the conditions.
        rows: Rows of each condition from each time on, (times, conditions).
        times: Each time, and the end: (times + 1,).
        unit: What times count.
    """
    shares = 100 * rows / rows.sum(1, keepdims=True)
    figure = new_figure(2.4 + 0.16 * len(conditions))
    axes = figure.subplots()
    colours = colormaps["tab20" if len(conditions) > 10 else "tab10"](range(len(conditions)))
    axes.stackplot(times, np.vstack([shares, shares[-1:]]).T, step="post", labels=conditions, colors=colours)
    axes.set(xlabel=unit, ylabel="% of the rows", xlim=(times[0], times[-1]), ylim=(0, 100))
    handles, names = axes.get_legend_handles_labels()
    figure.legend(handles[::-1], names[::-1], loc="outside right upper", frameon=False)
    return png_of(figure)


def curves(values: np.ndarray, names: Sequence[str], *, title: str, xlabel: str, ylabel: str) -> bytes:
    """One line per name. values: (names, points)."""
    figure = new_figure(max(4, 1 + 0.25 * len(names)))
    axes = figure.subplots()
    colours = colormaps["tab20" if len(names) > 10 else "tab10"](range(len(names)))
    for name, line, colour in zip(names, values, colours, strict=True):
        axes.plot(line, label=name, linewidth=1.2, color=colour)
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    figure.legend(loc="outside right upper", frameon=False)
    return png_of(figure)
