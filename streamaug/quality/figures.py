"""Draw how the grades of each condition are distributed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from streamaug.quality.measures import Measure

_INK = "#22313f"
_FILL = "#7fa8c9"


def _grade_axis(axes: Axes, measure: Measure) -> None:
    axes.set_ylim(*measure.ends)
    axes.set_yticks(list(measure.scale))
    axes.set_ylabel(measure.label)
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    words = axes.secondary_yaxis("right")
    words.set_yticks(list(measure.scale), list(measure.scale.values()))
    words.tick_params(length=0, labelsize="small", colors="#666666")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
        words.spines["right"].set_visible(False)


def draw_violins(grades: Mapping[str, np.ndarray], measure: Measure, path: Path) -> None:
    """Write a PNG with one violin per condition, best mean first: the grades of its clips, their
    median (line) and mean (dot).

    Args:
        grades: Grades of each condition's clips, (clips,), NaN for a clip without one; a condition
            without any grade is left out.
        measure: What graded them.
        path: PNG file to write.
    """
    graded = {condition: each[np.isfinite(each)] for condition, each in grades.items()}
    ordered = sorted((item for item in graded.items() if item[1].size), key=lambda item: -item[1].mean())
    figure = Figure(figsize=(max(4.5, 2.2 + 0.75 * len(ordered)), 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    for position, (_, each) in enumerate(ordered):
        if np.ptp(each) > 0:
            bodies: Any = axes.violinplot(each, [position], widths=0.85, showextrema=False)["bodies"]
            for body in bodies:
                body.set(facecolor=_FILL, alpha=0.8, edgecolor="none")
        axes.hlines(np.median(each), position - 0.2, position + 0.2, color=_INK, linewidth=1.5)
        axes.plot(position, each.mean(), "o", color=_INK, markersize=4)
    labels = [f"{condition}\n{each.size} clips" for condition, each in ordered]
    axes.set_xticks(range(len(ordered)), labels, rotation=45, ha="right", rotation_mode="anchor", fontsize="small")
    _grade_axis(axes, measure)
    figure.savefig(path)
