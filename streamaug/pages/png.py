"""Matplotlib figures as PNG bytes, in a size that can be read on a telephone."""

import io

from matplotlib.figure import Figure

WIDTH, DPI = 5.5, 125
"""Inches, and pixels per inch: a picture has 690, and letters of 10 points are 10 pixels high where a
screen shows it 390 wide."""


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure.

    Args:
        height: In inches.
        width: In inches.
    """
    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def png_of(figure: Figure) -> bytes:
    """A figure as PNG, without the version of Matplotlib: the same figure gives the same bytes.

    Args:
        figure: Drawn at its own size and resolution.
    """
    sink = io.BytesIO()
    figure.savefig(sink, format="png", metadata={"Software": None})
    return sink.getvalue()


def plain(text: str) -> str:
    """A text that Matplotlib draws as it is, though it takes what is between two `$` for a formula.

    Args:
        text: A name of somebody's, such as a label.

    >>> plain("US$ and A$")
    'US\\\\$ and A\\\\$'
    """
    return text.replace("$", r"\$")
