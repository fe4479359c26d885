"""Heat maps show names as they are, and the range of what they show."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from train.figures import accuracy_map, confusion_change, confusion_map
from train.results import Accuracies

LABELS = ["US$ $\\frac", "_dog", "rain"]


def accuracies(*values: float) -> Accuracies:
    table = np.array(values).reshape(1, 1, -1)
    return Accuracies(rows=("1",), seeds=(0,), conditions=tuple(f"mp3_{number}" for number in range(1, len(values) + 1)), values=table)


def cells(png: bytes, count: int) -> np.ndarray:
    """Brightness of the cells of a map of one column, from the top."""
    pixels = imread(io.BytesIO(png))[..., :3].mean(-1)
    column = pixels[:, pixels.shape[1] // 3]
    inside = column[: int(0.75 * len(column))]
    return np.array([np.median(part) for part in np.array_split(inside[len(inside) // 6 :], count)])


@pytest.mark.parametrize(
    "draw", [lambda counts: confusion_map(counts, LABELS, "x"), lambda counts: confusion_change(counts, counts.T, LABELS, "x")]
)
def test_names_of_classes_are_no_formulas(draw):
    assert draw(np.arange(9).reshape(3, 3)).startswith(b"\x89PNG")


def test_a_heat_map_shows_small_differences_as_it_shows_large_ones():
    small, large = (cells(accuracy_map(accuracies(*values), {}), 3) for values in ((0.70, 0.71, 0.72), (0.1, 0.5, 0.9)))
    assert np.ptp(small) == pytest.approx(np.ptp(large), abs=0.02)
    assert np.ptp(small) > 0.3


def test_many_classes_are_drawn_without_numbers_on_one_page_width():
    png = confusion_map(np.eye(60, dtype=int), [f"class {number}" for number in range(60)], "x")
    assert imread(io.BytesIO(png)).shape[1] <= 700
