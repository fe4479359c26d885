"""Draw a card's figures as PNG, narrow enough to be read on a telephone: labels are next to the lines,
in colours that colour-blind people can distinguish."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from streamaug.pages.charts import STYLES
from streamaug.pages.png import new_figure, plain, png_of
from streamaug.stress.analysis.breaking import bitrates_by_codec, encoder_of, isotonic
from streamaug.stress.card_file import Card, ConditionResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FONT = 10
_SMALL = 8.5
_INK, _GREY, _PALE = "#222222", "#5b5b5b", "#dddddd"
_ORIGINAL, _CODED = STYLES[0][0], STYLES[1][0]


def _figure(height: float) -> "tuple[Figure, Axes]":
    figure = new_figure(height)
    axes = figure.subplots()
    axes.tick_params(labelsize=_FONT, colors=_INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_axisbelow(True)
    return figure, axes


def _style(number: int) -> tuple[str, str]:
    """Colour and marker of a line."""
    return STYLES[number % len(STYLES)]


def _spread(positions: Sequence[float], least: float) -> list[float]:
    """Positions of labels, moved apart until neighbours are at least so far from each other.

    >>> _spread([0.5, 0.5, 0.9], 0.1)
    [0.45, 0.55, 0.9]
    """
    order = np.argsort(positions, kind="stable")
    steps = np.arange(len(order)) * least
    moved = np.empty(len(order))
    # The nearest positions that never come closer than `least` are never falling ones plus steps.
    moved[order] = isotonic(np.array(positions, float)[order] - steps) + steps
    return [round(float(each), 9) for each in moved]


def bitrate_chart(card: Card) -> bytes:
    """The metric over the bitrate, a line for each codec.

    Args:
        card: The card, with at least one codec.
    """
    figure, axes = _figure(4.4)
    conditions = [result.condition for result in card.conditions]
    codecs = bitrates_by_codec(conditions)
    tested = sorted({kbps for points in codecs.values() for kbps, _ in points})
    axes.set_xscale("log")
    # A quarter of the width at the left is for the names of the levels.
    axes.set_xlim(tested[0] / max(1.3, (tested[-1] / tested[0]) ** 0.33), tested[-1] * 1.08)
    axes.set_xticks(tested, [f"{kbps:g}" for kbps in tested])
    axes.minorticks_off()
    ends = []
    for number, (codec, points) in enumerate(codecs.items()):
        colour, marker = _style(number)
        # Codecs at the same bitrate are drawn next to each other, so that their intervals do not cover each other.
        at = [kbps * 1.015 ** (number - (len(codecs) - 1) / 2) for kbps, _ in points]
        results = [card.conditions[place] for _, place in points]
        axes.plot(at, [result.value for result in results], color=colour, linewidth=1.5)
        for kbps, result in zip(at, results, strict=True):
            inside = "white" if is_unseen(result) else colour
            axes.plot(kbps, result.value, marker, color=colour, markerfacecolor=inside, markersize=6)
            if result.low is not None and result.high is not None:
                axes.plot([kbps, kbps], [result.low, result.high], color=colour, linewidth=0.9, alpha=0.55)
        ends.append((codec, at[-1], results[-1].value, colour))
    original = card.conditions[0]
    if original.low is not None and original.high is not None:
        axes.axhspan(original.low, original.high, color=_INK, alpha=0.07, linewidth=0)
    _level(axes, original.value, f"original {original.value:.3f}", "-", above=card.metric != "EER")
    _level(axes, threshold_of(card), f"{100 * card.drop:g} % drop", "--", above=card.metric == "EER")
    _level(axes, card.chance, f"chance {card.chance:.3f}", ":", above=True)
    _breaking_marks(axes, card)
    _labels(axes, ends)
    axes.set_xlabel("kbps (logarithmic)", fontsize=_FONT)
    axes.set_ylabel(_axis_title(card.metric), fontsize=_FONT)
    axes.grid(axis="y", color=_PALE, linewidth=0.6)
    return png_of(figure)


def _labels(axes: "Axes", points: Sequence[tuple[str, float, float, str]]) -> None:
    """Labels of points (text, x, y, colour) at the right of the axes, none on another."""
    low, high = axes.get_ylim()
    heights = _spread([y for _, _, y, _ in points], (high - low) * 0.058)
    for (text, x, y, colour), height in zip(points, heights, strict=True):
        line = {"arrowstyle": "-", "color": colour, "linewidth": 0.5, "alpha": 0.6, "shrinkA": 0, "shrinkB": 3}
        axes.annotate(
            text,
            (x, y),
            xytext=(1.03, height),
            textcoords=axes.get_yaxis_transform(),
            color=colour,
            fontsize=_FONT,
            va="center",
            annotation_clip=False,
            arrowprops=line,
        )


def is_unseen(result: ConditionResult) -> bool:
    """Whether a condition is known to be new to the model."""
    return result.familiarity is not None and result.familiarity.startswith("unseen")


def _breaking_marks(axes: "Axes", card: Card) -> None:
    """Where codecs cross the allowed drop: their bitrates, in their colours."""
    for number, each in enumerate(card.breaking):
        if each.bitrate.case == "at":
            colour, _ = _style(number)
            at = (each.bitrate.kbps, threshold_of(card))
            axes.plot(*at, "|", color=colour, markersize=16, markeredgewidth=2.5, zorder=4)
            text = f"{each.bitrate.kbps:.0f}"
            axes.annotate(text, at, xytext=(-7, -6), textcoords="offset points", fontsize=_FONT, color=colour, ha="right", va="top")


def _axis_title(metric: str) -> str:
    return {"accuracy": "accuracy", "mAP": "mean average precision", "EER": "equal error rate (lower is better)"}[metric]


def _level(axes: "Axes", value: float, text: str, style: str, *, above: bool) -> None:
    axes.axhline(value, color=_GREY, linestyle=style, linewidth=1)
    axes.annotate(
        text,
        (0.01, value),
        xycoords=axes.get_yaxis_transform(),
        xytext=(0, 2 if above else -2),
        textcoords="offset points",
        fontsize=_SMALL,
        color=_GREY,
        va="bottom" if above else "top",
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8},
    )


def threshold_of(card: Card) -> float:
    """The value of the metric at which a codec breaks."""
    original = card.conditions[0].value
    return 1 - (1 - original) * (1 - card.drop) if card.metric == "EER" else original * (1 - card.drop)


def class_chart(card: Card, most: int = 25) -> bytes:
    """Each class on the original, coded, and in its worst condition; those that lose most on top.

    Args:
        card: The card.
        most: The most classes to draw.
    """
    shown = card.classes[:most][::-1]
    figure, axes = _figure(1.2 + 0.28 * len(shown))
    at = np.arange(len(shown))
    original, coded, worst = (np.array([getattr(each, name) for each in shown]) for name in ("original", "coded", "worst"))
    axes.hlines(at, worst, original, color=_PALE, linewidth=4)
    axes.plot(worst, at, "|", color=_CODED, markersize=9, markeredgewidth=1.8, label="worst condition")
    axes.plot(coded, at, "s", color=_CODED, markersize=5, label="mean of coded")
    axes.plot(original, at, "o", color=_ORIGINAL, markersize=5.5, label="original")
    axes.set_yticks(at, [_short(each.label) for each in shown])
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.set_xlim(-0.03, 1.03)
    axes.set_xlabel("average precision" if card.metric == "mAP" else "share of the class's clips answered right", fontsize=_FONT)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=_SMALL, handletextpad=0.3, columnspacing=1.2)
    return png_of(figure)


def _short(label: str, most: int = 24) -> str:
    return plain(label if len(label) <= most else f"{label[: most - 1]}…")


def confusion_chart(increase: np.ndarray, labels: Sequence[str]) -> bytes:
    """How much more often a class is answered as another one when it is coded.

    Args:
        increase: Change of the shares in percentage points, (true classes, answers).
        labels: Names of the classes.
    """
    size = len(labels)
    figure, axes = _figure(1.6 + 0.36 * size)
    limit = max(1.0, float(np.abs(increase).max()))
    image = axes.imshow(increase, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    axes.set_xticks(range(size), [_short(label, 16) for label in labels], rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(size), [_short(label, 16) for label in labels])
    axes.set_xlabel("answer of the model", fontsize=_FONT)
    axes.set_ylabel("true class", fontsize=_FONT)
    for (row, column), value in np.ndenumerate(increase):
        if round(value):
            colour = "white" if abs(value) > 0.6 * limit else _INK
            axes.text(column, row, f"{value:+.0f}", ha="center", va="center", fontsize=_SMALL - 1, color=colour)
    bar = figure.colorbar(image, ax=axes, aspect=30, pad=0.02)
    bar.set_label("percentage points: coded less original", fontsize=_SMALL)
    bar.ax.tick_params(labelsize=_SMALL)
    return png_of(figure)


def grade_chart(card: Card) -> bytes:
    """The metric of each condition over its mean grade."""
    figure, axes = _figure(4.2)
    values = {result.condition: result for result in card.conditions}
    codecs = list(bitrates_by_codec(list(values)))
    texts = []
    for grade in card.grades:
        result = values[grade.condition]
        codec = encoder_of(grade.condition)
        number = codecs.index(codec) if codec in codecs else len(STYLES) - 1
        colour, marker = _style(number)
        if result.low is not None and result.high is not None:
            axes.plot([grade.odg] * 2, [result.low, result.high], color=colour, linewidth=0.9, alpha=0.5)
        axes.plot(grade.odg, result.value, marker, color=colour, markersize=5)
        texts.append((grade.condition, grade.odg, result.value, colour))
    _level(axes, values["original"].value, "original", "-", above=card.metric != "EER")
    _level(axes, card.chance, "chance", ":", above=True)
    axes.margins(y=0.08)
    axes.set_xlim(-4.05, 0.1)
    _labels(axes, texts)
    axes.set_xticks(range(-4, 1), ["−4\nvery\nannoying", "−3\nannoying", "−2\nslightly\nannoying", "−1\nperceptible", "0\nno\ndifference"])
    axes.set_xlabel("mean objective difference grade (ODG, PEAQ Basic)", fontsize=_FONT)
    axes.set_ylabel(_axis_title(card.metric), fontsize=_FONT)
    axes.grid(color=_PALE, linewidth=0.6)
    return png_of(figure)
