"""Matplotlib figures as PNG bytes, in a size that can be read on a telephone."""

import io

from matplotlib.figure import Figure

WIDTH = 5.5
"""Inches. With 125 pixels each a picture has 690, and letters of 10 points are 10 pixels high where
a screen shows it 390 wide."""

_DPI = 125


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure.

    Args:
        height: In inches.
        width: In inches.
    """
    return Figure(figsize=(width, height), dpi=_DPI, layout="constrained")


def png_of(figure: Figure) -> bytes:
    """A figure as PNG, without the version of Matplotlib: the same figure gives the same bytes.

    Args:
        figure: Drawn at its own size and resolution.
    """
    sink = io.BytesIO()
    figure.savefig(sink, format="png", metadata={"Software": None})
    return sink.getvalue()
