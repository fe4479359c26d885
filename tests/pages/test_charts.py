"""A chart by condition shows every mark, interval and what guessing gives; wherever the page is narrow."""

import io

import numpy as np
from matplotlib.image import imread

from streamaug.pages.charts import Series, by_condition

NAMES = ["original", "mp3_64", "mp3_32"]


def drawn(values: list[float], *, width: float = 5, chance: float | None = None, more: bool = False) -> np.ndarray:
    series = [Series(name="a", values=values, low=[value - width for value in values], high=[value + width for value in values])]
    series += [Series(name="b", values=[50] * 3, low=[50] * 3, high=[50] * 3)] if more else []
    png = by_condition(NAMES, series, label="accuracy in %", chance=chance, limits=(0, 100))
    return np.asarray(imread(io.BytesIO(png))[..., :3])


def columns_of(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Places from the left at which a colour is below the legend."""
    below = pixels[pixels.shape[0] // 3 :]
    return np.flatnonzero((np.abs(below * 255 - colour) < 3).all(-1).any(0))


def test_a_mark_is_where_its_value_is() -> None:
    blue = (0x00, 0x72, 0xB2)
    low, middle, high = (columns_of(drawn([value] * 3, width=0), blue).mean() for value in (20, 50, 80))
    assert middle - low > 100
    assert high - middle == np.clip(high - middle, 0.98 * (middle - low), 1.02 * (middle - low))


def test_intervals_chance_and_a_second_model_are_drawn() -> None:
    plain = drawn([60, 50, 40])
    for other in (drawn([60, 50, 40], width=10), drawn([60, 50, 40], chance=10)):
        assert not np.array_equal(other, plain)
    assert len(columns_of(drawn([60, 50, 40], more=True), (0xD5, 0x5E, 0x00)))


def test_a_chart_is_narrow_enough_for_a_telephone() -> None:
    assert drawn([60, 50, 40]).shape[1] <= 700


def test_names_that_look_like_formulas_and_hidden_ones_are_drawn_as_they_are() -> None:
    def picture(name: str) -> bytes:
        series = [Series(name=name, values=[1], low=[1], high=[1])]
        return by_condition([name], series, label=name, limits=(0, 2))

    pictures = [picture(name) for name in ("$\\broken{$", "_hidden", "a")]
    assert len(set(pictures)) == 3
