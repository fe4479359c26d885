"""Figures of quality: how grades spread in each condition, and accuracy against them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

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
    """Write a PNG with a violin a condition, best mean first: its clips' grades, their median (line) and mean (dot).

    grades: ODG of each condition's clips, (clips,), NaN where a clip has none; conditions without any grade are left out.
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


def draw_accuracy_against_quality(
    odg: Mapping[str, float], accuracy: Mapping[str, float], slope: float, intercept: float, words: str, path: Path
) -> None:
    """Write a PNG of conditions as labelled points, mean ODG to the right and accuracy upwards, with their regression line."""
    figure = Figure(figsize=(6.0, 4.4), dpi=150, layout="constrained")
    axes = figure.subplots()
    x, y = np.array(list(odg.values())), np.array([accuracy[name] for name in odg])
    ends = np.array([x.min(), x.max()]) + np.array([-0.15, 0.15])
    axes.plot(ends, intercept + slope * ends, color=_FILL, linewidth=2)
    axes.plot(x, y, "o", color=_INK, markersize=5)
    axes.text(0.02, 0.98, words, transform=axes.transAxes, va="top", fontsize="small", color="#444444")
    axes.set_xlabel("mean ODG (PEAQ Basic)")
    axes.set_ylabel("accuracy")
    axes.set_ylim(0, 1.02)
    axes.grid(color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    figure.draw_without_rendering()  # now it is settled where the points lie
    _label(axes, dict(zip(odg, zip(x.tolist(), y.tolist(), strict=True), strict=True)))
    figure.savefig(path)


def _label(axes: Axes, points: Mapping[str, tuple[float, float]]) -> None:
    """Write names beside points, each at the first place where it covers no other name and no point."""
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
    """Answers of one condition: odg and right (bool), each (answers,); chance: ODG to fitted probability, NaN without a fit."""

    name: str
    odg: np.ndarray
    right: np.ndarray
    chance: Callable[[np.ndarray], np.ndarray]


_BINS = 5


def draw_right_answers(curves: Sequence[Curve], path: Path) -> None:
    """Write a PNG of the share of right answers over ODG, a panel a condition: fitted curve, and equally filled bins as dots."""
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
