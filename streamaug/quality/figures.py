"""Draw how the grades of each condition are distributed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_INK = "#22313f"
_FILL = "#7fa8c9"
_GRADES = {0: "imperceptible", -1: "perceptible", -2: "slightly annoying", -3: "annoying", -4: "very annoying"}


def _odg_axis(axes: Axes) -> None:
    axes.set_ylim(-4.1, 0.4)
    axes.set_yticks(list(_GRADES))
    axes.set_ylabel("ODG (PEAQ Basic)")
    axes.grid(axis="y", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    words = axes.secondary_yaxis("right")
    words.set_yticks(list(_GRADES), list(_GRADES.values()))
    words.tick_params(length=0, labelsize="small", colors="#666666")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
        words.spines["right"].set_visible(False)


def draw_violins(grades: Mapping[str, np.ndarray], path: Path) -> None:
    """Write a PNG with one violin per condition, best mean first: the grades of its clips, their
    median (line) and mean (dot).

    Args:
        grades: ODG of each condition's clips, (clips,), NaN for a clip without a grade; a condition
            without any grade is left out.
        path: PNG file to write.
    """
    graded = {condition: odg[np.isfinite(odg)] for condition, odg in grades.items()}
    ordered = sorted((item for item in graded.items() if item[1].size), key=lambda item: -item[1].mean())
    figure = Figure(figsize=(max(4.5, 2.2 + 0.75 * len(ordered)), 4.2), dpi=150, layout="constrained")
    axes = figure.subplots()
    for position, (_, odg) in enumerate(ordered):
        if np.ptp(odg) > 0:
            bodies: Any = axes.violinplot(odg, [position], widths=0.85, showextrema=False)["bodies"]
            for body in bodies:
                body.set(facecolor=_FILL, alpha=0.8, edgecolor="none")
        axes.hlines(np.median(odg), position - 0.2, position + 0.2, color=_INK, linewidth=1.5)
        axes.plot(position, odg.mean(), "o", color=_INK, markersize=4)
    labels = [f"{condition}\n{odg.size} clips" for condition, odg in ordered]
    axes.set_xticks(range(len(ordered)), labels, rotation=45, ha="right", rotation_mode="anchor", fontsize="small")
    _odg_axis(axes)
    figure.savefig(path)
