"""Draw accuracy against perceived quality: the paper's Figure 4 by condition, and the same clip by
clip.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

_INK = "#22313f"
_FILL = "#7fa8c9"
_BINS = 5


def draw_accuracy_against_quality(
    odg: Mapping[str, float], accuracy: Mapping[str, float], slope: float, intercept: float, caption: str, path: Path
) -> None:
    """Write a PNG of conditions as labelled points, accuracy over mean ODG, with their regression
    line.

    Args:
        odg: Mean ODG by condition.
        accuracy: Accuracy by condition.
        slope: Of the regression line, accuracy per grade.
        intercept: Of the regression line, at ODG 0.
        caption: Text in the upper left corner.
        path: PNG file to write.
    """
    figure = Figure(figsize=(6.0, 4.4), dpi=150, layout="constrained")
    axes = figure.subplots()
    x, y = np.array(list(odg.values())), np.array([accuracy[name] for name in odg])
    ends = np.array([x.min(), x.max()]) + np.array([-0.15, 0.15])
    axes.plot(ends, intercept + slope * ends, color=_FILL, linewidth=2)
    axes.plot(x, y, "o", color=_INK, markersize=5)
    axes.text(0.02, 0.98, caption, transform=axes.transAxes, va="top", fontsize="small", color="#444444")
    axes.set_xlabel("mean ODG (PEAQ Basic)")
    axes.set_ylabel("accuracy")
    axes.set_ylim(0, 1.02)
    axes.grid(color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.draw_without_rendering()  # fixes the pixel positions of the points
    _label(axes, dict(zip(odg, zip(x.tolist(), y.tolist(), strict=True), strict=True)))
    figure.savefig(path)


def _label(axes: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Write names next to points, each at the first position where it covers no other name and no
    point.
    """
    pixels = [axes.transData.transform(point) for point in points.values()]
    taken = [Bbox.from_extents(across - 6, up - 6, across + 6, up + 6) for across, up in pixels] + [
        text.get_window_extent() for text in axes.texts
    ]
    for name, point in points.items():
        for across, up in ((6, 4), (-6, 4), (6, -11), (-6, -11), (6, 14), (-6, 14), (6, -21), (-6, -21)):
            side = "left" if across > 0 else "right"
            label = axes.annotate(name, point, (across, up), textcoords="offset points", ha=side, fontsize="small")
            box = label.get_window_extent()
            inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
            if inside and not any(box.overlaps(other) for other in taken):
                break
            label.set_visible(False)
        label.set_visible(True)
        taken.append(box)


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Answers of one condition.

    Args:
        name: The condition.
        odg: ODG of each answer's clip, (answers,).
        right: Whether each answer is right, bool (answers,).
        chance: Maps ODG to the fitted probability of a right answer; NaN without a fit.
    """

    name: str
    odg: np.ndarray
    right: np.ndarray
    chance: Callable[[np.ndarray], np.ndarray]


def draw_right_answers(curves: Sequence[Curve], path: Path) -> None:
    """Write a PNG of the share of right answers over ODG, one panel per condition.

    Args:
        curves: Answers and fitted curve of each condition; bins of equally many answers are drawn
            as dots.
        path: PNG file to write.
    """
    columns = min(4, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(2.3 * columns + 0.6, 2.0 * rows + 0.6), dpi=150, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in panels.flat[len(curves) :]:
        axes.set_visible(False)
    for axes, curve in zip(panels.flat, curves, strict=False):
        order = np.argsort(curve.odg)
        bins = [part for part in np.array_split(order, _BINS) if part.size]
        axes.plot([curve.odg[part].mean() for part in bins], [curve.right[part].mean() for part in bins], "o", color=_INK, markersize=3.5)
        across = np.linspace(curve.odg.min(), curve.odg.max(), 50)
        axes.plot(across, curve.chance(across), color=_FILL, linewidth=2)
        axes.set_title(f"{curve.name} ({curve.odg.size})", fontsize="small")
        axes.grid(color="#eeeeee", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0, 0].set_ylim(-0.03, 1.03)
    figure.supxlabel("ODG of the clip", fontsize="small")
    figure.supylabel("share of right answers", fontsize="small")
    figure.savefig(path)
