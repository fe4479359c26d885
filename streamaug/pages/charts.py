"""A figure by condition, with intervals: one row per condition, one mark per model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streamaug.pages.png import new_figure, plain, png_of

STYLES = (
    ("#0072b2", "o"),
    ("#d55e00", "s"),
    ("#009e73", "^"),
    ("#cc79a7", "D"),
    ("#8a6d00", "v"),
    ("#56b4e9", "P"),
    ("#5b5b5b", "X"),
)
"""Colours that most people can tell apart (Okabe and Ito 2008, the yellow darkened for a white ground),
and a form for those who cannot."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """What is drawn of one model.

    Args:
        name: Its name in the legend.
        values: A figure for each condition.
        low: Lower ends of their intervals.
        high: Upper ends of their intervals.
    """

    name: str
    values: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def by_condition(
    conditions: Sequence[str],
    series: Sequence[Series],
    *,
    label: str,
    chance: float | None = None,
    limits: tuple[float, float],
    line: str = "guessing",
) -> bytes:
    """PNG with a row for each condition, in which each model has a mark and its interval.

    Args:
        conditions: Names of the rows, from the top.
        series: One to seven models.
        label: What is drawn, with its unit and from how many clips, such as `accuracy in %, 120 clips`.
        chance: What guessing gives: a dashed line. Default: none.
        limits: Ends of the axis.
        line: What the dashed line is called.
    """
    height = 1.3 + len(conditions) * (0.22 + 0.12 * len(series))
    figure = new_figure(height)
    axes = figure.subplots()
    rows = np.arange(len(conditions))
    for number, (one, (colour, marker)) in enumerate(zip(series, STYLES, strict=False)):
        places = rows + (number - (len(series) - 1) / 2) * min(0.28, 0.84 / len(series))
        axes.hlines(places, one.low, one.high, color=colour, linewidth=2, alpha=0.55)
        name = f" {one.name}" if one.name.startswith("_") else one.name  # a legend leaves out what begins with an underscore
        axes.plot(one.values, places, marker, color=colour, markersize=7, label=plain(name))
    if chance is not None:
        axes.axvline(chance, color="#444444", linestyle="--", linewidth=1.2, label=f"{line}: {chance:g}")
    axes.set(
        yticks=rows, yticklabels=[plain(name) for name in conditions], ylim=(len(conditions) - 0.5, -0.5), xlim=limits, xlabel=plain(label)
    )
    axes.hlines(rows[1:] - 0.5, *limits, color="#e4e4e4", linewidth=0.8, zorder=0)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.legend(loc="outside upper left", frameon=False)
    return png_of(figure)
